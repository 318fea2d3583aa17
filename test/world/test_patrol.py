"""Routes and patrols, with a robot that does exactly what it is told."""

import itertools
import math

import numpy as np
import pytest

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.world.elements import boards_of
from iot_fl_ros.world.patrol import STOP, Patrol, PatrolSettings, State
from iot_fl_ros.world.plan import HALF, crates, room_of, walls
from iot_fl_ros.world.robot import MOST_ROBOTS, start_pose
from iot_fl_ros.world.routes import Waypoint, detour, rooms_of, tour

DEFAULT = PatrolSettings()
STEP = 0.05  # s between poses
ROBOT_RADIUS = 0.19  # m
BLOCKS = [*walls(), *crates()]


def _drive(waypoints, pose, settings=DEFAULT, obstacle=None, late=0, limit=2000.0, solid=False):
    """Return the poses (time, x, y, yaw) and the states of a patrol of an ideal robot.

    late: after how many poses a command arrives. solid: walls and crates stop it.
    """
    patrol = Patrol(waypoints, settings.speed, settings.turn_rate, detour)
    x, y, yaw = pose
    poses, states, on_the_way = [], [], [STOP] * late
    while not patrol.finished:
        now = len(poses) * STEP
        assert now < limit, f'{states[-1]} at {x:.2f}, {y:.2f}'
        on_the_way.append(patrol.handle(x, y, yaw, now))
        velocity = on_the_way.pop(0)
        poses.append((now, x, y, yaw))
        states.append(patrol.state)
        assert abs(velocity.linear) <= settings.speed
        assert abs(velocity.angular) <= settings.turn_rate
        if obstacle is None or not obstacle(now):
            yaw += velocity.angular * STEP
            ahead_x = x + velocity.linear * STEP * math.cos(yaw)
            ahead_y = y + velocity.linear * STEP * math.sin(yaw)
            if not solid or _clearance(np.array([[ahead_x, ahead_y]])) > ROBOT_RADIUS:
                x, y = ahead_x, ahead_y
    return np.array(poses), states


def _clearance(points):
    """Return the smallest distance of points [N, 2] from walls and crates."""
    nearest = np.inf
    for block in BLOCKS:
        half = np.array([block.size_x, block.size_y]) / 2
        away = np.maximum(np.abs(points - [block.x, block.y]) - half, 0)
        nearest = min(nearest, np.hypot(*away.T).min())
    return nearest


@pytest.mark.parametrize('room', range(4))
def test_a_tour_of_a_room_is_short_safe_and_ends_where_it_began(room):
    start = start_pose(room)
    poses, states = _drive(tour((), 1, *start[:2]), start)
    assert poses[-1, 0] <= 70
    assert {room_of(x, y) for x, y in poses[:, 1:3]} == {room}
    assert _clearance(poses[:, 1:3]) > ROBOT_RADIUS + 0.1
    assert math.dist(poses[-1, 1:3], start[:2]) < 0.2
    assert set(states) == {State.TURN, State.DRIVE, State.LOOK, State.END}


@pytest.mark.parametrize('index', range(0, MOST_ROBOTS, 4))
def test_wherever_a_robot_starts_its_way_is_free(index):
    start = start_pose(index)
    poses, _ = _drive(tour((0, 1), 1, *start[:2]), start)
    assert _clearance(poses[:, 1:3]) > ROBOT_RADIUS + 0.05


@pytest.mark.parametrize('late', [2, 4, 8])
def test_commands_that_come_late_do_no_harm(late):
    start = start_pose(0)
    poses, states = _drive(tour((), 1, *start[:2]), start, late=late)
    assert poses[-1, 0] <= 75
    assert _clearance(poses[:, 1:3]) > ROBOT_RADIUS + 0.1
    assert State.BACK not in states


def test_on_a_tour_every_board_of_the_room_is_seen_well(hall):
    poses, _ = _drive(tour((0,), 1, *start_pose(0)[:2]), start_pose(0))
    solid = [(np.array([b.x, b.y]), np.array([b.size_x, b.size_y]) / 2) for b in BLOCKS]
    boards = [board for board in boards_of(hall) if room_of(*board.pose[:2, 3]) == 0]
    assert len(boards) >= 30
    for board in boards:
        assert sum(_sees(pose, board, solid) for pose in poses[::2]) >= 3, board.name


