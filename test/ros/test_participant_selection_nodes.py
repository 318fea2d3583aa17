"""Whom real nodes ask: batteries and tags, and what statuses say of times."""

import math

import pytest
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import BatteryState

from iot_fl_ros.core.messages.federation import RobotStatus
from iot_fl_ros.core.run_files import read_events
from iot_fl_ros.ros.convert import ROS_TYPES, decode
from iot_fl_ros.ros.topics import subscription_qos


def asked_in(run):
    rows = read_events(run.aggregator._folder())
    return [row['participants'] for row in rows if row['kind'] == 'open']


def battery_of(run, robot_id, charge):
    """Publish a charge for a robot until the test is over."""
    node = run.node(f'battery_{robot_id}')
    publisher = node.create_publisher(
        BatteryState, f'/{robot_id}/battery_state', qos_profile_sensor_data
    )
    node.create_timer(0.05, lambda: publisher.publish(BatteryState(percentage=charge)))


def test_empty_batteries_are_not_asked_and_unknown_ones_are(fleet):
    run = fleet(robots=4, **{'select.min_battery': 0.3, 'run.start_timeout': 1.0})
    charges = {'robot_0': 0.9, 'robot_1': 0.1, 'robot_2': math.nan}
    for robot_id in run.ids:
        run.start_learner(robot_id)
    for robot_id, charge in charges.items():
        battery_of(run, robot_id, charge)
    run.spin_until(
        lambda: (
            [run.learners[i].machine._battery for i in ('robot_0', 'robot_1')]
            == [pytest.approx(0.9), pytest.approx(0.1)]
        )
    )
    run.start_aggregator()
    run.run()
    assert asked_in(run) == [['robot_0', 'robot_2', 'robot_3']] * 3


def test_tags_choose_robots_and_times_come_back(fleet):
    run = fleet(robots=4, **{'select.tags': ['arm'], 'select.policy': 'elementwise_ucb',
                             'select.count': 1, 'run.rounds': 4})  # fmt: skip
    statuses = []
    qos = subscription_qos(RobotStatus, 5.0)
    run.node('listener').create_subscription(
        ROS_TYPES[RobotStatus], '/fleet/robot_status',
        lambda raw: statuses.append(decode(RobotStatus, raw)), qos, raw=True,
    )  # fmt: skip
    run.start_aggregator()
    for robot_id in run.ids:
        # no list parameter can be empty on the way through rclpy
        run.settings['robot.tags'] = ['arm'] if robot_id in ('robot_1', 'robot_3') else ['wheel']
        run.start_learner(robot_id)
    run.run()
    asked = asked_in(run)
    assert sorted(asked[0] + asked[1]) == ['robot_1', 'robot_3'], 'each of them is tried first'
    assert {tuple(robots) for robots in asked} == {('robot_1',), ('robot_3',)}
    rows = [r for r in read_events(run.aggregator._folder()) if r['kind'] == 'robot']
    assert len(rows) == 4
    for row in rows:
        assert row['train_seconds'] > 0
        assert 0 <= row['upload_seconds'] < 10
    measured = {s.robot_id for s in statuses if s.upload_seconds >= 0}
    assert measured <= {'robot_1', 'robot_3'}
    assert measured, 'a robot that is told that its update is accepted says how long it took'
    assert {s.tags for s in statuses if s.robot_id == 'robot_1'} == {('arm',)}


def test_a_battery_in_percent_is_unknown(fleet):
    run = fleet(robots=1, **{'select.min_battery': 0.9})
    run.start_all()
    learner = run.learners['robot_0']
    learner._battery(BatteryState(percentage=0.5))
    assert learner.machine._battery == 0.5
    learner._battery(BatteryState(percentage=55.0))
    assert math.isnan(learner.machine._battery)
    run.run()
    assert asked_in(run) == [['robot_0']] * 3
