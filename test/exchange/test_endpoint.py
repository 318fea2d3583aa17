"""One participant's end of the exchange."""

import math

import numpy as np
import pytest

from iot_fl_ros.core.effects import Publish, Warn
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.events import BadMessage, MessageArrived
from iot_fl_ros.core.messages.chunks import ChunkRequest, TensorChunk
from iot_fl_ros.core.messages.federation import RobotState, RobotStatus
from iot_fl_ros.exchange import chunking
from iot_fl_ros.exchange.chunking import Parcel
from iot_fl_ros.exchange.endpoint import OTHERS, Endpoint, Refusals


@pytest.fixture
def endpoint():
    made = Endpoint('me')
    made.run_id = 'run'
    return made


@pytest.fixture
def parcel(monkeypatch):
    monkeypatch.setattr(chunking, 'CHUNK_BYTES', 16)
    return Parcel.of({'x': np.zeros(12, np.float32)}, round=1, model_version=0)


def status(robot_id, sequence=1, run_id='run'):
    return RobotStatus(
        stamp=0.0, run_id=run_id, robot_id=robot_id, sequence=sequence,
        started=0.0, state=RobotState.READY,
        reason='', round=0, model_version=0, update_digest=b'', samples=1, loss=math.nan,
        accuracy=math.nan, train_seconds=0.0, wait_seconds=0.0, bytes_received=0, bytes_sent=0,
    )  # fmt: skip


def request(parcel, missing=(), digest=None):
    return ChunkRequest(
        stamp=0.0, run_id='run', sender_id='you', receiver_id='me',
        digest=digest or parcel.digest, missing=missing,
    )  # fmt: skip


def never(message):
    raise AssertionError('its own message')


def test_bytes_of_others_count_and_its_own_do_not(endpoint):
    seen = []
    endpoint.take(MessageArrived(status('you'), 100), lambda m: seen.append(m) or [])
    assert endpoint.take(MessageArrived(status('me', 0), 50), never) == []
    endpoint.bad(BadMessage('you', 'updates', 'bad length', 7))
    assert endpoint.bytes_received == 107
    assert [message.robot_id for message in seen] == ['you']
    endpoint.note_sent(30)
    assert endpoint.bytes_sent == 30


def test_a_refusal_costs_one_warning_and_is_counted_by_topic(endpoint):
    def refuse(message):
        raise MessageError('late', 'round 3 is closed')

    (warn,) = endpoint.take(MessageArrived(status('you'), 100), refuse)
    assert isinstance(warn, Warn)
    assert 'refused from you: ' in warn.text
    assert 'round 3 is closed' in warn.text
    assert endpoint.refusals == {('you', 'robot_status: late'): 1}


def test_messages_of_another_run_are_refused(endpoint):
    endpoint.check_run(status('you'))
    with pytest.raises(MessageError, match="you is in run 'other', me in 'run': look there"):
        endpoint.check_run(status('you', run_id='other'), 'look there')


def test_a_robot_of_the_same_name_is_noticed_by_its_numbers(endpoint):
    assert [endpoint.status_head(0.0)['sequence'] for _ in range(3)] == [1, 2, 3]
    assert endpoint.take(MessageArrived(status('me', 3), 50), never) == []
    (warn,) = endpoint.take(MessageArrived(status('me', 4), 50), never)
    assert 'an id of its own' in warn.text
    assert endpoint.refusals['me', 'same name'] == 1


def sent(effects):
    assert all(isinstance(effect, Publish) for effect in effects)
    return [effect.message for effect in effects]


def test_chunks_are_numbered_on_from_set_to_set(endpoint, parcel):
    first = sent(endpoint.send(TensorChunk, parcel, 1.5))
    again = sent(endpoint.send(TensorChunk, parcel, 2.5, wanted=(2, 0)))
    assert [chunk.sequence for chunk in [*first, *again]] == [0, 1, 2, 3, 4]
    assert [chunk.chunk_index for chunk in again] == [0, 2]
    assert {(c.run_id, c.sender_id, c.stamp) for c in again} == {('run', 'me', 2.5)}


def test_a_request_is_answered_with_what_is_kept(endpoint, parcel):
    other = Parcel.of({'x': np.ones(12, np.float32)}, round=1, model_version=0)
    wanted = request(parcel, (1,))
    answer = endpoint.answer(wanted, TensorChunk, [other, parcel], 0.0, to='you')
    assert [effect.to for effect in answer] == ['you']
    assert [(c.digest, c.chunk_index) for c in sent(answer)] == [(parcel.digest, 1)]
    with pytest.raises(MessageError) as refused:
        endpoint.answer(request(parcel, digest=bytes(32)), TensorChunk, [parcel], 0.0)
    assert refused.value.reason == 'not wanted'


def test_a_request_names_who_is_asked_and_for_what(endpoint, parcel):
    message = endpoint.request('you', parcel.digest, (0, 2), 3.0).message
    assert (message.sender_id, message.receiver_id, message.run_id) == ('me', 'you', 'run')
    assert (message.digest, message.missing, message.stamp) == (parcel.digest, (0, 2), 3.0)


def test_refusals_of_endless_names_take_bounded_memory():
    refusals = Refusals()
    for number in range(5_000):
        refusals.add(f'robot_{number}', 'late')
    refusals.add('robot_0', 'late')
    assert refusals['robot_0', 'late'] == 2, 'who is known stays known'
    assert refusals[OTHERS, 'late'] == 4_000
    assert len(refusals) == 1_001
    assert refusals.total() == 5_001
