"""The world file: valid, and what it is meant to be."""

import itertools

import numpy as np
import pytest
import sdf_check
import yaml

from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.world.elements import boards_of
from iot_fl_ros.world.plan import DOOR_END, DOOR_START, HALF, ROOM_KINDS, crates, room_of, walls
from iot_fl_ros.world.robot import MOST_ROBOTS, filled, robot_names, robot_sdf, start_pose
from iot_fl_ros.world.sdf import read_model, read_world


@pytest.mark.skipif(not sdf_check.tool(), reason='no `ign sdf`: apt-get install ignition-tools')
@pytest.mark.parametrize('name', ['fleet.sdf', 'camera_robot.sdf'])
def test_debians_parser_finds_no_fault(worlds, tmp_path, name):
    text = filled((worlds / name).read_text(), 'robot_0')
    (tmp_path / name).write_text(text)
    assert sdf_check.problems(tmp_path / name, tmp_path) == []


@pytest.mark.skipif(not sdf_check.tool(), reason='no `ign sdf`: apt-get install ignition-tools')
@pytest.mark.parametrize(
    ('old', 'new'),
    [('<mass>', '<mess>'), ('<parent>base_link<', '<parent>nowhere<'), ('</model>', '')],
)
def test_the_check_finds_faults(worlds, tmp_path, old, new):
    text = robot_sdf(worlds, 'robot_0').replace(old, new).replace('</mass>', '</mass>')
    if new == '<mess>':
        text = text.replace('</mass>', '</mess>')
    (tmp_path / 'broken.sdf').write_text(text)
    assert sdf_check.problems(tmp_path / 'broken.sdf', tmp_path)


def test_drakes_parser_reads_world_and_robot(worlds, world_file, tmp_path):
    pydrake = pytest.importorskip('pydrake.all', reason='Drake is not installed')
    (tmp_path / 'robot.sdf').write_text(robot_sdf(worlds, 'robot_0'))
    plant = pydrake.MultibodyPlant(0.004)
    parser = pydrake.Parser(plant)
    assert len(parser.AddModels(str(world_file))) > len(boards_of(read_world(world_file)))
    assert len(parser.AddModels(str(tmp_path / 'robot.sdf'))) == 1


def _topics(worlds, name):
    robot = read_model(robot_sdf(worlds, name))
    (camera,) = (camera for link in robot.links for camera in link.cameras)
    drive, truth = robot.drive, robot.truth
    return {camera.topic, camera.info_topic, drive.topic, drive.odom_topic, truth.topic}


def test_every_topic_of_the_robot_is_bridged_and_every_bridged_topic_exists(worlds):
    bridge = (worlds.parent / 'config/gazebo_bridge_robot.yaml').read_text()
    entries = yaml.safe_load(filled(bridge, 'robot_3'))
    assert {entry['gz_topic_name'] for entry in entries} == _topics(worlds, 'robot_3')
    for entry in entries:  # the bridge is in the robot's namespace
        assert '/robot_3/' + entry['ros_topic_name'] == entry['gz_topic_name']
        assert entry['direction'] == (
            'ROS_TO_GZ' if entry['ros_topic_name'] == 'cmd_vel' else 'GZ_TO_ROS'
        )
        assert entry.get('lazy', False) == entry['ros_topic_name'].startswith('camera/')


def test_gazebos_own_clock_is_the_only_shared_topic(worlds):
    (entry,) = yaml.safe_load((worlds.parent / 'config/gazebo_bridge.yaml').read_text())
    assert (entry['gz_topic_name'], entry['ros_topic_name']) == ('/clock', '/clock')


def test_each_room_has_its_kinds_about_equally_often(hall):
    rooms = [[board.kind for board in boards_of(hall) if room_of(*board.pose[:2, 3]) == room]
             for room in range(4)]  # fmt: skip
    assert sum(len(kinds) for kinds in rooms) >= 140
    for kinds, wanted in zip(rooms, ROOM_KINDS, strict=True):
        counts = [kinds.count(kind) for kind in wanted]
        assert sum(counts) == len(kinds)
        assert max(counts) - min(counts) <= 1
    assert {kind for kinds in rooms for kind in kinds} == set(range(10))


