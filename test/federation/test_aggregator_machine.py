"""The aggregator's machine alone: when rounds open and close, and what is kept of them."""

import dataclasses
import math

import numpy as np
import pytest
from fake_driver import FakeDriver
from marking import SIZE, MarkingSettings

from iot_fl_ros.core.effects import Record, RunEnded, SaveCheckpoint
from iot_fl_ros.core.events import CheckpointSaved, JobDone, JobFailed, LimitsChanged
from iot_fl_ros.core.messages.chunks import ChunkRequest, TensorChunk
from iot_fl_ros.core.messages.federation import (
    GlobalChunk,
    PlanState,
    RobotState,
    RobotStatus,
    RoundPlan,
    RunInfo,
)
from iot_fl_ros.exchange.chunking import Parcel
from iot_fl_ros.federation.aggregator import AggregatorMachine
from iot_fl_ros.federation.jobs import Aggregate, Evaluate
from iot_fl_ros.federation.settings import RunSettings
from iot_fl_ros.federation.states import AggregatorState
from iot_fl_ros.methods.registry import settings_text

RUN = RunSettings(name='run', rounds=2, robots=2, deadline=20.0, lease=5.0, start_timeout=60.0)
INFO = RunInfo(
    stamp=0.0,
    run_id='run',
    epoch=0,
    method='marking:Marking',
    method_settings=settings_text(MarkingSettings()),
    model='none',
    seed=0,
    class_names=('a', 'b'),
    input_shape=(1,),
    state_size=0,
    open_set_size=0,
    open_set_digest=b'',
    rounds=2,
    heartbeat_period=1.0,
)
RESULT = {'mark': np.full(SIZE, 7, np.int64)}


class Aggregator(FakeDriver):
    """The machine with its rows and checkpoints; nothing is answered by itself."""

    def __init__(self, settings=RUN, restored=None):
        self.rows, self.saves, self.ended = [], [], False
        super().__init__(AggregatorMachine(settings, INFO, {}, restored))
        self.take()

    def _do(self, effects):
        plain = []
        for effect in effects:
            match effect:
                case Record(row):
                    self.rows.append(row)
                case SaveCheckpoint():
                    self.saves.append(effect)
                case RunEnded():
                    self.ended = True
                case _:
                    plain.append(effect)
        super()._do(plain)

    def status(self, robot_id, state=RobotState.READY, round=0, digest=b''):
        self.hear(
            RobotStatus(
                stamp=self.now,
                run_id='run',
                robot_id=robot_id,
                sequence=1,
                started=0.0,
                state=state,
                reason='',
                round=round,
                model_version=0,
                update_digest=digest,
                samples=10,
                loss=0.5,
                accuracy=math.nan,
                train_seconds=1.0,
                wait_seconds=0.0,
                bytes_received=0,
                bytes_sent=0,
            )
        )

    def update(self, robot_id, round=1, version=0):
        """Announce and send an update."""
        tensors = {'mark': np.full(SIZE, round, np.int64)}
        parcel = Parcel.of(tensors, round=round, model_version=version)
        self.status(robot_id, RobotState.UPLOADING, round, parcel.digest)
        self.hear(
            *parcel.chunks(
                TensorChunk, run_id='run', sender_id=robot_id, stamp=self.now, first_sequence=0
            )
        )

    def job(self, kind):
        """Take the job of this kind."""
        (job,) = [job for job in self.jobs if isinstance(job, kind)]
        self.jobs.remove(job)
        return job

    def plan(self):
        """Return the last plan."""
        return self.take(RoundPlan)[-1]

    def finish_round(self):
        self.tell(JobDone(self.job(Aggregate), RESULT))
        self.tell(CheckpointSaved(self.saves[-1].round))

    @property
    def state(self):
        return self.machine.state


@pytest.fixture
def aggregator():
    return Aggregator()


@pytest.fixture
def round_one(aggregator):
    """Round 1 of two robots is open."""
    aggregator.status('a')
    aggregator.status('b')
    return aggregator


