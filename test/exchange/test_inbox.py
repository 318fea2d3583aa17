"""Sets of tensors in pieces, from one sender."""

import dataclasses

import numpy as np
import pytest

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.chunks import TensorChunk
from iot_fl_ros.exchange import chunking
from iot_fl_ros.exchange.chunking import Parcel
from iot_fl_ros.exchange.inbox import Inbox


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(chunking, 'CHUNK_BYTES', 16)


def pieces(value, count=3):
    """Return (digest, chunks) of a set whose numbers are `value`."""
    parcel = Parcel.of({'x': np.full(4 * count, value, np.float32)}, round=1, model_version=0)
    chunks = parcel.chunks(TensorChunk, run_id='r', sender_id='a', stamp=0.0, first_sequence=0)
    return parcel.digest, chunks


def test_a_set_is_given_once_all_pieces_are_here_in_any_order():
    inbox, (digest, chunks) = Inbox(), pieces(7.0)
    inbox.expect(digest)
    for chunk in chunks[::-1]:
        assert inbox.take(digest) is None
        inbox.add(chunk)
    np.testing.assert_array_equal(inbox.take(digest)['x'], np.full(12, 7.0, np.float32))
    assert inbox.take(digest) is None, 'it is forgotten'


def test_pieces_may_come_before_they_are_expected():
    inbox, (digest, chunks) = Inbox(), pieces(7.0)
    inbox.add(chunks[0])
    assert not inbox.progressed
    inbox.expect(digest)
    assert inbox.progressed
    assert inbox.sets.get(digest).missing == (1, 2)


def test_the_expected_set_is_never_pushed_out():
    inbox, (digest, chunks) = Inbox(limit=2), pieces(0.0)
    inbox.expect(digest)
    inbox.add(chunks[0])
    others = [pieces(float(n)) for n in range(1, 4)]
    for _, foreign in others:
        inbox.add(foreign[0])
    assert inbox.sets.get(digest).missing == (1, 2)
    kept = [other for other, _ in others if inbox.sets.get(other)]
    assert kept == [others[-1][0]], 'of the others one at a time'


def test_who_expects_a_set_throws_the_others_away():
    inbox, (one, first), (other, second) = Inbox(), pieces(1.0), pieces(2.0)
    inbox.add(first[0])
    inbox.add(second[0])
    inbox.expect(other)
    assert inbox.sets.get(one) is None
    assert inbox.sets.get(other) is not None


def test_a_piece_that_comes_twice_or_contradicts_is_refused():
    inbox, (digest, chunks) = Inbox(), pieces(7.0)
    inbox.add(chunks[0])
    with pytest.raises(MessageError) as refused:
        inbox.add(chunks[0])
    assert refused.value.reason == 'duplicate'
    with pytest.raises(MessageError) as refused:
        inbox.add(dataclasses.replace(chunks[1], round=2))
    assert refused.value.reason == 'contradiction'
    assert inbox.sets.get(digest).missing == (1, 2)


def test_a_forged_set_can_be_sent_again():
    inbox, (digest, chunks) = Inbox(), pieces(7.0, count=1)
    inbox.expect(digest)
    inbox.add(dataclasses.replace(chunks[0], data=bytes(16)))
    with pytest.raises(MessageError) as refused:
        inbox.take(digest)
    assert refused.value.reason == 'bad hash'
    inbox.add(chunks[0])
    assert inbox.take(digest)['x'].tolist() == [7.0] * 4


def test_nothing_is_asked_for_while_pieces_come():
    inbox, (digest, chunks) = Inbox(), pieces(7.0)
    inbox.expect(digest)
    inbox.add(chunks[0])
    assert inbox.to_request() is None
    assert inbox.delay == 0.1
    assert inbox.to_request() == (1,), 'one first'
    assert inbox.delay == 0.2
    for _ in range(3):
        inbox.to_request()
    assert inbox.to_request() == (1, 2), 'then all'
    inbox.add(chunks[1])
    assert inbox.to_request() is None
    assert inbox.delay == 0.1


def test_of_a_set_of_which_nothing_came_all_is_asked_for():
    inbox, (digest, _) = Inbox(), pieces(7.0)
    inbox.expect(digest)
    asked = [inbox.to_request() for _ in range(5)]
    assert asked == [(0,)] * 4 + [()]


def test_what_is_forgotten_starts_from_nothing():
    inbox, (digest, chunks) = Inbox(), pieces(7.0)
    inbox.expect(digest)
    inbox.add(chunks[0])
    inbox.forget()
    assert inbox.expected == b''
    assert inbox.sets.get(digest) is None
