"""The rounds of a peer: which updates of neighbours are taken, and which own ones are kept."""

import numpy as np
import pytest
from message_examples import peer_status as status

from iot_fl_ros.core.messages.mesh import PeerChunk
from iot_fl_ros.core.tensors import TensorSpec
from iot_fl_ros.exchange.chunking import Parcel
from iot_fl_ros.mesh.rounds import PeerRounds, Updates

VALUES = np.arange(4, dtype=np.float32)


class Contract:
    """Takes any four numbers."""

    def update_specs(self, round):
        return (TensorSpec('x', 'float32', VALUES.shape),)

    def check_values(self, tensors, round):
        pass


def update_of(robot_id, number):
    """Return (status, chunk) of an update."""
    parcel = Parcel.of({'x': VALUES + number}, round=number, model_version=0)
    (chunk,) = parcel.chunks(
        PeerChunk, run_id='r', sender_id=robot_id, stamp=1.0, first_sequence=0
    )
    return status(robot_id, round=number, update_digest=parcel.digest), chunk


@pytest.fixture
def rounds():
    made = PeerRounds(Contract(), last=5)
    made.open(2, ('a', 'b'), 0.0)
    return made


def test_updates_of_the_round_at_work_and_of_the_next_are_taken(rounds):
    for number in (1, 2, 3, 4):
        announcement, chunk = update_of('a', number)
        rounds.add_chunk(chunk, 0.0)
        rounds.add_status(announcement, 0.0)
    assert [list(rounds[n].accepted) for n in (2, 3)] == [['a'], ['a']]
    rounds.add_chunk(chunk, 0.0)  # sent again for somebody else
    rounds.open(3, ('a', 'b'), 1.0)
    assert list(rounds[3].accepted) == ['a'], 'what came early is kept'
    assert list(rounds[4].accepted) == []
    with pytest.raises(KeyError):
        rounds[2]


def test_behind_the_last_round_nothing_is_taken(rounds):
    rounds.open(5, ('a',), 0.0)
    with pytest.raises(KeyError):
        rounds[6]


def test_nobody_waits_for_who_is_silent_or_went_on(rounds):
    one = rounds[2]
    assert not one.all_in()
    announced, chunk = update_of('a', 2)
    rounds.add_status(announced, 0.0)
    rounds.follow(('a', 'b'), {'a': status('a', round=3)})
    assert one.silent == {'b'}
    assert not one.all_in(), 'a has announced an update, which it keeps for two rounds'
    rounds.follow(('a', 'b'), {'a': status('a', round=4)})
    assert one.passed == {'a'}
    assert one.all_in()
    rounds.follow(('a', 'b'), {'a': status('a', round=3), 'b': status('b', round=3)})
    assert one.passed == {'b'}, 'b has announced nothing for this round and is beyond it'
    rounds.add_chunk(chunk, 0.0)
    assert one.all_in()


def test_the_last_two_updates_can_be_asked_for_again():
    updates = Updates()
    assert updates.newest is None
    for number in (1, 2, 3):
        updates.put(number, {'x': VALUES + number})
    assert [parcel.labels['round'] for parcel in updates.kept] == [2, 3]
    assert updates.newest is updates.kept[-1]
    assert updates.digest == updates.kept[-1].digest
    updates.put(4, None)
    assert (updates.round, updates.digest, updates.newest) == (4, b'', None)
    assert [parcel.labels['round'] for parcel in updates.kept] == [2, 3]