def test_a_round_opens_with_the_last_awaited_robot(aggregator):
    aggregator.status('a')
    assert aggregator.state is AggregatorState.GATHERING
    aggregator.status('b')
    plan = aggregator.plan()
    assert (plan.state, plan.round, plan.participants) == (PlanState.COLLECTING, 1, ('a', 'b'))
    assert plan.time_left == RUN.deadline


def test_after_the_start_timeout_those_who_are_there_begin(aggregator):
    aggregator.advance(RUN.start_timeout - 1)
    aggregator.status('a')
    assert aggregator.state is AggregatorState.GATHERING
    aggregator.advance(1)
    assert aggregator.plan().participants == ('a',)


def test_the_first_round_waits_for_dds_when_asked_to():
    aggregator = Aggregator(dataclasses.replace(RUN, settle=3.0))
    aggregator.status('a')
    aggregator.status('b')
    aggregator.advance(2.9)
    assert aggregator.state is AggregatorState.GATHERING
    aggregator.advance(0.1)
    assert aggregator.state is AggregatorState.COLLECTING


def test_with_all_updates_a_round_is_aggregated_saved_and_sent(round_one):
    round_one.update('b')
    assert round_one.plan().accepted == ()
    assert not round_one.jobs
    round_one.update('a')
    job = round_one.jobs[0]
    assert [update.robot_id for update in job.updates] == ['a', 'b'], 'whoever came first'
    round_one.take()
    round_one.tell(JobDone(round_one.job(Aggregate), RESULT))
    assert not round_one.take(GlobalChunk), 'not before it is on disk'
    assert round_one.saves[-1].manifest['model_version'] == 1
    round_one.tell(CheckpointSaved(1))
    sent = round_one.take()
    assert [type(message) for message in sent] == [GlobalChunk, RoundPlan]
    assert (sent[1].round, sent[1].model_version) == (2, 1)
    assert sent[1].model_digest == sent[0].digest
    assert round_one.job(Evaluate).round == 1


def test_the_quorum_closes_a_round():
    aggregator = Aggregator(dataclasses.replace(RUN, quorum=1))
    aggregator.status('a')
    aggregator.status('b')
    aggregator.update('b')
    assert [update.robot_id for update in aggregator.job(Aggregate).updates] == ['b']


def test_the_deadline_closes_a_round_without_the_late(round_one):
    round_one.update('a')
    for _ in range(int(RUN.deadline)):
        assert not round_one.jobs
        round_one.status('a', RobotState.UPLOADING)
        round_one.status('b', RobotState.TRAINING)
        round_one.advance(1.0)
    assert [update.robot_id for update in round_one.job(Aggregate).updates] == ['a']
    assert round_one.machine.endpoint.refusals == {('b', 'late'): 1}


def test_another_quorum_closes_an_open_round_at_once(round_one):
    round_one.update('a')
    assert not round_one.jobs
    round_one.tell(LimitsChanged(deadline=RUN.deadline, quorum=1))
    assert [update.robot_id for update in round_one.job(Aggregate).updates] == ['a']
    assert 'close with 1 updates' in round_one.said[-1]


def test_another_deadline_counts_from_the_beginning_of_the_round(round_one):
    round_one.update('a')
    round_one.advance(1.0)
    round_one.tell(LimitsChanged(deadline=2.0, quorum=0))
    round_one.advance(0.9)
    assert not round_one.jobs
    round_one.advance(0.2)
    assert [update.robot_id for update in round_one.job(Aggregate).updates] == ['a']


@pytest.mark.parametrize('how', ['leaves', 'falls silent', 'is refused', 'cannot train'])
def test_nobody_waits_for_a_robot_that_will_not_deliver(how, round_one):
    round_one.update('a')
    if how == 'leaves':
        round_one.status('b', RobotState.LEAVING)
    elif how == 'is refused':
        round_one.status('b', RobotState.REFUSED)
    elif how == 'cannot train':
        round_one.status('b', RobotState.READY, round=1)
    else:
        for _ in range(int(RUN.lease) + 1):
            round_one.status('a', RobotState.UPLOADING)
            round_one.advance(1.0)
        assert any('b fell silent' in text for text in round_one.warnings)
    assert [update.robot_id for update in round_one.job(Aggregate).updates] == ['a']


