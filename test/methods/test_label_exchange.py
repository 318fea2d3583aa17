"""For how many rounds a label of the memory is good."""

import numpy as np
import pytest
from method_makers import OPEN, info_of

from iot_fl_ros.methods.labels.codec import LabelCodec
from iot_fl_ros.methods.labels.exchange import LabelExchange, LabelMemory

ALL = len(OPEN)


def test_a_label_is_known_from_its_own_round_on():
    kept = LabelMemory({})
    indices = np.array([1, 4])
    assert kept.known(indices, 1).tolist() == [False, False]
    kept.remember(6, indices, np.array([[7, 8], [9, 10]], np.uint8), 5)
    assert kept.known(np.array([0, 1, 4]), 5).tolist() == [False, True, True]
    assert kept.known(indices, 6).tolist() == [False, False]
    assert kept.known(np.array([0]), 0).tolist() == [False], 'never labelled is not round 0'
    assert kept.symbols(np.array([4, 1])).tolist() == [[9, 10], [7, 8]]


@pytest.mark.parametrize('keep', [1, 3])
def test_a_label_of_round_5_is_good_for_as_many_rounds_as_it_is_kept(keep):
    exchange = LabelExchange(
        info_of('dsfl'), LabelCodec('uint8', 3), per_round=ALL, keep=keep, block=0
    )
    memory = {}
    labels = np.tile(np.array([0.2, 0.3, 0.5], np.float32), (ALL, 1))
    asked = exchange.asked(1)  # all of them: nothing is known yet
    assert len(asked) == ALL
    exchange.remember(memory, 1, labels, np.ones(ALL, bool))
    memory['label_rounds'][:] = 5
    good = {round: len(exchange.good(memory, round)[0]) for round in range(5, 10)}
    assert good == {round: ALL if round < 5 + keep else 0 for round in range(5, 10)}
    indices, values = exchange.good(memory, 5)
    np.testing.assert_array_equal(indices, np.arange(ALL))
    np.testing.assert_allclose(values, labels, atol=1 / 255)


def test_differences_refer_to_labels_of_the_same_block_alone():
    exchange = LabelExchange(
        info_of('dsfl'), LabelCodec('uint8', 3), per_round=ALL, keep=1, block=3
    )
    labels = np.tile(np.array([0.2, 0.3, 0.5], np.float32), (ALL, 1))
    plain = exchange.encode({}, 2, labels, None)['labels']
    for known, round, differs in ((1, 2, True), (1, 3, True), (3, 4, False), (4, 5, True)):
        memory = {}
        exchange.remember(memory, known, labels, np.ones(ALL, bool))
        tensor = exchange.encode(memory, round, labels, None)['labels']
        assert (tensor == 0).all() == differs
        assert (tensor == plain).all() != differs