def test_no_two_boards_overlap_and_none_hangs_in_a_door_or_outside(hall):
    boards = boards_of(hall)
    for board in boards:
        low, high = _extent(board)
        assert (low[:2] >= -HALF - 1e-6).all()
        assert (high[:2] <= HALF + 1e-6).all()
        assert low[2] == pytest.approx(0.1)
        for along, across in ((0, 1), (1, 0)):
            if abs(board.pose[across, 3]) < 0.1:  # on this inner wall
                nearest = np.sort(np.abs([low[along], high[along]]))
                assert nearest[1] <= DOOR_START or nearest[0] >= DOOR_END
    for one, other in itertools.combinations(boards, 2):
        (low, high), (other_low, other_high) = _extent(one), _extent(other)
        assert (np.minimum(high, other_high) - np.maximum(low, other_low)).min() < 1e-6, (
            one.name, other.name,
        )  # fmt: skip


def _extent(board):
    half = np.abs(board.pose[:3, :3]) @ [board.thickness / 2, board.side / 2, board.side / 2]
    return board.pose[:3, 3] - half, board.pose[:3, 3] + half


def test_every_board_faces_free_floor(hall):
    solid = [
        (model.pose[:2, 3], model.links[0].parts[0].shape.size)
        for model in hall.models
        if model.name.startswith(('wall_', 'crate_'))
    ]
    for board in boards_of(hall):
        for ahead in (0.1, 0.4, 0.8):  # m in front of it
            x, y = (board.pose @ [ahead, 0, 0, 1])[:2]
            assert abs(x) < HALF, board.name
            assert abs(y) < HALF, board.name
            for centre, size in solid:
                inside = np.abs(np.array([x, y]) - centre) < np.array(size[:2]) / 2
                assert not inside.all(), board.name


def test_robots_start_in_rooms_in_turn_and_apart():
    starts = np.array([start_pose(index)[:2] for index in range(MOST_ROBOTS)])
    assert [room_of(x, y) for x, y in starts] == [0, 1, 2, 3] * (MOST_ROBOTS // 4)
    for block in (*walls(), *crates()):
        half = np.array([block.size_x, block.size_y]) / 2
        away = np.maximum(np.abs(starts - [block.x, block.y]) - half, 0)
        assert np.hypot(*away.T).min() > 0.3, block.name
    for one, other in itertools.combinations(starts, 2):
        assert np.linalg.norm(one - other) > 0.6
    assert robot_names(11)[1] == 'robot_01'
    for count in (0, MOST_ROBOTS + 1):
        with pytest.raises(ConfigError, match='the hall has room for'):
            robot_names(count)


@pytest.mark.parametrize(
    ('old', 'new', 'said'),
    [
        ('<box>', '<mesh>', 'geometry is mesh'),
        ('type="directional"', 'type="spot"', 'not directional'),
        ('<gravity>0 0 -9.81', '<gravity>0 0 nine', 'gravity'),
        ('<sdf ', '<urdf ', 'begins with <urdf>'),
        ('<world ', '<wurld ', 'no <world>'),
        ('</sdf>', '', 'cannot read'),
    ],
)
def test_what_is_not_understood_is_refused(worlds, tmp_path, old, new, said):
    text = (worlds / 'fleet.sdf').read_text().replace(old, new)
    closing = {'<mesh>': ('</box>', '</mesh>'), '<urdf ': ('</sdf>', '</urdf>'),
               '<wurld ': ('</world>', '</wurld>')}  # fmt: skip
    (tmp_path / 'odd.sdf').write_text(text.replace(*closing.get(new, ('', ''))))
    with pytest.raises(DataError, match=said):
        read_world(tmp_path / 'odd.sdf')


@pytest.mark.parametrize(
    ('old', 'path'),
    [
        ('<update_rate>10<', 'update_rate'),
        ('<width>320<', 'image/width'),
        ('<horizontal_fov>1.2<', 'horizontal_fov'),
        ('<odom_publish_frequency>20<', 'odom_publish_frequency'),
        ('<wheel_radius>0.08<', 'wheel_radius'),
    ],
)
@pytest.mark.parametrize('value', ['0', '-1'])
def test_what_is_divided_by_must_be_positive(worlds, old, path, value):
    text = robot_sdf(worlds, 'robot_0')
    assert old in text
    with pytest.raises(DataError, match=f'{path} is {value}.*more than 0'):
        read_model(text.replace(old, f'{old[: old.index(">") + 1]}{value}<'))


def test_a_step_of_no_time_is_refused(worlds, tmp_path):
    text = (worlds / 'fleet.sdf').read_text()
    (tmp_path / 'still.sdf').write_text(text.replace('<max_step_size>0.004<', '<max_step_size>0<'))
    with pytest.raises(DataError, match='max_step_size is 0'):
        read_world(tmp_path / 'still.sdf')
