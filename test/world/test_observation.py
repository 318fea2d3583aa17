"""Which boards a camera sees, and where in its picture."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from iot_fl_ros.core.errors import SimulatorError
from iot_fl_ros.data import fashion_mnist
from iot_fl_ros.world.elements import boards_of
from iot_fl_ros.world.installed import WORLD, worlds_folder
from iot_fl_ros.world.observation import Scene, VisibilityRules, camera_pose
from iot_fl_ros.world.poses import pose_matrix
from iot_fl_ros.world.robot import robots
from iot_fl_ros.world.sdf import read_world
from iot_fl_ros.world.simulation import Simulation, load_mujoco
from iot_fl_ros.world.textures import PICTURES


@pytest.fixture(scope='module')
def world():
    return read_world(worlds_folder() / WORLD)


@pytest.fixture(scope='module')
def scene(world):
    return Scene(world)


@pytest.fixture(scope='module')
def robot():
    return robots(worlds_folder(), ('robot_0',))[0]


def before(board, distance, aside=0.0):
    """Return where a robot stands that looks at a board from `distance` m."""
    yaw = math.atan2(board.pose[1, 0], board.pose[0, 0])
    x, y = board.pose[:2, 3] + distance * board.pose[:2, 0] + aside * board.pose[:2, 1]
    ahead = math.atan2(board.pose[1, 3] - y, board.pose[0, 3] - x) if aside else yaw + math.pi
    return pose_matrix(f'{x} {y} 0 0 0 {ahead}')


def on_outer_wall(world):
    return next(b for b in boards_of(world) if b.pose[0, 3] > 4.9 and 2.4 < b.pose[1, 3] < 2.7)


def test_a_board_ahead_has_the_size_that_its_distance_gives(world, scene, robot):
    board = on_outer_wall(world)
    camera, pose = camera_pose(robot, before(board, 1.5))
    observation = next(s for s in scene.seen(camera, pose) if s.board.name == board.name)
    focal = camera.width / 2 / math.tan(camera.horizontal_fov / 2)
    reach = 1.5 - pose_offset(robot) - board.thickness / 2
    size = observation.corners.max(axis=0) - observation.corners.min(axis=0)
    np.testing.assert_allclose(size, focal * board.side / reach, rtol=1e-6)
    top_left, top_right, bottom_right, _ = observation.corners
    assert top_left[0] < top_right[0]
    assert top_left[1] < bottom_right[1]


@pytest.mark.parametrize(('near', 'far', 'seen'), [(1, 3, True), (2, 3, False), (0.1, 1, False)])
def test_a_board_nearer_or_farther_than_a_camera_sees_is_not_seen(
    world, scene, robot, near, far, seen
):
    board = on_outer_wall(world)
    camera, pose = camera_pose(robot, before(board, 1.5))
    found = scene.seen(replace(camera, near=near, far=far), pose)
    assert (board.name in {one.board.name for one in found}) == seen


def pose_offset(robot):
    return camera_pose(robot, np.eye(4))[1][0, 3]


def test_the_back_of_a_board_is_not_its_picture(world, scene, robot):
    board = on_outer_wall(world)
    base = before(board, -1.5)
    turned = base @ pose_matrix(f'0 0 0 0 0 {math.pi}')
    camera, pose = camera_pose(robot, turned)
    assert board.name not in {s.board.name for s in scene.seen(camera, pose)}


def test_a_wall_hides_the_boards_of_the_next_room(world, scene, robot):
    board = on_outer_wall(world)
    camera, pose = camera_pose(robot, before(board, 4.9 + 0.6))
    everything = VisibilityRules(pixels=1.0, angle=math.radians(89))
    unhidden = Scene(world, everything)
    unhidden._boxes = (np.zeros((0, 4, 4)), np.zeros((0, 3)))
    assert board.name in {s.board.name for s in unhidden.seen(camera, pose)}
    assert board.name not in {s.board.name for s in Scene(world, everything).seen(camera, pose)}


def test_a_slanted_or_distant_board_does_not_count(world, robot):
    board = on_outer_wall(world)
    for base, rules in (
        (before(board, 0.6, aside=1.6), VisibilityRules(angle=math.radians(45))),
        (before(board, 3.0), VisibilityRules(pixels=60)),
    ):
        camera, pose = camera_pose(robot, base)
        assert board.name not in {s.board.name for s in Scene(world, rules).seen(camera, pose)}
        lenient = Scene(world, VisibilityRules(pixels=10, angle=math.radians(80)))
        assert board.name in {s.board.name for s in lenient.seen(camera, pose)}


def test_what_a_camera_crops_is_the_picture_of_the_board_and_not_its_mirror_image(world_file):
    try:
        load_mujoco()
    except SimulatorError as error:
        pytest.skip(str(error))
    simulation = Simulation.open(world_file, 3)
    try:
        simulation.image('robot_2')
    except SimulatorError as error:
        pytest.skip(str(error))
    chosen = json.loads((world_file.parent / PICTURES).read_text())
    images = fashion_mnist.load('test').values[:, 0].astype(float)
    scene = Scene(read_world(world_file))
    likeness, mirrored, shifted = [], [], []
    for _ in range(16):
        simulation.drive('robot_2', 0.0, 1.0)
        simulation.step(100)
        truth = simulation.ground_truth('robot_2')  # its room has shoes, which are not symmetric
        base = pose_matrix(f'{truth.position[0]} {truth.position[1]} 0 0 0 {truth.yaw}')
        picture = simulation.image('robot_2')
        for observation in scene.seen(*camera_pose(simulation.robots['robot_2'], base)):
            image, crop = (
                images[chosen[observation.board.name]],
                observation.crop(picture).astype(float),
            )
            likeness.append(np.corrcoef(crop.ravel(), image.ravel())[0, 1])
            mirrored.append(np.corrcoef(crop.ravel(), image[:, ::-1].ravel())[0, 1])
            moved = np.roll(image, 2, axis=1)
            shifted.append(np.corrcoef(crop.ravel(), moved.ravel())[0, 1])
    simulation.close()
    assert len(likeness) >= 16
    assert np.mean(likeness) > 0.6  # slanted, and of few pixels
    assert np.mean(likeness) > np.mean(mirrored) + 0.2
    assert np.mean(likeness) > np.mean(shifted) + 0.1
