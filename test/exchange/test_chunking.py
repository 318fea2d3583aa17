import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.chunks import TensorChunk
from iot_fl_ros.exchange.chunking import CHUNK_BYTES, Assembly, Parcel


def chunks_of(tensors):
    parcel = Parcel.of(tensors, round=3, model_version=2)
    return parcel.chunks(TensorChunk, run_id='run', sender_id='r', stamp=0.0, first_sequence=5)


def assemble(chunks):
    assembly = Assembly(chunks[0])
    for chunk in chunks:
        assembly.add(chunk)
    return assembly


BIG = {
    'w': np.arange(CHUNK_BYTES // 2, dtype=np.float32).reshape(-1, 8),
    'd': np.arange(100, dtype=np.uint8),
}


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(3)))
def test_chunks_in_any_order_give_the_tensors_back(order):
    chunks = chunks_of(BIG)
    assert len(chunks) == 3
    tensors = assemble([chunks[i] for i in order]).tensors()
    assert list(tensors) == ['w', 'd']
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, BIG[name])
        assert tensor.dtype == BIG[name].dtype


@pytest.mark.parametrize('dtype', ['float16', 'float32', 'float64', 'uint8', 'int64'])
def test_every_dtype_survives(dtype):
    value = np.arange(12).reshape(3, 4).astype(dtype)
    np.testing.assert_array_equal(assemble(chunks_of({'x': value})).tensors()['x'], value)


def test_an_empty_set_is_one_chunk_without_data():
    (chunk,) = chunks_of({})
    assert len(chunk.data) == 0
    assert assemble([chunk]).tensors() == {}


def test_missing_names_what_did_not_arrive():
    first, _, last = chunks_of(BIG)
    assert assemble([first, last]).missing == (1,)


def test_a_duplicate_is_refused_and_changes_nothing():
    chunks = chunks_of(BIG)
    assembly = assemble(chunks)
    with pytest.raises(MessageError, match='already here'):
        assembly.add(chunks[0])
    np.testing.assert_array_equal(assembly.tensors()['w'], BIG['w'])


def test_wrong_bytes_are_caught_by_the_hash():
    first, *rest = chunks_of(BIG)
    forged = dataclasses.replace(first, data=bytes(len(first.data)))
    with pytest.raises(MessageError) as error:
        assemble([forged, *rest]).tensors()
    assert error.value.reason == 'bad hash'


def test_a_chunk_of_another_shape_is_refused():
    first, *_ = chunks_of(BIG)
    assembly = Assembly(first)
    with pytest.raises(MessageError, match='does not match'):
        assembly.add(dataclasses.replace(first, names=('v', 'd')))


def test_only_wanted_chunks_are_made():
    parcel = Parcel.of(BIG, round=1, model_version=0)
    made = parcel.chunks(
        TensorChunk, run_id='r', sender_id='r', stamp=0.0, first_sequence=0, wanted=(2, 99)
    )
    assert [chunk.chunk_index for chunk in made] == [2]
