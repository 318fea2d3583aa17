"""Distances of samples from a robot's own, on points whose distances are plain to see."""

import numpy as np
import pytest
from method_makers import aggregator, method, update

from iot_fl_ros.methods.labels.aggregation import CENTROIDS, distances, enhanced_era, era

# As many pairs of points as there are centroids, far apart; each point 0.5 from its pair's middle.
MIDDLES = np.array([(10 * x, 10 * y) for x in range(5) for y in range(4)], np.float32)
OWN = np.concatenate([MIDDLES + np.float32((x, 0)) for x in (-0.5, 0.5)])


def test_a_distance_is_that_to_the_nearest_centroid_in_units_of_the_own_median():
    assert len(MIDDLES) == CENTROIDS
    others = MIDDLES[3] + np.array([(0.5, 0), (0, 1), (1.5, 2)], np.float32)
    expected = [1.0, 2.0, 5.0]  # 0.5, 1 and 2.5 over 0.5
    np.testing.assert_allclose(distances(OWN, others, 0), expected, rtol=0.02)


def test_units_do_not_matter():
    others = np.array([(0, 1), (3, 4), (20, 36)], np.float32)
    far = distances(OWN, others, 0)
    np.testing.assert_allclose(distances(OWN / 4, others / 4, 0), far, rtol=0.02)


ONE = np.array([[0.8, 0.1, 0.1]] * 2, np.float32)
TWO = np.array([[0.2, 0.2, 0.6]] * 2, np.float32)


def aggregated(dsfl, **distant):
    """Return what the labels ONE and TWO become; distant: distances of each, as bytes."""
    updates = [
        update(name, labels=labels, **({'distances': np.array(distant[name], np.uint8)}
                                       if distant else {}))
        for name, labels in (('a', ONE), ('b', TWO))
    ]  # fmt: skip
    return dsfl.aggregate(aggregator(), updates, 1)['labels']


def test_the_aggregator_weighs_each_sample_by_who_is_near_it():
    dsfl = method(
        'dsfl', open_samples=2, label_dtype='float32', packed=False, weighting='familiarity',
        sharpness=3.0,
    )  # fmt: skip
    # Distances 1 and 2, and 4 and 1 (of at most 4, in 255 steps): softmax of -3 times these.
    got = aggregated(dsfl, a=[64, 255], b=[128, 64])
    for sample, (a, b) in enumerate([(64, 128), (255, 64)]):
        shares = np.exp(-3 * 4 / 255 * np.array([a, b]))
        shares /= shares.sum()
        expected = shares[0] * ONE[sample] + shares[1] * TWO[sample]
        np.testing.assert_allclose(got[sample], expected, rtol=1e-4)


@pytest.mark.parametrize(
    ('sharpening', 'expected'),
    [
        ('era', era((ONE + TWO) / 2, 0.5, 3.0)),
        ('enhanced_era', enhanced_era((ONE + TWO) / 2, 0.5, 3.0)),
        ('sa', (ONE + TWO) / 2),
    ],
)
def test_the_aggregator_sharpens_with_the_temperature_and_the_exponent_set(sharpening, expected):
    dsfl = method(
        'dsfl', open_samples=2, label_dtype='float32', packed=False, weighting='none',
        aggregation=sharpening, temperature=0.5, beta=3.0,
    )  # fmt: skip
    np.testing.assert_allclose(aggregated(dsfl), expected, rtol=1e-5)
