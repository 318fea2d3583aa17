"""What methods of somebody else's return is held to what they declare, in one line."""

import numpy as np
import pytest
import torch

from iot_fl_ros.core.errors import PluginError
from iot_fl_ros.core.tensors import TensorSpec
from iot_fl_ros.methods.contract import as_declared, as_loss, sendable_loss

STATE = TensorSpec('state', 'float32', (3,))
COUNT = TensorSpec('count', 'int64', (-4,))


def declared(*specs, **tensors):
    return as_declared(tensors, specs, 'aggregate', 'global_specs')


@pytest.mark.parametrize(
    'values', [np.ones(3), np.ones(3, np.float16), [1.0, 1.0, 1.0], torch.ones(3)]
)
def test_floats_of_any_precision_are_taken(values):
    out = declared(STATE, state=values)
    assert out['state'].dtype == np.float32
    np.testing.assert_array_equal(out['state'], np.ones(3))


def test_tensors_come_in_the_declared_order():
    out = declared(STATE, COUNT, count=np.arange(2, dtype=np.int32), state=np.ones(3))
    assert list(out) == ['state', 'count']
    assert out['count'].dtype == np.int64


@pytest.mark.parametrize(
    ('tensors', 'said'),
    [
        ({'state': np.ones(4, np.float32)}, r'state is float32 \[4\], global_specs says .* \[3\]'),
        (
            {'state': np.ones(3, np.int64)},
            r'state is int64 \[3\], global_specs says state is float32',
        ),
        ({'state': np.array(['a', 'b', 'c'])}, 'state is <U1'),
        ({'weights': np.ones(3)}, 'aggregate returned weights; global_specs says state'),
        ({}, 'aggregate returned nothing; global_specs says state'),
        (
            {'state': np.ones(3), 'more': np.ones(1)},
            'returned state, more; global_specs says state',
        ),
    ],
)
def test_what_differs_is_named(tensors, said):
    with pytest.raises(PluginError, match=said):
        as_declared(tensors, (STATE,), 'aggregate', 'global_specs')


def test_something_else_than_arrays_by_name_is_named():
    with pytest.raises(PluginError, match='aggregate returned tuple: arrays by name are needed'):
        as_declared((np.ones(3),), (STATE,), 'aggregate', 'global_specs')


def test_an_open_size_ends_somewhere():
    with pytest.raises(
        PluginError, match=r'count is int64 \[5\], global_specs says .* \[0\.\.4\]'
    ):
        declared(COUNT, count=np.arange(5))


def test_a_loss_is_any_number():
    assert as_loss(np.float32(1.5)) == as_loss(torch.tensor(1.5)) == as_loss(1.5) == 1.5
    assert np.isnan(as_loss(None))
    for wrong in ('much', torch.ones(2), [1.0]):
        with pytest.raises(PluginError, match='a number is needed'):
            as_loss(wrong)


def test_an_infinite_loss_is_unknown_to_others():
    assert sendable_loss(2.0, 1) == (2.0, [])
    loss, warnings = sendable_loss(float('-inf'), 7)
    assert np.isnan(loss)
    assert 'round 7 is -inf' in warnings[0].text
    assert sendable_loss(float('nan'), 1)[1] == [], 'unknown already'


def test_integers_that_fit_are_converted_and_others_named():
    small = TensorSpec('state', 'uint8', (3,))
    assert declared(small, state=np.array([0, 1, 255])).popitem()[1].dtype == np.uint8
    for wrong in ([0, 1, 256], [-1, 0, 1]):
        with pytest.raises(PluginError, match='state is int64'):
            declared(small, state=np.array(wrong))
    with pytest.raises(PluginError, match='state is no array'):
        declared(STATE, state=[[1.0], [1.0, 2.0]])
    with pytest.raises(PluginError, match='a number is needed'):
        as_loss(10**400)
