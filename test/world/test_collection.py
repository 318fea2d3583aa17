"""Samples that a robot keeps of what it sees."""

import math

import numpy as np
import pytest

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.data.registry import load_samples
from iot_fl_ros.world.collection import OTHERS, OWN, TRACK, VIEW, Collection, PlanarPose, PoseTrack
from iot_fl_ros.world.elements import Board
from iot_fl_ros.world.observation import Observation
from iot_fl_ros.world.poses import pose_matrix

NAMES = tuple(f'kind {index}' for index in range(10))
RGB = np.arange(240 * 320 * 3, dtype=np.uint32).reshape(240, 320, 3).astype(np.uint8)
CORNERS = np.array([[100.0, 50.0], [160.0, 50.0], [160.0, 110.0], [100.0, 110.0]])


def observation(kind, serial, x, y):
    pose = pose_matrix(f'{x} {y} 0.4 0 0 0')
    return Observation(
        Board(f'board_{kind}_{serial:03d}', kind, serial, pose, 0.6, 0.02, ''), CORNERS, 2
    )


def pose(time):
    return PlanarPose(time, 1.0, 1.0, 0.0)


def test_own_rooms_and_others_are_kept_apart(tmp_path):
    collection = Collection([0], pause=0.0)
    assert collection.add(pose(1.0), RGB, [observation(3, 0, 2, 2), observation(7, 1, -2, 2)]) == 2
    collection.save(tmp_path, NAMES)
    own, others = (load_samples(str(tmp_path / name), 'train') for name in (OWN, OTHERS))
    assert (own.labels.tolist(), others.labels.tolist()) == ([3], [7])
    assert own.shape == (1, 28, 28)
    assert own.class_names == NAMES
    assert np.load(tmp_path / TRACK)['track'].tolist() == [[1.0, 1.0, 1.0, 0.0]]
    assert (tmp_path / VIEW).stat().st_size > 1000


def test_a_board_is_kept_again_only_after_a_pause_and_not_for_ever():
    collection = Collection([0], pause=0.5, views=2)
    kept = [collection.add(pose(t / 10), RGB, [observation(3, 0, 2, 2)]) for t in range(20)]
    assert [t for t, count in enumerate(kept) if count] == [0, 5]


def test_who_saw_nothing_of_its_own_part_has_nothing_to_save(tmp_path):
    collection = Collection([0])
    collection.add(pose(1.0), RGB, [observation(7, 1, -2, 2)])
    with pytest.raises(DataError, match=r'rooms \[0\]'):
        collection.save(tmp_path / 'out', NAMES)


def test_a_pose_between_two_is_interpolated_over_the_turn_of_the_circle():
    track = PoseTrack()
    track.add(PlanarPose(1.0, 0.0, 0.0, math.pi - 0.1))
    track.add(PlanarPose(2.0, 1.0, 2.0, -math.pi + 0.1))
    middle = track.at(1.5)
    assert (middle.x, middle.y) == (0.5, 1.0)
    assert math.cos(middle.yaw) == pytest.approx(-1.0)
    assert track.at(0.5) is None
    assert track.at(2.1) is None
    assert track.at(1.0).x == 0.0
    assert track.newest == 2.0


def test_old_poses_are_forgotten_and_late_ones_ignored():
    track = PoseTrack(keep=1.0)
    for time in (1.0, 2.0, 1.5, 3.0):
        track.add(PlanarPose(time, time, 0.0, 0.0))
    assert track.at(1.2) is None
    assert track.at(2.5).x == 2.5


def test_poses_begin_anew_when_the_clock_was_set_back():
    track = PoseTrack(keep=1.0)
    for time in (99.0, 100.0, 0.5, 1.0):
        track.add(PlanarPose(time, time, 0.0, 0.0))
    assert track.newest == 1.0
    assert track.at(0.75).x == 0.75


def test_a_board_is_kept_again_after_the_clock_was_set_back():
    collection = Collection([0], pause=0.5)
    assert [collection.add(pose(t), RGB, [observation(3, 0, 2, 2)]) for t in (50.0, 1.0)] == [1, 1]
