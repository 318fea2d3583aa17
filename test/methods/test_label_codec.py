"""Labels on the wire: every encoding there and back, and what is refused."""

import itertools

import numpy as np
import pytest

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.tensors import specs_of
from iot_fl_ros.methods.labels.codec import LABEL_DTYPES, LabelCodec, pack_votes, unpack_votes

LABELS = np.random.default_rng(0).dirichlet(np.full(10, 0.1), 101).astype(np.float32)
ERRORS = {'float32': 0, 'float16': 5e-4, 'uint8': 0.02}  # of 8 bits, also by making sums 1


@pytest.mark.parametrize(
    ('dtype', 'packed'), list(itertools.product(ERRORS, (False, True))), ids=str
)
def test_labels_survive_their_encoding(dtype, packed):
    codec = LabelCodec(dtype, 10, packed)
    tensor = codec.encode(LABELS)
    assert codec.spec(101).allows(specs_of({'labels': tensor})[0])
    decoded = codec.decode(tensor, 101)
    np.testing.assert_allclose(decoded, LABELS, atol=ERRORS[dtype] + 1e-6)
    np.testing.assert_allclose(decoded.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize('packed', [False, True])
def test_votes_keep_the_most_likely_class_in_four_bits(packed):
    codec = LabelCodec('vote', 10, packed)
    tensor = codec.encode(LABELS)
    assert codec.spec(101).allows(specs_of({'labels': tensor})[0])
    if not packed:
        assert tensor.nbytes == 51  # ceil(101 * 4 / 8)
    np.testing.assert_array_equal(
        codec.decode(tensor, 101), np.eye(10, dtype=np.float32)[LABELS.argmax(1)]
    )


def test_votes_by_hand():
    # 5 classes need 3 bits: 1, 4, 2 = 001 100 010 and seven zeros.
    packed = pack_votes(np.array([1, 4, 2], np.uint8), 5)
    assert packed.tolist() == [0b00110001, 0b00000000]
    assert unpack_votes(packed, 3, 5).tolist() == [1, 4, 2]


@pytest.mark.parametrize('dtype', ['uint8', 'vote'])
@pytest.mark.parametrize('packed', [False, True])
def test_differences_give_the_same_labels(dtype, packed):
    codec = LabelCodec(dtype, 10, packed)
    reference = codec.symbols(np.roll(LABELS, 1, axis=0))
    again = codec.decode(codec.encode(LABELS, reference), 101, reference)
    np.testing.assert_array_equal(again, codec.decode(codec.encode(LABELS), 101))


def test_what_repeats_packs_small():
    codec = LabelCodec('uint8', 10, packed=True)
    same = codec.encode(LABELS, codec.symbols(LABELS))
    assert same.nbytes < 40 < codec.encode(LABELS).nbytes < 1010


@pytest.mark.parametrize('dtype', [name for name in LABEL_DTYPES if name != 'vote'])
@pytest.mark.parametrize('value', [0.0, 1.0])
def test_rows_that_are_no_distribution_are_refused(dtype, value):
    codec = LabelCodec(dtype, 10)
    bad = codec.encode(np.full((3, 10), value, np.float32))
    with pytest.raises(MessageError):
        codec.decode(bad, 3)


@pytest.mark.parametrize('value', [np.nan, np.inf, -0.5])
def test_impossible_values_are_refused(value):
    with pytest.raises(MessageError):
        LabelCodec('float32', 2).decode(np.array([[value, 1.0]], np.float32), 1)


def test_a_vote_for_no_class_is_refused():
    with pytest.raises(MessageError):
        LabelCodec('vote', 10).decode(np.full(2, 0xFF, np.uint8), 4)


@pytest.mark.parametrize('length', [0, 1, 50, 10_000])
def test_random_bytes_are_refused_and_cost_no_memory(length):
    rng = np.random.default_rng(length)
    with pytest.raises(MessageError):
        LabelCodec('uint8', 10, packed=True).decode(rng.integers(0, 256, length, np.uint8), 101)


def test_a_bomb_is_refused():
    bomb = LabelCodec('uint8', 10, packed=True).encode(np.zeros((1_000_000, 10), np.float32))
    assert bomb.nbytes < 20_000
    with pytest.raises(MessageError):
        LabelCodec('uint8', 10, packed=True).decode(bomb, 101)


def test_eight_bits_are_rounded_to_the_nearest():
    # 0.499 * 255 = 127.2, 0.501 * 255 = 127.8.
    labels = np.array([[0.499, 0.501], [0.11, 0.89]], np.float32)
    assert LabelCodec('uint8', 2).symbols(labels).tolist() == [[127, 128], [28, 227]]
