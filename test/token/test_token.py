"""Momentum in 8 bits."""

import numpy as np
import pytest

from iot_fl_ros.token.token import dequantise, quantise


def test_by_hand():
    # p = -1, q = 1.55: s = 100, z = -100.
    levels, span = quantise(np.array([-1.0, 0.0, 0.252, 1.55], np.float32))
    assert levels.tolist() == [0, 100, 125, 255]
    assert dequantise(levels, span) == pytest.approx([-1.0, 0.0, 0.25, 1.55], abs=1e-6)


@pytest.mark.parametrize('value', [0.0, -3.5])
def test_equal_values_survive(value):
    values = np.full(5, value, np.float32)
    assert dequantise(*quantise(values)).tolist() == values.tolist()


def test_an_empty_momentum_survives():
    assert len(dequantise(*quantise(np.zeros(0, np.float32)))) == 0


@pytest.mark.parametrize('scale', [1e-8, 1.0, 1e5])
def test_no_value_is_off_by_more_than_a_step(scale):
    values = (scale * np.random.default_rng(0).normal(size=10_000)).astype(np.float32)
    back = dequantise(*quantise(values))
    step = (values.max() - values.min()) / 255
    assert np.abs(back - values).max() <= 1.01 * step
