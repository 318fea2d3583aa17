"""The robot's machine alone: what it does with what strangers send."""

import dataclasses
import math

import pytest

from iot_fl_ros.core.effects import Publish, StartJob, Warn
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.events import CheckpointSaved, JobDone, JobFailed, MessageArrived
from iot_fl_ros.core.messages.federation import (
    PlanState,
    RobotState,
    RobotStatus,
    RoundPlan,
    RunInfo,
)
from iot_fl_ros.federation.jobs import Prepare, Prepared, Trained, TrainRound
from iot_fl_ros.federation.robot import RobotMachine

INFO = RunInfo(
    stamp=0.0,
    run_id='run',
    epoch=0,
    method='alone',
    method_settings='local_epochs: 1\n',
    model='small_cnn',
    seed=0,
    class_names=('a', 'b'),
    input_shape=(1, 8, 8),
    state_size=0,
    open_set_size=0,
    open_set_digest=b'',
    rounds=3,
    heartbeat_period=1.0,
)


def machine_that_got(**changes):
    machine = RobotMachine('robot_0')
    machine.start(0.0)
    info = dataclasses.replace(INFO, **changes)
    return machine, machine.handle(MessageArrived(info, 100), 0.0)


def test_run_info_starts_the_preparation():
    machine, effects = machine_that_got()
    assert [e.job for e in effects if isinstance(e, StartJob)] == [Prepare(INFO)]
    assert machine.state is RobotState.PREPARING


@pytest.mark.parametrize(
    'changes',
    [
        {'method': 'os:path'},
        {'method': ':x'},
        {'method': 'nosuch'},
        {'method_settings': 'a: 2001-99-99'},
        {'method_settings': '&a {x: *a}'},
        {'method_settings': '[' * 5_000},
        {'method_settings': '[' * 3_000},
        {'method_settings': 'local_epochs: -1'},
        {'method_settings': '? [1]\n: 2'},
    ],
)
def test_run_info_that_cannot_be_used_is_refused_and_said(changes):
    machine, effects = machine_that_got(**changes)
    assert not [e for e in effects if isinstance(e, StartJob)]
    assert machine.endpoint.refusals['aggregator', 'run_info: unusable'] == 1
    assert machine.state is RobotState.REFUSED
    assert machine.reason
    again = machine.handle(MessageArrived(INFO, 100), 1.0)
    assert [e for e in again if isinstance(e, StartJob)], 'the right one is still welcome'


def test_more_tags_than_fit_into_a_status_are_refused():
    with pytest.raises(ConfigError, match=r'robot\.tags'):
        RobotMachine('robot_0', tags=[str(n) for n in range(65)])


def test_a_dotted_path_needs_the_owners_trust():
    path = 'iot_fl_ros.methods.alone:Alone'
    machine = RobotMachine('robot_0', trusted=[path])
    info = dataclasses.replace(INFO, method=path)
    assert [e for e in machine.handle(MessageArrived(info, 1), 0.0) if isinstance(e, StartJob)]
    assert machine_that_got(method=path)[0].state is RobotState.REFUSED


def test_a_failed_preparation_is_reported():
    machine, _ = machine_that_got()
    machine.handle(JobFailed(Prepare(INFO), 'DataError: no photos'), 1.0)
    assert machine.state is RobotState.REFUSED
    assert 'no photos' in machine.reason


def plan(epoch, round, state, sequence=1):
    return RoundPlan(
        stamp=0.0, run_id='run', epoch=epoch, sequence=sequence, state=state, round=round,
        model_version=0, model_digest=b'',
        participants=('robot_0',) if state is PlanState.COLLECTING else (), accepted=(),
        time_left=9.0,
    )  # fmt: skip


@pytest.mark.parametrize('info_first', [True, False])
def test_a_robot_that_had_finished_goes_on_when_the_run_does(info_first):
    machine, _ = machine_that_got()
    machine.handle(JobDone(Prepare(INFO), Prepared(9, None, {}, ())), 0.5)
    machine.handle(MessageArrived(plan(INFO.epoch, 3, PlanState.FINISHED), 100), 1.0)
    job = TrainRound(3, 0, (), True)
    machine.handle(JobDone(job, Trained({}, math.nan, 0.5, 1.0)), 2.0)
    assert machine.state is RobotState.FINISHED
    more = dataclasses.replace(INFO, epoch=INFO.epoch + 1, rounds=INFO.rounds + 5)
    new = plan(more.epoch, 4, PlanState.COLLECTING)
    effects = []
    for message in (more, new) if info_first else (new, more, new):
        effects += machine.handle(MessageArrived(message, 100), 3.0)
    jobs = [e.job for e in effects if isinstance(e, StartJob)]
    assert [type(job) for job in jobs] == [TrainRound], 'it keeps its model'
    assert (jobs[0].round, jobs[0].last) == (4, False)
    assert machine.state is RobotState.TRAINING


def test_a_robot_that_is_told_while_it_takes_the_last_tensors_goes_on():
    machine, _ = machine_that_got()
    machine.handle(JobDone(Prepare(INFO), Prepared(9, None, {}, ())), 0.5)
    machine.handle(MessageArrived(plan(INFO.epoch, 3, PlanState.FINISHED), 100), 1.0)
    assert machine.state is RobotState.TRAINING
    more = dataclasses.replace(INFO, epoch=INFO.epoch + 1, rounds=INFO.rounds + 5)
    machine.handle(MessageArrived(more, 100), 1.5)
    machine.handle(JobDone(TrainRound(3, 0, (), True), Trained({}, math.nan, 0.5, 1.0)), 2.0)
    assert machine.state is RobotState.READY


@pytest.mark.parametrize('loss', [math.inf, -math.inf])
def test_an_infinite_loss_is_sent_as_unknown(loss):
    machine, _ = machine_that_got()
    machine.handle(JobDone(Prepare(INFO), Prepared(9, None, {}, ())), 0.5)
    effects = machine.handle(MessageArrived(plan(INFO.epoch, 1, PlanState.COLLECTING), 100), 1.0)
    (job,) = [e.job for e in effects if isinstance(e, StartJob)]
    effects = machine.handle(JobDone(job, Trained({}, loss, 0.5, 1.0)), 2.0)
    assert [e.text for e in effects if isinstance(e, Warn)] == [
        f'the loss of round 1 is {loss}: it is sent as unknown'
    ]
    effects += machine.handle(CheckpointSaved(1), 2.1)
    sent = [e.message for e in effects if isinstance(e, Publish)]
    statuses = [message for message in sent if isinstance(message, RobotStatus)]
    assert statuses[-1].state == RobotState.UPLOADING
    assert math.isnan(statuses[-1].loss)
