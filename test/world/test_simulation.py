"""The simulation in MuJoCo: motion, odometry, pictures."""

import math

import numpy as np
import pytest
from PIL import Image

from iot_fl_ros.core.errors import ConfigError, DataError, SimulatorError
from iot_fl_ros.world.elements import boards_of
from iot_fl_ros.world.installed import worlds_folder
from iot_fl_ros.world.plan import TopView
from iot_fl_ros.world.robot import start_pose
from iot_fl_ros.world.sdf import read_world
from iot_fl_ros.world.simulation import Simulation


def _run(simulation, seconds):
    simulation.step(round(seconds * 1e9 / simulation.step_ns))


def test_a_robot_rests_then_drives_straight(simulation):
    world = simulation()
    _run(world, 1.0)
    x, y, yaw = start_pose(0)
    assert world.ground_truth('robot_0').position == pytest.approx((x, y, 0), abs=1e-3)
    assert world.ground_truth('robot_0').yaw == pytest.approx(yaw, abs=1e-4)
    world.drive('robot_0', 0.5, 0.0)
    _run(world, 1.0)
    truth, odometry = world.ground_truth('robot_0'), world.odometry('robot_0')
    driven = math.dist(truth.position[:2], (x, y))
    assert driven == pytest.approx(0.5, abs=0.04)
    assert odometry.position == pytest.approx((driven, 0, 0), abs=0.03), 'it begins at its start'
    assert truth.linear == pytest.approx((0.5, 0, 0), abs=0.01)
    assert odometry.linear[0] == pytest.approx(0.5, abs=0.01)
    assert world.time_ns == 2_000_000_000


def test_a_robot_turns_in_place_at_the_rate_it_is_told(simulation):
    world = simulation()
    world.drive('robot_0', 0.0, 1.0)
    _run(world, 2.0)
    truth = world.ground_truth('robot_0')
    assert truth.yaw - start_pose(0)[2] == pytest.approx(2.0, abs=0.05)
    assert world.odometry('robot_0').yaw == pytest.approx(2.0, abs=0.05)
    assert truth.angular == pytest.approx((0, 0, 1), abs=0.01)
    assert math.dist(truth.position[:2], start_pose(0)[:2]) < 0.01


def test_who_hits_a_crate_stays_upright_and_outside_of_it(simulation):
    """A friction cone of next to no width once threw robots out of the hall."""
    world = simulation(4)
    for robot, turn in zip(world.robots, (0.0, 0.3, -0.3, 1.0), strict=True):
        world.drive(robot, 0.6, turn)
    for _ in range(20):
        _run(world, 1.0)
        for robot in world.robots:
            truth = world.ground_truth(robot)
            assert np.abs(truth.position[:2]).max() < 4.85
            assert abs(truth.position[2]) < 0.02
            assert max(np.abs(truth.orientation[1:3])) < 0.05


def test_the_same_commands_give_the_same_world(simulation):
    ends = []
    for _ in range(2):
        world = simulation(2)
        world.drive('robot_0', 0.5, 0.4)
        _run(world, 3.0)
        ends.append((world.ground_truth('robot_0'), world.image('robot_1').tobytes()))
    assert ends[0] == ends[1]


def test_a_command_that_is_no_number_is_refused(simulation):
    with pytest.raises(ConfigError, match='finite'):
        simulation().drive('robot_0', math.nan, 0.0)


def test_a_command_beyond_the_limits_of_the_robot_is_cut(simulation):
    world = simulation()
    world.drive('robot_0', -1e12, 0.0)
    _run(world, 1.0)
    assert world.odometry('robot_0').linear[0] == pytest.approx(-1.0, abs=0.02)
    world.drive('robot_0', 0.0, 1e300)
    _run(world, 1.0)
    assert world.odometry('robot_0').angular[2] == pytest.approx(3.5, abs=0.05)


