"""The repair of updates, and robots whose training failed."""

import dataclasses
import math
import time

import numpy as np
import pytest

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.chunks import TensorChunk
from iot_fl_ros.core.messages.federation import RobotState, RobotStatus
from iot_fl_ros.core.tensors import TensorSpec
from iot_fl_ros.exchange.chunking import CHUNK_BYTES, Parcel
from iot_fl_ros.exchange.inbox import Repair
from iot_fl_ros.exchange.open_round import OpenRound

VALUES = np.zeros(CHUNK_BYTES // 2, np.float32)


class FakeMethod:
    def update_specs(self, round):
        return (TensorSpec('state', 'float32', VALUES.shape),)

    def check_values(self, tensors, round):
        pass


METHOD = FakeMethod()
PARCEL = Parcel.of({'state': VALUES}, round=1, model_version=0)
CHUNKS = PARCEL.chunks(TensorChunk, run_id='r', sender_id='a', stamp=0.0, first_sequence=0)
STATUS = RobotStatus(
    stamp=0.0,
    run_id='r',
    robot_id='a',
    sequence=1,
    started=0.0,
    state=RobotState.UPLOADING,
    reason='',
    round=1,
    model_version=0,
    update_digest=PARCEL.digest,
    samples=9,
    loss=0.1,
    accuracy=math.nan,
    train_seconds=1.0,
    wait_seconds=0.0,
    bytes_received=0,
    bytes_sent=0,
)


def test_a_stalled_update_is_nudged_then_asked_for_whole():
    open_round = OpenRound(1, 0, ['a', 'b'], 0.0)
    open_round.add_status(STATUS, 0.0)
    open_round.add_chunk(CHUNKS[0], METHOD)
    asked = [missing for t in range(200) for _, _, missing in open_round.wanted(t / 10)]
    assert asked[:4] == [(1,)] * 4
    assert len(asked) < 20, 'it backs off'
    assert not open_round.settle('a', METHOD, 20.0)
    open_round.add_chunk(CHUNKS[1], METHOD)
    assert open_round.settle('a', METHOD, 21.0)
    assert open_round.wanted(100.0) == []
    assert open_round.late() == ['b']


def test_an_upload_that_may_take_its_time_is_not_asked_for_early():
    open_round = OpenRound(1, 0, ['a', 'b'], 0.0, {'a': 7.0})
    open_round.add_status(STATUS, 1.0)
    open_round.add_status(dataclasses.replace(STATUS, robot_id='b'), 1.0)
    assert [robot_id for robot_id, _, _ in open_round.wanted(2.0)] == ['b']
    assert open_round.wanted(8.1)[0][:2] == ('a', PARCEL.digest)


def test_a_robot_whose_training_failed_is_not_waited_for_nor_asked():
    open_round = OpenRound(1, 0, ['a'], 0.0)
    failed = dataclasses.replace(STATUS, state=RobotState.READY, update_digest=b'')
    open_round.add_status(failed, 0.0)
    assert open_round.wanted(1.0) == []
    assert open_round.complete(quorum=0)
    assert open_round.refused == {'a'}


def test_repair_is_quick_again_after_progress():
    repair = Repair()
    delays = []
    for _ in range(8):
        delays.append(repair.delay)
        repair.wanted((3, 4))
    assert delays[:3] == [0.1, 0.2, 0.4]
    assert max(delays) == 5.0
    assert repair.wanted((3, 4)) == (3, 4)
    repair.progressed()
    assert repair.delay == 0.1
    assert repair.wanted((3, 4)) == (3,)


class Picky(FakeMethod):
    """Refuses every value."""

    def check_values(self, tensors, round):
        raise MessageError('out of range', f'{sorted(tensors)} of round {round}')


def test_values_that_the_method_refuses_do_not_count():
    open_round = OpenRound(1, 0, ['a'], 0.0)
    open_round.add_status(STATUS, 0.0)
    for chunk in CHUNKS:
        open_round.add_chunk(chunk, Picky())
    with pytest.raises(MessageError, match=r"\['state'\] of round 1"):
        open_round.settle('a', Picky(), 1.0)
    assert open_round.updates() == []
    assert open_round.refused == {'a'}
    assert open_round.complete(quorum=0), 'it is not waited for'


@pytest.mark.parametrize('labels', [{'round': 2}, {'round': 0}, {'model_version': 1}], ids=str)
def test_pieces_of_another_round_or_model_are_refused(labels):
    parcel = Parcel.of({'state': VALUES}, **{'round': 1, 'model_version': 0, **labels})
    chunks = parcel.chunks(TensorChunk, run_id='r', sender_id='a', stamp=0.0, first_sequence=0)
    open_round = OpenRound(1, 0, ['a'], 0.0)
    open_round.add_status(STATUS, 0.0)
    for chunk in chunks:
        with pytest.raises(MessageError, match='open is') as refused:
            open_round.add_chunk(chunk, METHOD)
        assert refused.value.reason == 'wrong round'
    assert not open_round.settle('a', METHOD, 1.0)


@pytest.mark.parametrize('number', [0, 2])
def test_an_announcement_for_another_round_is_none(number):
    open_round = OpenRound(1, 0, ['a'], 0.0)
    open_round.add_status(dataclasses.replace(STATUS, round=number), 0.0)
    for chunk in CHUNKS:
        open_round.add_chunk(chunk, METHOD)
    assert not open_round.settle('a', METHOD, 1.0)
    failed = dataclasses.replace(STATUS, round=number, update_digest=b'')
    open_round.add_status(failed, 1.0)
    assert not open_round.complete(quorum=0), 'it is still waited for'


def test_what_is_not_asked_for_or_here_already_is_refused():
    open_round = OpenRound(1, 0, ['a'], 0.0)
    stranger = dataclasses.replace(CHUNKS[0], sender_id='z')
    with pytest.raises(MessageError) as refused:
        open_round.add_chunk(stranger, METHOD)
    assert refused.value.reason == 'not asked'
    open_round.add_status(STATUS, 0.0)
    for chunk in CHUNKS:
        open_round.add_chunk(chunk, METHOD)
    assert open_round.settle('a', METHOD, 1.0)
    with pytest.raises(MessageError) as refused:
        open_round.add_chunk(CHUNKS[0], METHOD)
    assert refused.value.reason == 'duplicate'
    (update,) = open_round.updates()
    assert (update.robot_id, update.samples) == ('a', 9)


def test_looking_for_what_is_missing_takes_time_by_robots_and_not_by_their_square():
    def seconds(count):
        ids = [f'robot_{i}' for i in range(count)]
        open_round = OpenRound(1, 0, ids, 0.0)
        for robot_id in ids:
            open_round.add_status(dataclasses.replace(STATUS, robot_id=robot_id), 0.0)
        open_round.accepted = dict.fromkeys(ids[::2])
        times = []
        for _ in range(5):
            start = time.perf_counter()
            open_round.wanted(0.1)
            open_round.complete(0)
            times.append(time.perf_counter() - start)
        return min(times)

    assert seconds(4_000) < 40 * seconds(400)
