"""The bytes of a run: counted once, kept through restarts, and those of the messages."""

import math

from marking import MarkingSimulation

from iot_fl_ros.core.messages import endpoints_of
from iot_fl_ros.core.messages.chunks import TensorChunk
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.core.messages.federation import AGGREGATOR, RobotState, RobotStatus
from iot_fl_ros.core.messages.fields import wire_size
from iot_fl_ros.federation.settings import FleetSettings
from iot_fl_ros.federation.traffic import Traffic

ROBOTS, ROUNDS = 3, 4


def status(robot_id, bytes_received):
    return RobotStatus(
        stamp=0.0, run_id='r', robot_id=robot_id, sequence=1, started=0.0,
        state=RobotState.READY, reason='',
        round=0, model_version=0, update_digest=b'', samples=1, loss=math.nan, accuracy=math.nan,
        train_seconds=0.0, wait_seconds=0.0, bytes_received=bytes_received, bytes_sent=0,
    )  # fmt: skip


def reported(traffic, *counts):
    for count in counts:
        traffic.reported(status('a', count))
    return traffic.totals(1)['bytes_down']


def test_each_byte_counts_once_up_and_down():
    traffic = Traffic()
    traffic.received('a', 10)
    traffic.received('b', 5)
    assert reported(traffic, 60, 70) == 70
    assert traffic.close_round() == {'bytes_up': 15, 'bytes_total': 85}
    traffic.received('a', 2)
    assert traffic.close_round() == {'bytes_up': 2, 'bytes_total': 87}
    assert traffic.received_from('a') == 12
    assert traffic.totals(rounds=3) == {
        'bytes_up': 17, 'bytes_down': 70, 'robots': 1, 'bytes_per_robot_round': 87 / 3,
    }  # fmt: skip


def test_what_a_robot_received_before_it_started_again_is_kept():
    assert reported(Traffic(), 100, 30, 50) == 150
    assert reported(Traffic(), 100, 30, 20) == 150, 'it started twice'


def test_an_aggregator_that_starts_again_counts_no_byte_of_a_robot_twice():
    before, after = Traffic(), Traffic()
    reported(before, 100, 50)  # the robot started again
    before.received('a', 7)
    after.restore(before.state())
    assert after.totals(1)['bytes_down'] == 150
    assert reported(after, 60) == 160, 'the robot lived on'
    assert reported(after, 5) == 165, 'the robot started again'
    after.received('a', 1)
    assert after.close_round() == {'bytes_up': 1, 'bytes_total': 173}


class Listening(MarkingSimulation):
    """Adds up by itself, from the messages, what each participant gets."""

    def __init__(self):
        flat = {
            'method.name': 'marking:Marking', 'run.rounds': ROUNDS, 'run.robots': ROBOTS,
            'run.deadline': 60.0,
        }  # fmt: skip
        super().__init__(FleetSettings.from_flat(flat), robots=ROBOTS, record=self._record)
        self.got = {}
        self.updates = []
        self.said = {}  # what each robot had received when its last status here was sent
        self.end = None
        self._when_sent = {}
        publish, arrive = self.network.publish, self.network._arrive

        def listening_publish(message, to=''):
            if isinstance(message, RobotStatus):
                self._when_sent[id(message)] = message, self.got.get(message.sender, 0)
            return publish(message, to)

        def listening_arrive(name, deliver, message, size):
            role = Role.AGGREGATOR if name == AGGREGATOR else Role.ROBOT
            assert type(message) in endpoints_of(role).subscribes
            if message.sender != name:
                self.got[name] = self.got.get(name, 0) + wire_size(message)
            if name == AGGREGATOR and isinstance(message, RobotStatus):
                self.said[message.robot_id] = self._when_sent[id(message)][1]
            if name == AGGREGATOR and isinstance(message, TensorChunk):
                self.updates.append(wire_size(message))
            arrive(name, deliver, message, size)

        self.network.publish, self.network._arrive = listening_publish, listening_arrive

    def _record(self, row):
        if row['kind'] == 'end':
            self.end = row, self.got[AGGREGATOR], sum(self.said.values())


def test_the_bytes_of_a_run_are_those_of_its_messages():
    simulation = Listening()
    simulation.start_all()
    simulation.run()
    row, up, down = simulation.end
    assert row['bytes_up'] == up
    assert row['bytes_down'] == down
    assert row['bytes_per_robot_round'] == (up + down) / ROBOTS / ROUNDS
    assert len(simulation.updates) == ROBOTS * ROUNDS, 'one chunk each, sent once'
    last = [r for r in simulation.rows if r['kind'] == 'round'][-1]
    own = [r for r in simulation.rows if r['kind'] == 'robot' and r['round'] == ROUNDS]
    assert 0 < sum(r['bytes_up'] for r in own) <= last['bytes_total']
    assert last['bytes_total'] > sum(r['bytes_up'] for r in own) + sum(simulation.updates)
