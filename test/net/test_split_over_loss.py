"""Head and tail in two network namespaces; the kernel drops packets on their way to the edge."""

import numpy as np
import pytest
from domains import next_domain
from fleets import environment
from radio import SPLIT, Radio, why_not
from split_bundles import quick_bundle

from iot_fl_ros.data.registry import load_samples
from iot_fl_ros.link.link import LinkSettings
from iot_fl_ros.processes.split import evaluate_over_dds
from iot_fl_ros.split.evaluation import LossEvaluation

PICTURES = 2_000
RATE = 50.0
DEADLINE = 0.2
REASON = why_not()
# Slow: two minutes each with the training before, and a machine with nothing else to do is needed.
pytestmark = [pytest.mark.skipif(bool(REASON), reason=REASON), pytest.mark.slow]


@pytest.fixture(scope='module')
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp('bundles')
    quick_bundle(folder / 'quick')
    return folder


@pytest.fixture(scope='module')
def in_memory(bundles):
    samples = load_samples('fashion-mnist', 'test').take(np.arange(PICTURES))
    return LossEvaluation(quick_bundle(bundles / 'quick'), samples)


@pytest.mark.parametrize('loss', [0.3, 0.6])
def test_loss_accuracy_and_latency_are_those_of_the_link(bundles, in_memory, loss, tmp_path):
    expected = np.mean(
        [in_memory.accuracy(LinkSettings(loss=loss, seed=seed)) for seed in range(3)]
    )
    env = environment(next_domain(), 'wifi') | {
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET',
        'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4',
    }
    with Radio(loss, SPLIT, receivers=('edge',)) as radio:
        result = evaluate_over_dds(
            bundles, 'quick', tmp_path, {'count': PICTURES, 'rate': RATE}, None,
            {'deadline': DEADLINE}, env=env, prefix=radio.prefix,
        )  # fmt: skip
        dropped = radio.dropped_packets()
    print(f'{loss:.0%}: {result}, in memory {expected:.4f}, {dropped} dropped')
    assert dropped > loss * PICTURES * 20, 'the link was bad'
    assert result['packets_received'] == pytest.approx(1 - loss, abs=0.03)
    assert result['accuracy'] == pytest.approx(expected, abs=0.015)
    # The edge answers in time; on a busy machine the evaluator hears of it a little later.
    assert result['latency_p99'] < DEADLINE + 0.05