def test_physics_that_fall_apart_are_an_error(world_file, tmp_path, simulation, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log where it is
    for name in ('fleet.sdf', 'camera_robot.sdf'):
        text = (world_file.parent / name).read_text()
        text = text.replace('<gravity>0 0 -9.81<', '<gravity>0 0 1e12<')
        (tmp_path / name).write_text(text)
    (tmp_path / 'textures').symlink_to(world_file.parent / 'textures')
    world = simulation(1, tmp_path / 'fleet.sdf')
    with pytest.raises(SimulatorError, match=r'unstable .* max_step_size'):
        _run(world, 5.0)


@pytest.fixture
def marked_world(world_file, tmp_path):
    """The world whose boards all show a white top left quarter on black, upright."""
    texture = np.zeros((112, 112, 3), np.uint8)
    texture[:56, :56] = 255
    (tmp_path / 'textures').mkdir()
    for path in (world_file.parent / 'textures').iterdir():
        Image.fromarray(texture).save(tmp_path / 'textures' / path.name)
    for name in ('fleet.sdf', 'camera_robot.sdf'):
        (tmp_path / name).write_bytes((world_file.parent / name).read_bytes())
    return tmp_path / 'fleet.sdf'


def _corners(camera, robot, board):
    """Return where the corners of a board are in a picture, top left first, clockwise."""
    yaw, (x, y, _) = robot.yaw, robot.position
    turn = np.array([[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]])
    focal = camera.width / 2 / math.tan(camera.horizontal_fov / 2)
    pixels = []
    for right, up in ((-1, 1), (1, 1), (1, -1), (-1, -1)):
        # Who stands before a board has its +y to the right.
        half = board.side / 2
        point = board.pose @ [board.thickness / 2, right * half, up * half, 1]
        ahead, left = turn.T @ (point[:2] - [x, y])
        ahead, height = ahead - camera.pose[0, 3], point[2] - camera.pose[2, 3]
        pixels.append((camera.width / 2 - focal * left / ahead,
                       camera.height / 2 - focal * height / ahead))  # fmt: skip
    return np.array(pixels)


def test_boards_are_where_the_world_file_says_upright_and_not_mirrored(simulation, marked_world):
    world = simulation(4, marked_world)
    boards = boards_of(read_world(marked_world))
    checked = 0
    for robot in world.robots:
        picture, truth = world.image(robot)[..., 0].astype(int), world.ground_truth(robot)
        for board in boards:
            away = board.pose[:2, 3] - truth.position[:2]
            distance = np.linalg.norm(away)
            off = math.atan2(away[1], away[0]) - truth.yaw
            facing = -away @ board.pose[:2, 0] / distance
            if distance > 2.0 or facing < 0.5 or abs(math.remainder(off, 2 * math.pi)) > 0.4:
                continue
            corners = _corners(world.camera(robot), truth, board)
            middle = corners.mean(0)
            for number, corner in enumerate(corners):
                column, row = np.round((middle + corner) / 2).astype(int)
                assert (picture[row, column] > 150) == (number == 0), (robot, board.name, number)
            checked += 1
    assert checked >= 8, 'two sides of the crate before each robot'


def test_pictures_are_as_bright_as_the_originals(simulation, tmp_path, marked_world):
    white = np.full((112, 112, 3), 255, np.uint8)
    for path in (marked_world.parent / 'textures').iterdir():
        Image.fromarray(white).save(path)
    world = simulation(1, marked_world)
    brightest = []
    for _ in range(8):  # walls of all directions
        brightest.append(world.image('robot_0')[120, :, 0].max())
        world.drive('robot_0', 0.0, math.pi / 4)
        _run(world, 1.0)
    assert min(brightest) > 225
    assert max(brightest) - min(brightest) < 25


def test_the_top_view_shows_robots_where_the_mapping_says(simulation):
    world = simulation(4)
    width, height = 500, 400
    picture, view = world.top_view(width, height), TopView(width, height)
    assert picture.shape == (height, width, 3)
    for robot in world.robots:
        x, y, _ = world.ground_truth(robot).position
        column, row = np.round(view.pixel(x - 0.05, y + 0.1)).astype(int)
        red, _, blue = picture[row, column].astype(int)
        assert blue > red + 50, f'{robot} is blue, the floor is grey'
    assert np.ptp(picture[round(view.pixel(1, 1)[1]), round(view.pixel(1, 1)[0])]) < 20


def test_a_world_without_its_textures_is_an_error_with_the_remedy(worlds):
    with pytest.raises(DataError, match='prepare_world'):
        Simulation.open(worlds / 'fleet.sdf', 1)


LOOSE = """<sdf version="1.9"><world name="w">
  <model name="ground"><static>true</static><link name="l"><collision name="c"><geometry><plane/>
    </geometry></collision></link></model>
  <model name="two"><pose>3 3 1 0 0 0</pose>
    <link name="a">{inertial}<collision name="c"><geometry><box/></geometry></collision></link>
    <link name="b"><pose>2 0 0 0 0 0</pose>{inertial}</link>
  </model>
</world></sdf>"""
INERTIAL = '<inertial><inertia><ixx>{}</ixx><iyy>1</iyy><izz>1</izz></inertia></inertial>'


def test_links_without_joints_fall_on_their_own_and_the_robot_needs_no_template(tmp_path):
    (tmp_path / 'w.sdf').write_text(LOOSE.format(inertial=INERTIAL.format(1)))
    loose = Simulation(tmp_path / 'w.sdf', ['robot_0'])
    loose.step(20)
    assert loose.ground_truth('robot_0')


@pytest.mark.parametrize('moment', ['3', '0', '-1'])
def test_moments_that_no_body_has_are_named(tmp_path, moment):
    (tmp_path / 'w.sdf').write_text(LOOSE.format(inertial=INERTIAL.format(moment)))
    with pytest.raises(DataError, match=f'two/a: mass 1 with .* inertia .*{moment}'):
        Simulation(tmp_path / 'w.sdf', ['robot_0'])


def _two_boxes(tmp_path, clip):
    """Return a world with a robot before two boxes: a red one at 1 m, a larger blue one at 4 m."""
    box = (
        '<model name="{0}"><static>1</static><pose relative_to="start">{1} 0 0.35 0 0 0</pose>'
        '<link name="l"><visual name="v"><geometry><box><size>0.1 {2} {2}</size></box></geometry>'
        '<material><diffuse>{3}</diffuse><pbr><metal><albedo_map>t.png</albedo_map></metal></pbr>'
        '</material></visual></link></model>'
    )
    x, y, yaw = start_pose(0)
    start = f'<frame name="start"><pose>{x} {y} 0 0 0 {yaw}</pose></frame>'
    boxes = box.format('a', 1, 0.1, '1 0 0') + box.format('b', 4, 2, '0 0 1')
    text = f'<scene><ambient>1 1 1</ambient><background>0 1 0</background></scene>{start}{boxes}'
    (tmp_path / 'w.sdf').write_text(f'<sdf version="1.9"><world name="w">{text}</world></sdf>')
    Image.new('RGB', (4, 4), 'white').save(tmp_path / 't.png')
    template = (worlds_folder() / 'camera_robot.sdf').read_text()
    old = '<near>0.05</near><far>30</far>'
    assert old in template
    (tmp_path / 'camera_robot.sdf').write_text(template.replace(old, clip))
    return tmp_path / 'w.sdf'


@pytest.mark.parametrize(
    ('clip', 'middle', 'edge'),
    [
        ('<near>0.05</near><far>60</far>', 'red', 'blue'),
        ('<near>2</near><far>60</far>', 'blue', 'blue'),
        ('<near>0.001</near><far>1e6</far>', 'red', 'blue'),
        ('<near>0.05</near><far>2</far>', 'red', 'green'),
        ('<near>0.05</near><far>0.5</far>', 'green', 'green'),
    ],
)
def test_a_camera_sees_from_near_to_far_and_parts_have_their_own_two_boxes(
    simulation, tmp_path, clip, middle, edge
):
    world = simulation(1, _two_boxes(tmp_path, clip))
    whole = world.top_view(100, 100).tobytes()
    picture = world.image('robot_0')
    colours = ('red', 'green', 'blue')
    assert colours[picture[120, 160].argmax()] == middle
    assert colours[picture[120, 190].argmax()] == edge
    assert world.top_view(100, 100).tobytes() == whole


SELF = """<sdf version="1.9"><world name="w"><model name="m"><pose>0 0 5 0 0 0</pose>{model}
  <link name="a">{ball}{a}</link><link name="b">{ball}{b}</link>{more}</model></world></sdf>"""
BALL = '<collision name="c"><geometry><sphere/></geometry></collision>'
YES, NO = '<self_collide>true</self_collide>', '<self_collide>false</self_collide>'
NESTED = f'<model name="n"><link name="c">{BALL}</link></model>'
JOINT = '<joint name="j" type="revolute"><parent>a</parent><child>b</child></joint>'
THREE = f'<link name="c">{BALL}</link>'
TWO = '<joint name="k" type="revolute"><parent>a</parent><child>c</child></joint>'


@pytest.mark.parametrize(
    ('parts', 'touching'),
    [
        ({}, set()),
        ({'model': YES}, {'ab'}),
        ({'a': YES}, {'ab'}),
        ({'model': YES, 'a': NO}, {'ab'}),
        ({'model': YES, 'a': NO, 'b': NO}, set()),
        ({'model': YES, 'more': JOINT}, set()),
        ({'more': JOINT + THREE + TWO}, set()),
        ({'model': YES, 'more': JOINT + THREE + TWO}, {'bc'}),
        ({'more': NESTED}, {'ac', 'bc'}),
    ],
)
def test_links_of_a_model_collide_if_it_says_so(tmp_path, parts, touching):
    parts = {'model': '', 'a': '', 'b': '', 'more': '', **parts}
    (tmp_path / 'w.sdf').write_text(SELF.format(ball=BALL, **parts))
    world = Simulation(tmp_path / 'w.sdf', ['robot_0'])
    world.step()
    bodies = [world._model.body(world._model.geom(one).bodyid[0]).name[-1]
              for pair in world._data.contact.geom for one in pair
              if world._model.geom_bodyid[list(pair)].min() > 0]  # fmt: skip
    found = {''.join(sorted(pair)) for pair in zip(bodies[::2], bodies[1::2], strict=True)}
    assert {pair for pair in found if set(pair) <= set('abc')} == touching
