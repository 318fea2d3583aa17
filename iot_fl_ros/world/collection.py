"""Labelled samples of what a robot sees on its rounds, own part of the floor and other parts.

A robot learns from its own part alone; what it saw of the others serves to test it.
"""

from __future__ import annotations

import bisect
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.core.store import write_durably
from iot_fl_ros.world.observation import Observation
from iot_fl_ros.world.plan import room_of
from iot_fl_ros.world.poses import turn_between

OWN, OTHERS, TRACK, VIEW = 'own.npz', 'others.npz', 'track.npz', 'view.png'
# Latched Bool topic of a collector: true from the first picture of which it knows the pose.
LOOKING = 'collector/looking'
_GREEN, _ORANGE = (0, 200, 0), (255, 140, 0)
_VIEW_SIZE = (640, 480)


@dataclass(frozen=True)
class PlanarPose:
    """Pose of a robot: time, s, x, y, m, and yaw, rad."""

    time: float
    x: float
    y: float
    yaw: float


class PoseTrack:
    """Poses in the order of their times; tells those between."""

    def __init__(self, keep: float = 2.0) -> None:
        """keep: how long poses are kept, s."""
        self._keep = keep
        self._poses: list[PlanarPose] = []

    def add(self, pose: PlanarPose) -> None:
        """Take a pose; one that comes late is ignored, one from before all here begins anew."""
        if self._poses and pose.time <= self._poses[-1].time:
            if pose.time > self._poses[-1].time - self._keep:
                return
            self._poses.clear()  # the clock was set back, as by a simulator that begins anew
        self._poses.append(pose)
        while self._poses[0].time < pose.time - self._keep:
            self._poses.pop(0)

    @property
    def newest(self) -> float:
        """Time of the last pose, s; minus infinity without one."""
        return self._poses[-1].time if self._poses else -np.inf

    def at(self, time: float) -> PlanarPose | None:
        """Return the pose at a time between two poses; None outside of what is kept."""
        index = bisect.bisect_left(self._poses, time, key=lambda pose: pose.time)
        if index == len(self._poses) or (index == 0 and self._poses[0].time != time):
            return None
        after, before = self._poses[index], self._poses[max(0, index - 1)]
        span = after.time - before.time
        share = (time - before.time) / span if span else 0.0
        turn = turn_between(before.yaw, after.yaw)
        x, y = before.x + share * (after.x - before.x), before.y + share * (after.y - before.y)
        return PlanarPose(time, x, y, before.yaw + share * turn)


@dataclass
class _Part:
    """Samples of a part of the floor."""

    pictures: list[NDArray[np.uint8]] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    boards: list[str] = field(default_factory=list)


class Collection:
    """Keeps views of boards that are not nearly the same.

    rooms: the robot's own part of the floor. pause: time between two views of one board, s.
    views: of one board, at most.
    """

    def __init__(self, rooms: Sequence[int], pause: float = 0.5, views: int = 12) -> None:
        self._rooms = frozenset(rooms)
        self._pause, self._views = pause, views
        self._last: dict[str, float] = {}
        self._count: Counter[str] = Counter()
        self.own, self.others = _Part(), _Part()
        self._track: list[PlanarPose] = []
        self._best: tuple[int, NDArray[np.uint8]] | None = None

    def add(
        self, pose: PlanarPose, rgb: NDArray[np.uint8], observations: Sequence[Observation]
    ) -> int:
        """Take what a picture [height, width, 3] shows; return how many samples it gave."""
        self._track.append(pose)
        mine = [one for one in observations if self._is_own(one)]
        if mine and (self._best is None or len(mine) > self._best[0]):
            self._best = (len(mine), outlined(rgb, observations))
        fresh = [one for one in observations if self._is_fresh(one, pose.time)]
        for one in fresh:
            part, board = self.own if self._is_own(one) else self.others, one.board
            part.pictures.append(one.crop(rgb))
            part.kinds.append(board.kind)
            part.boards.append(board.name)
            self._last[board.name] = pose.time
            self._count[board.name] += 1
        return len(fresh)

    def counts(self) -> dict[str, int]:
        """Return how many samples there are of either part."""
        return {'own': len(self.own.kinds), 'others': len(self.others.kinds)}

    def save(self, folder: Path, class_names: Sequence[str]) -> None:
        """Write own.npz, others.npz, track.npz and view.png, each as a whole or not at all.

        DataError if nothing was seen of the own part.
        """
        if not self.own.kinds:
            raise DataError(
                f'no board of rooms {sorted(self._rooms)} was seen in {len(self._track)} pictures'
            )
        for name, part in ((OWN, self.own), (OTHERS, self.others)):
            if part.kinds:
                _save_npz(
                    folder / name, x=np.stack(part.pictures), y=np.array(part.kinds, np.int64),
                    board=np.array(part.boards), class_names=np.array(class_names),
                )  # fmt: skip
        track = [(pose.time, pose.x, pose.y, pose.yaw) for pose in self._track]
        _save_npz(folder / TRACK, track=np.array(track))
        if self._best is not None:
            larger = cv2.resize(self._best[1], _VIEW_SIZE, interpolation=cv2.INTER_CUBIC)
            write_durably(folder / VIEW, cv2.imencode('.png', larger[..., ::-1])[1].tobytes())

    def _is_own(self, observation: Observation) -> bool:
        x, y = observation.board.pose[:2, 3]
        return room_of(float(x), float(y)) in self._rooms

    def _is_fresh(self, observation: Observation, time: float) -> bool:
        name = observation.board.name
        rested = abs(time - self._last.get(name, -np.inf)) >= self._pause  # or set back
        return rested and self._count[name] < self._views


def outlined(rgb: NDArray[np.uint8], observations: Sequence[Observation]) -> NDArray[np.uint8]:
    """Return a picture with the boards outlined that were seen in it."""
    picture = rgb.copy()
    for observation in observations:
        corners = observation.corners.round().astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(picture, [corners], True, _GREEN, 1, cv2.LINE_AA)
        place = (int(corners[0, 0, 0]), max(10, int(corners[0, 0, 1]) - 3))
        text = str(observation.board.kind)
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, _ORANGE, 1, cv2.LINE_AA)
    return picture


def empty_folder(folder: Path) -> Path:
    """Make the folder of a collection, without what was collected there before; return it.

    DataError if it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (OWN, OTHERS, TRACK, VIEW):
            (folder / name).unlink(missing_ok=True)
        write_durably(folder / TRACK, b'')  # now, not after a patrol of minutes
        (folder / TRACK).unlink()
    except OSError as error:
        raise DataError(f'output {folder} cannot be written: {error}') from error
    return folder


def _save_npz(path: Path, **arrays: Any) -> None:
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    write_durably(path, content.getvalue())
