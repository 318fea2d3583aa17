"""The rows and the report of a round that is over."""

import math

import numpy as np
import pytest

from iot_fl_ros.core.messages.chunks import TensorChunk
from iot_fl_ros.core.messages.federation import RobotState, RobotStatus
from iot_fl_ros.core.tensors import TensorSpec
from iot_fl_ros.exchange.chunking import Parcel
from iot_fl_ros.exchange.open_round import OpenRound
from iot_fl_ros.federation.report import report_of, row_of
from iot_fl_ros.federation.selection.history import ResponseRecord
from iot_fl_ros.federation.traffic import Traffic

PARCEL = Parcel.of({'state': np.zeros(4, np.float32)}, round=3, model_version=2)


class AnyState:
    """The contract of an update of four numbers."""

    def update_specs(self, round):
        return (TensorSpec('state', 'float32', (4,)),)

    def check_values(self, tensors, round):
        pass


def status(robot_id, accuracy, loss=0.5):
    return RobotStatus(
        stamp=0.0,
        run_id='r',
        robot_id=robot_id,
        sequence=1,
        started=0.0,
        state=RobotState.UPLOADING,
        reason='',
        round=3,
        model_version=2,
        update_digest=PARCEL.digest,
        samples=9,
        loss=loss,
        accuracy=accuracy,
        train_seconds=2.0,
        wait_seconds=0.25,
        bytes_received=70,
        bytes_sent=0,
    )


@pytest.fixture
def closed():
    """Round 3: a and b delivered, c is late, d fell silent, e was refused."""
    round = OpenRound(3, 2, ['e', 'd', 'c', 'b', 'a'], 100.0)
    for robot_id, accuracy in (('b', 0.75), ('a', math.nan)):
        round.add_status(status(robot_id, accuracy), 101.0)
        for chunk in PARCEL.chunks(
            TensorChunk, run_id='r', sender_id=robot_id, stamp=0.0, first_sequence=0
        ):
            round.add_chunk(chunk, AnyState())
        assert round.settle(robot_id, AnyState(), 103.0)
    round.silent.add('d')
    round.refused.add('e')
    return round


@pytest.fixture
def row(closed):
    traffic = Traffic()
    traffic.received('a', 400)
    traffic.received('b', 30)
    observations = {'a': ResponseRecord(3, 2.0, 0.5), 'b': ResponseRecord(3, 2.0, 1.5)}
    return row_of(closed, observations, traffic, 110.0)


def test_every_robot_of_a_round_is_in_one_list(row):
    assert (row['participants'], row['late'], row['silent'], row['refused']) == (
        ['a', 'b'], ['c'], ['d'], ['e'],
    )  # fmt: skip
    assert (row['round'], row['seconds'], row['time']) == (3, 10.0, 110.0)


def test_means_are_over_those_who_measured(row):
    assert row['robot_accuracy'] == 0.75
    assert row['loss'] == 0.5


def test_rows_of_robots_hold_times_and_bytes(row):
    first, second = row['robots']
    assert (first['robot'], second['robot']) == ('a', 'b')
    assert (first['upload_seconds'], second['upload_seconds']) == (0.5, 1.5)
    assert (first['bytes_up'], second['bytes_up']) == (400, 30)
    assert (first['train_seconds'], first['wait_seconds'], first['bytes_down']) == (2.0, 0.25, 70)


def test_the_report_says_what_the_row_says(row):
    report = report_of({**row, 'accuracy': 0.8, 'model_version': 3}, 'r', 111.0)
    assert (report.run_id, report.round, report.model_version, report.stamp) == ('r', 3, 3, 111.0)
    assert (report.accuracy, report.robot_accuracy, report.loss) == (0.8, 0.75, 0.5)
    assert (report.participants, report.late) == (('a', 'b'), ('c',))
    assert (report.silent, report.refused) == (('d',), ('e',))
    assert report.bytes_received == row['bytes_up'] == 430


def test_a_round_in_which_nobody_measured_has_no_mean(closed):
    closed.accepted.pop('b')
    row = row_of(closed, {'a': ResponseRecord(3, 2.0, 0.5)}, Traffic(), 110.0)
    assert math.isnan(row['robot_accuracy'])
    assert row['participants'] == ['a']
