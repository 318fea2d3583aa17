"""A state changes only as its table says."""

from enum import Enum

import pytest

from iot_fl_ros.core.machine import Tracker
from iot_fl_ros.core.messages.federation import RobotState
from iot_fl_ros.federation.states import AGGREGATOR_TABLE, ROBOT_TABLE
from iot_fl_ros.token.states import PLACE_TABLE


class Door(Enum):
    """States of a door."""

    OPEN = 'open'
    SHUT = 'shut'


TABLE = {(Door.OPEN, 'shut it'): Door.SHUT, (Door.SHUT, 'open it'): Door.OPEN}


def test_a_transition_of_the_table_is_followed():
    tracker = Tracker(TABLE, Door.OPEN)
    tracker.go('shut it')
    assert tracker.state is Door.SHUT
    tracker.go('open it')
    assert tracker.state is Door.OPEN


@pytest.mark.parametrize('trigger', ['open it', 'paint it', ''])
def test_anything_else_raises_and_changes_nothing(trigger):
    tracker = Tracker(TABLE, Door.OPEN)
    with pytest.raises(LookupError, match=r'cannot happen in Door\.OPEN'):
        tracker.go(trigger)
    assert tracker.state is Door.OPEN


@pytest.mark.parametrize('table', [AGGREGATOR_TABLE, ROBOT_TABLE, PLACE_TABLE])
def test_every_state_of_a_machine_can_be_reached(table):
    first = next(iter(table))[0]
    reached, before = {first}, set()
    while reached != before:
        before = set(reached)
        reached |= {after for (state, _), after in table.items() if state in reached}
    assert reached == {state for state, _ in table} | set(table.values())
    # A robot that leaves says so; its machine has no such state.
    assert set(type(first)) - reached <= {RobotState.LEAVING}
