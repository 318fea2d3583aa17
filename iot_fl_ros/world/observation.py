"""Boards that a camera observes: their place in the picture and their look to a classifier.

The simulator's ground truth takes the place of a detector and of a person who labels: poses of
the boards come from the world file, the pose of the robot from the simulator.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.world.elements import Board, Camera, Model, World, boards_of
from iot_fl_ros.world.poses import Matrix

# A point in the optical frame (x right, y down, z ahead) of a sensor that looks along +x.
_OPTICAL = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
_INSET = 0.9  # of a board's half side: where lines of sight end


@dataclass(frozen=True)
class VisibilityRules:
    """A board counts if it is `pixels` high and wide at least, within `angle` of face on."""

    pixels: float = 24.0
    angle: float = math.radians(55)


@dataclass(frozen=True, eq=False)
class Observation:
    """A board in a picture. corners: pixels [4, 2], clockwise from the top left; distance in m."""

    board: Board
    corners: NDArray[np.float64]
    distance: float

    def crop(self, rgb: NDArray[np.uint8], size: int = 28) -> NDArray[np.uint8]:
        """Return the board's bounding box of the picture [height, width, 3], grey [size, size].

        As it was seen: slanted boards stay slanted.
        """
        left, top = np.floor(self.corners.min(axis=0)).astype(int)
        right, bottom = np.ceil(self.corners.max(axis=0)).astype(int)
        part = rgb[max(0, top) : bottom, max(0, left) : right]
        grey = cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY)
        return np.asarray(cv2.resize(grey, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


class Scene:
    """The boards of a world, and the boxes that may stand before them.

    Robots are not known to it: a board behind a robot counts as seen.
    """

    def __init__(self, world: World, rules: VisibilityRules | None = None) -> None:
        self.boards = boards_of(world)
        self._rules = rules or VisibilityRules()
        self._centres = np.array([board.pose[:3, 3] for board in self.boards])
        self._normals = np.array([board.pose[:3, 0] for board in self.boards])
        names = {board.name for board in self.boards}
        self._boxes = _boxes(model for model in world.models if model.name not in names)

    def seen(self, camera: Camera, pose: Matrix) -> list[Observation]:
        """Return the boards in the picture of a camera at `pose` (+x ahead) in the world."""
        found = (self._observation(board, camera, pose) for board in self._candidates(pose))
        return [observation for observation in found if observation is not None]

    def _candidates(self, pose: Matrix) -> list[Board]:
        """Return the boards ahead whose pictures face the eye."""
        way = self._centres - pose[:3, 3]
        distances = np.maximum(np.linalg.norm(way, axis=1), 1e-9)
        facing = -(way * self._normals).sum(axis=1) / distances
        chosen = (facing >= math.cos(self._rules.angle)) & (way @ pose[:3, 0] > 0)
        return [self.boards[index] for index in np.flatnonzero(chosen)]

    def _observation(self, board: Board, camera: Camera, pose: Matrix) -> Observation | None:
        eye = pose[:3, 3]
        corners = _project(camera, pose, _corners(board, 1.0))
        if corners is None or np.ptp(corners, axis=0).min() < self._rules.pixels:
            return None
        targets = np.vstack([_corners(board, _INSET), board.pose[:3, 3]])
        if _crossed(*self._boxes, eye, targets):
            return None
        return Observation(board, corners, float(np.linalg.norm(board.pose[:3, 3] - eye)))


def camera_pose(robot: Model, base: Matrix) -> tuple[Camera, Matrix]:
    """Return the camera of a robot and its pose in the world; base: pose of the robot there."""
    for link in robot.links:
        for camera in link.cameras:
            pose: Matrix = base @ link.pose @ camera.pose
            return camera, pose
    raise ValueError(f'{robot.name} has no camera')


def _corners(board: Board, share: float) -> NDArray[np.float64]:
    """Return the corners of the picture in the world, clockwise from the top left as seen."""
    half = share * board.side / 2
    # The picture is on the face towards +x; who looks at it has the board's +y on the right.
    places = ((-half, half), (half, half), (half, -half), (-half, -half))
    own = np.array([(board.thickness / 2, y, z, 1.0) for y, z in places])
    return np.asarray((own @ board.pose.T)[:, :3])


def _project(camera: Camera, pose: Matrix, points: Matrix) -> Matrix | None:
    """Return pixels of points [n, 3] of the world; None if one of them is not in the picture."""
    seen = (points - pose[:3, 3]) @ pose[:3, :3] @ _OPTICAL.T
    if (seen[:, 2] < camera.near).any() or (seen[:, 2] > camera.far).any():
        return None
    focal = camera.width / 2 / math.tan(camera.horizontal_fov / 2)
    size = np.array([camera.width, camera.height])
    pixels: Matrix = focal * seen[:, :2] / seen[:, 2:] + size / 2
    inside = (pixels >= 0).all() and (pixels <= size).all()
    return pixels if inside else None


def _boxes(models: Iterable[Model]) -> tuple[Matrix, Matrix]:
    """Return world-to-box matrices [n, 4, 4] and half sizes [n, 3] of all boxes to be seen."""
    found = [
        (np.linalg.inv(model.pose @ link.pose @ part.pose), np.array(part.shape.size) / 2)
        for model in models
        for link in model.links
        for part in link.parts
        if part.visible and part.shape.kind == 'box'
    ]
    matrices = [matrix for matrix, _ in found]
    return np.reshape(matrices, (-1, 4, 4)), np.reshape([half for _, half in found], (-1, 3))


def _crossed(matrices: Matrix, halves: Matrix, eye: Matrix, targets: Matrix) -> bool:
    """Return whether a line from the eye to one of the targets [n, 3] goes through a box.

    The slab method, for all boxes and targets at once.
    """
    turns = matrices[:, None, :3, :3]
    origins = (turns @ eye[:, None])[..., 0] + matrices[:, None, :3, 3]
    ways = (turns @ (targets - eye)[None, :, :, None])[..., 0]
    with np.errstate(divide='ignore', invalid='ignore'):
        first = (-halves[:, None] - origins) / ways
        second = (halves[:, None] - origins) / ways
    enter = np.nanmax(np.minimum(first, second), axis=-1, initial=0.0)
    leave = np.nanmin(np.maximum(first, second), axis=-1, initial=1.0)
    return bool((enter < leave).any())
