"""Of which run a robot is, which plan holds, and when it may change to another run."""

import dataclasses

import pytest
from message_examples import INFO, PLAN

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.federation import RobotState
from iot_fl_ros.federation.membership import Membership

OTHER = dataclasses.replace(INFO, run_id='other')
READY, TRAINING, FINISHED = RobotState.READY, RobotState.TRAINING, RobotState.FINISHED
SILENCE = 5 * INFO.heartbeat_period


@pytest.fixture
def member():
    one = Membership()
    assert one.take_info(INFO, RobotState.JOINING, 0.0), 'a robot without a run joins'
    one.join(INFO, 0.0)
    return one


def test_the_info_of_its_own_run_is_not_joined_again(member):
    newer = dataclasses.replace(INFO, epoch=INFO.epoch + 1, stamp=9.0)
    assert not member.take_info(newer, READY, 1.0)
    assert member.info == newer
    with pytest.raises(MessageError) as error:
        member.take_info(INFO, READY, 1.0)
    assert error.value.reason == 'old epoch'
    assert member.info == newer


@pytest.mark.parametrize(
    'change',
    [{'method': 'fedavg'}, {'method_settings': 'beta: 3.0\n'}, {'model': 'mlp'}, {'seed': 8},
     {'class_names': ('a', 'c')}, {'input_shape': (3, 8, 8)}, {'state_size': 98},
     {'open_set_digest': bytes(32)}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_run_that_came_back_as_another_one_is_joined_anew(member, change):
    changed = dataclasses.replace(INFO, epoch=INFO.epoch + 1, **change)
    assert member.take_info(changed, FINISHED, 1.0)
    with pytest.raises(MessageError):
        member.take_info(changed, TRAINING, 1.0)


def test_another_run_waits_until_this_one_is_silent_or_over(member):
    with pytest.raises(MessageError) as error:
        member.take_info(OTHER, READY, 1.0)
    assert error.value.reason == 'foreign run'
    assert member.take_waiting(READY, SILENCE - 0.1) is None, 'it goes on'
    assert member.take_waiting(TRAINING, SILENCE + 0.1) is None, 'the worker is busy'
    assert member.take_waiting(READY, SILENCE + 0.1) == OTHER
    assert member.take_waiting(READY, SILENCE + 0.2) is None, 'it was taken'


def test_a_robot_that_has_finished_may_change_at_once(member):
    assert member.take_info(OTHER, FINISHED, 0.1)
    member.join(OTHER, 0.1)
    assert member.info == OTHER
    assert member.plan is None


def test_a_plan_keeps_a_run_alive(member):
    with pytest.raises(MessageError):
        member.take_info(OTHER, READY, 1.0)
    assert member.take_plan(PLAN, SILENCE)
    assert member.take_waiting(READY, SILENCE + 1.0) is None
    assert member.take_waiting(READY, 2 * SILENCE + 0.1) == OTHER


def test_a_plan_that_comes_before_its_info_is_kept_for_it():
    one = Membership()
    assert not one.take_plan(PLAN, 0.0)
    one.join(INFO, 0.0)
    assert one.plan == PLAN
    two = Membership()
    two.take_plan(dataclasses.replace(PLAN, run_id='other'), 0.0)
    two.join(INFO, 0.0)
    assert two.plan is None


@pytest.mark.parametrize(
    ('change', 'reason'),
    [({'run_id': 'other'}, 'foreign run'), ({}, 'old plan'), ({'sequence': 3}, 'old plan'),
     ({'epoch': 0, 'sequence': 99}, 'old plan'), ({'sequence': 5, 'round': 4}, 'wrong round')],
)  # fmt: skip
def test_plans_that_do_not_hold_are_refused(member, change, reason):
    assert member.take_plan(PLAN, 0.0)
    with pytest.raises(MessageError) as error:
        member.take_plan(dataclasses.replace(PLAN, **change), 1.0)
    assert error.value.reason == reason
    assert member.plan == PLAN


def test_a_plan_of_a_later_epoch_holds_whatever_its_number(member):
    assert member.take_plan(PLAN, 0.0)
    assert member.take_plan(dataclasses.replace(PLAN, epoch=2, sequence=1), 1.0)
