"""Small cases computed by hand."""

import numpy as np
import pytest

from iot_fl_ros.methods.labels.aggregation import (
    encode_distances,
    enhanced_era,
    era,
    simple,
    weighted_mean,
    weights,
)

A = np.array([[1.0, 0.0], [0.5, 0.5]], np.float32)
B = np.array([[0.0, 1.0], [0.2, 0.8]], np.float32)


def test_the_weighted_mean_of_two_robots():
    shares = np.array([[0.75, 0.5], [0.25, 0.5]], np.float32)
    expected = [[0.75, 0.25], [0.35, 0.65]]
    np.testing.assert_allclose(weighted_mean([A, B], shares), expected, rtol=1e-6)


def test_sa_leaves_the_mean():
    assert simple(A, 0.1, 2.0) is A


def test_era_is_softmax_of_probabilities_over_t():
    # Ten classes, T = 0.1: a top probability of 0.5 becomes 0.904, 0.3 becomes 0.506; figures of
    # the method description, derived there from the paper's equation.
    for top, expected in ((0.5, 0.904), (0.3, 0.506)):
        mean = np.full((1, 10), (1 - top) / 9, np.float32)
        mean[0, 0] = top
        assert era(mean, 0.1, 2.0)[0, 0] == pytest.approx(expected, abs=1e-3)


def test_enhanced_era_is_a_normalised_power():
    mean = np.array([[0.6, 0.3, 0.1]], np.float32)
    expected = np.array([[0.36, 0.09, 0.01]]) / 0.46
    np.testing.assert_allclose(enhanced_era(mean, 0.1, 2.0), expected, rtol=1e-5)
    np.testing.assert_allclose(enhanced_era(mean, 0.1, 1.0), mean, rtol=1e-6)


def test_familiarity_weights_are_a_softmax_over_robots():
    near, far = encode_distances(np.array([1.0])), encode_distances(np.array([2.0]))
    share = weights([near, far], sharpness=1.0)[:, 0]
    gap = (int(far[0]) - int(near[0])) * 4 / 255
    assert share[0] == pytest.approx(1 / (1 + np.exp(-gap)), rel=1e-5)
    assert share.sum() == pytest.approx(1)


def test_distances_fit_a_byte():
    np.testing.assert_array_equal(
        encode_distances(np.array([0.0, 2.0, 4.0, 9.0])), [0, 128, 255, 255]
    )


def test_a_high_power_of_equal_probabilities_is_still_a_distribution():
    flat = np.full((1, 10), 0.1, np.float32)
    np.testing.assert_allclose(enhanced_era(flat, 0.1, 100.0), flat, rtol=1e-5)


def test_a_distance_that_is_no_number_is_far():
    assert encode_distances(np.array([np.nan])).tolist() == [255]
