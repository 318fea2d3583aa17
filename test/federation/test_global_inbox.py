"""Walking back along a chain of global sets; forged and lost ones."""

import types

import numpy as np
import pytest

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.federation import GlobalChunk
from iot_fl_ros.core.tensors import TensorSpec
from iot_fl_ros.federation.global_inbox import GlobalInbox
from iot_fl_ros.federation.global_sets import GlobalSets

WINDOW = 15
METHOD = types.SimpleNamespace(
    chained=True,
    global_specs=lambda round: (TensorSpec('x', 'int64', (1,)),),
    needs_since=lambda round: max(1, round - WINDOW + 1),
    check_values=lambda tensors, round: None,
)


def chunk_of(parcel):
    return parcel.chunks(
        GlobalChunk, run_id='r', sender_id='aggregator', stamp=0.0, first_sequence=0
    )[0]


@pytest.fixture
def chunks():
    """One chunk a round, each naming the set before it."""
    history, result = GlobalSets(METHOD), {}
    history.add({}, round=0, model_version=0)
    for number in range(1, 40):
        history.add({'x': np.array([number])}, round=number, model_version=number)
        result[number] = chunk_of(history.newest)
    return result


def inbox_at(chunks, planned):
    inbox = GlobalInbox(METHOD)
    inbox.plan(chunks[planned].digest, planned)
    return inbox


def rounds(inbox):
    return [content.round for content in inbox.fresh]


def test_a_robot_walks_back_to_what_it_holds(chunks):
    inbox = inbox_at(chunks, 1)
    inbox.take(chunks[1])
    inbox.use_up()
    inbox.plan(chunks[4].digest, 4)
    for number in (4, 3, 2):
        assert inbox.wanted == chunks[number].digest
        inbox.take(chunks[number])
    assert rounds(inbox) == [2, 3, 4]
    assert inbox.held == chunks[4].digest


def test_a_newcomer_walks_back_to_what_is_needed(chunks):
    inbox = inbox_at(chunks, 30)
    while inbox.held != chunks[30].digest:
        number = next(n for n, chunk in chunks.items() if chunk.digest == inbox.wanted)
        inbox.take(chunks[number])
    assert rounds(inbox) == list(range(30 - WINDOW + 1, 31))


def test_a_set_that_is_lost_on_the_way_does_not_undo_the_walk(chunks):
    inbox = inbox_at(chunks, 20)
    for number in range(20, 7, -1):
        inbox.take(chunks[number])
    inbox.plan(chunks[22].digest, 22)
    inbox.take(chunks[22])  # 21 was lost
    assert inbox.wanted == chunks[21].digest
    inbox.take(chunks[21])
    assert inbox.held == chunks[22].digest, 'what it had walked was not lost'


def test_a_robot_that_is_not_asked_gathers_no_more_than_it_needs(chunks):
    inbox = inbox_at(chunks, 1)
    for number in range(1, 40):
        inbox.plan(chunks[number].digest, number)
        inbox.take(chunks[number])
    assert rounds(inbox) == list(range(39 - WINDOW + 1, 40))


def test_a_forged_chain_neither_blocks_nor_fills(chunks):
    inbox = inbox_at(chunks, 5)
    forged = GlobalSets(METHOD)
    forged.add({}, round=0, model_version=0)
    for number in range(100, 600):
        forged.kept = forged.kept[-1:]
        forged.add({'x': np.array([number])}, round=5, model_version=number)
        inbox.take(chunk_of(forged.newest))
    assert len(inbox._waiting) <= WINDOW + 2
    assert inbox.wanted == chunks[5].digest
    for number in range(5, 0, -1):
        inbox.take(chunks[number])
    assert inbox.held == chunks[5].digest


def test_sets_sent_again_for_others_are_no_fault(chunks):
    inbox = inbox_at(chunks, 3)
    for number in (3, 2, 1):
        inbox.take(chunks[number])
    assert not any(inbox.take(chunks[number]) for number in (1, 2, 3))


def test_a_set_of_a_round_far_ahead_is_refused(chunks):
    with pytest.raises(MessageError, match='not planned'):
        inbox_at(chunks, 3).take(chunks[30])


def test_what_the_model_has_learned_is_not_adopted_again(chunks):
    inbox = inbox_at(chunks, 4)
    for number in (4, 3, 2, 1):
        inbox.take(chunks[number])
    inbox.learned(chunks[3].digest, 3)
    assert rounds(inbox) == [4]