def _sees(pose, board, solid):
    """Return whether a camera there has the board whole, at most 60 degrees aslant, within 3 m."""
    _, x, y, yaw = pose
    eye, normal = np.array([x, y]), board.pose[:2, 0]
    away = board.pose[:2, 3] - eye
    distance = np.hypot(*away)
    if distance > 3 or -away @ normal < distance * math.cos(math.radians(60)):
        return False
    for side in (-0.3, 0.3):
        end = board.pose[:2, 3] + side * board.pose[:2, 1] - eye
        if abs(math.remainder(math.atan2(end[1], end[0]) - yaw, 2 * math.pi)) > 0.58:
            return False
    line = eye + (away + normal * 0.03) * np.linspace(0, 0.97, 30)[:, None]
    return not any((np.abs(line - centre) < half).all(1).any() for centre, half in solid)


@pytest.mark.parametrize('route', [(1, 2, 3), (2,), (3, 1), (0, 2, 0)])
def test_a_route_goes_through_the_doors_and_to_each_room_in_order(route):
    start = start_pose(0)
    poses, _ = _drive(tour(route, 1, *start[:2]), start)
    assert _clearance(poses[:, 1:3]) > ROBOT_RADIUS + 0.1
    assert np.abs(poses[:, 1:3]).max() < HALF
    rooms = [room for room, _ in itertools.groupby(room_of(x, y) for x, y in poses[:, 1:3])]
    found = iter(rooms)
    assert all(room in found for room in route), rooms
    assert rooms[-1] == route[-1]


def test_who_meets_in_a_door_passes_on_the_right():
    there = [(w.x, w.y) for w in tour((1,), 1, *start_pose(0)[:2])][1:3]
    back = [(w.x, w.y) for w in tour((0,), 1, *start_pose(1)[:2])][1:3]
    for (_, y), (_, other) in itertools.product(there, back):
        assert y - other > 2 * ROBOT_RADIUS


def test_loops_repeat_the_route():
    once, thrice = (len(list(tour((1,), loops, 2.5, 2.5))) for loops in (1, 3))
    assert once < thrice < 3 * once + 1
    forever = tour((), 0, 2.5, 2.5)
    assert len(list(itertools.islice(forever, 1000))) == 1000


def test_who_is_stuck_goes_back_and_tries_again():
    def held(now):
        return 4.0 < now < 8.0

    poses, states = _drive(iter([Waypoint(4.0, 0.0)]), (0.0, 0.0, 0.0), obstacle=held)
    assert State.BACK in states
    back = states.index(State.BACK)
    assert 6.5 < poses[back, 0] < 7.8
    assert poses[:, 1].argmax() > back
    assert math.dist(poses[-1, 1:3], (4.0, 0.0)) < 0.1


def test_who_was_pushed_into_another_room_finds_back_through_the_doors():
    goal = Waypoint(-3.5, 0.75)  # straight ahead, behind the wall
    poses, states = _drive(iter([goal]), (-3.3, -0.3, 1.57), limit=120.0, solid=True)
    assert states.count(State.BACK)
    assert math.dist(poses[-1, 1:3], (goal.x, goal.y)) < 0.1


def test_a_waypoint_that_cannot_be_reached_is_given_up():
    in_a_crate, beside = Waypoint(3.7, 3.7), Waypoint(2.5, 2.5)
    poses, _ = _drive(iter([in_a_crate, beside]), (2.5, 2.5, 0.0), limit=120.0, solid=True)
    assert math.dist(poses[-1, 1:3], (beside.x, beside.y)) < 0.1


def test_looking_around_is_one_whole_turn():
    poses, states = _drive(iter([Waypoint(0.0, 0.0, look=True)]), (0.0, 0.0, 3.0))
    assert poses[-1, 3] - poses[0, 3] == pytest.approx(2 * math.pi, abs=0.15)
    assert states[-1] is State.END


def test_at_the_end_it_stands():
    patrol = Patrol(iter([]), 0.5, 1.0, detour)
    assert patrol.handle(0.0, 0.0, 0.0, 1.0) == STOP
    assert patrol.finished
    assert patrol.handle(5.0, 0.0, 0.0, 9.0) == STOP


def test_a_room_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="room '4' is unknown: choose 0, 1, 2, 3"):
        rooms_of(['0', '4'])
    assert rooms_of(PatrolSettings().route) == ()


def test_a_clock_that_was_set_back_does_not_keep_it_backing():
    patrol = Patrol(iter([Waypoint(3.0, 0.0)]), 0.5, 1.0, detour)
    now = 100.0
    while patrol.state is not State.BACK:  # it does not get on
        now += STEP
        patrol.handle(0.0, 0.0, 0.0, now)
    for step in range(60):  # a simulator that begins anew
        patrol.handle(0.0, 0.0, 0.0, step * STEP)
    assert patrol.state is State.DRIVE
