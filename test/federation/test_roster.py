"""Whom the aggregator can ask."""

import dataclasses
import math

import pytest

from iot_fl_ros.core.messages.federation import RobotState, RobotStatus
from iot_fl_ros.federation.roster import Roster

STATUS = RobotStatus(
    stamp=1.0, run_id='r', robot_id='a', sequence=1, started=0.0,
    state=RobotState.READY, reason='', round=0,
    model_version=0, update_digest=b'', samples=1, loss=math.nan, accuracy=math.nan,
    train_seconds=0.0, wait_seconds=0.0, bytes_received=0, bytes_sent=0,
)  # fmt: skip


@pytest.mark.parametrize('state', RobotState)
def test_who_is_idle_or_done_with_its_round_can_be_asked(state):
    roster = Roster(3.0)
    reason = 'no data' if state == RobotState.REFUSED else ''
    roster.hear(dataclasses.replace(STATUS, state=state, reason=reason), 0.0)
    can = state in (RobotState.READY, RobotState.UPLOADING)
    assert roster.available() == (['a'] if can else [])


@pytest.mark.parametrize('how', ['leaves', 'falls silent'])
def test_who_comes_back_has_missed_nothing(how):
    roster = Roster(3.0)
    roster.hear(STATUS, 0.0)
    roster.missed['a'] += 3
    if how == 'leaves':
        roster.forget('a')
    else:
        assert roster.drop_silent(3.1) == ['a']
    assert not roster.missed


def test_available_robots_are_sorted_and_those_that_left_are_not_among_them():
    roster = Roster(3.0)
    for robot_id in ('c', 'a', 'b'):
        roster.hear(dataclasses.replace(STATUS, robot_id=robot_id), 0.0)
    roster.forget('b')
    assert roster.available() == ['a', 'c']
    roster.missed['a'] += 2
    assert roster.missed == {'a': 2}