def test_a_round_without_updates_is_saved_and_the_next_one_opens(round_one):
    for robot_id in ('a', 'b'):
        round_one.status(robot_id, RobotState.READY, round=1)
    assert not round_one.jobs
    assert round_one.saves[-1].manifest['model_version'] == 0
    round_one.tell(CheckpointSaved(1))
    assert round_one.plan().round == 2


def test_a_failed_aggregation_costs_its_round(round_one):
    round_one.update('a')
    round_one.update('b')
    round_one.tell(JobFailed(round_one.job(Aggregate), 'no memory'))
    assert 'aggregation failed: no memory' in round_one.warnings[-1]
    round_one.tell(CheckpointSaved(1))
    plan = round_one.plan()
    assert (plan.round, plan.model_version) == (2, 0)


def test_an_evaluation_that_fails_costs_the_accuracy_of_its_round(round_one):
    round_one.update('a')
    round_one.update('b')
    round_one.finish_round()
    round_one.tell(JobFailed(round_one.job(Evaluate), 'no memory'))
    assert round_one.warnings[-1] == 'evaluation failed: no memory'
    (row,) = [row for row in round_one.rows if row['kind'] == 'round']
    assert math.isnan(row['accuracy'])
    assert (round_one.plan().round, round_one.state) == (2, AggregatorState.COLLECTING)


def test_an_update_of_another_round_is_refused(round_one):
    round_one.update('a', version=3)
    assert round_one.machine.open_round.accepted == {}
    refusals = round_one.machine.endpoint.refusals
    assert [reason for _, reason in refusals] == ['updates: wrong round']


def test_the_run_ends_when_its_robots_have_the_result(round_one):
    for number in (1, 2):
        round_one.update('a', number, number - 1)
        round_one.update('b', number, number - 1)
        round_one.finish_round()
        round_one.tell(JobDone(round_one.job(Evaluate), 0.25 * number))
    assert round_one.plan().state is PlanState.FINISHED
    assert [row['accuracy'] for row in round_one.rows if row['kind'] == 'round'] == [0.25, 0.5]
    round_one.status('a', RobotState.FINISHED, 2)
    assert not round_one.ended
    round_one.status('b', RobotState.FINISHED, 2)
    assert round_one.ended
    assert round_one.rows[-1]['kind'] == 'end'


def test_a_checkpoint_goes_on_with_the_next_round_under_a_new_epoch(round_one):
    round_one.update('a')
    round_one.update('b')
    round_one.finish_round()
    saved = round_one.saves[-1]
    again = Aggregator(restored=(saved.manifest, saved.tensors))
    assert again.machine.info.epoch == 1
    assert again.machine.global_digest == round_one.machine.global_digest
    again.status('a')
    again.status('b')
    plan = again.plan()
    assert (plan.round, plan.model_version, plan.epoch) == (2, 1, 1)


def test_pieces_that_stop_coming_are_asked_for(round_one):
    tensors = {'mark': np.full(SIZE, 1, np.int64)}
    parcel = Parcel.of(tensors, round=1, model_version=0)
    round_one.status('a', RobotState.UPLOADING, 1, parcel.digest)
    round_one.take()
    round_one.advance(10.0)
    requests = round_one.take(ChunkRequest)
    assert {request.receiver_id for request in requests} == {'a'}
    assert all(request.digest == parcel.digest for request in requests)


def test_who_was_never_there_does_not_leave(aggregator):
    for number in range(50):
        aggregator.status(f'ghost_{number}', RobotState.LEAVING)
    assert not [row for row in aggregator.rows if row['kind'] == 'gone']


def test_another_quorum_is_asked_for_too(round_one):
    round_one.tell(LimitsChanged(60.0, 2))
    assert round_one.machine._selector._quorum == 2
