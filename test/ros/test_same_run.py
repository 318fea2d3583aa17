"""The same run through both drivers gives the same numbers, bit for bit."""

import pytest

from iot_fl_ros.core.messages.federation import GlobalChunk
from iot_fl_ros.core.run_files import read_events
from iot_fl_ros.federation.settings import FleetSettings
from iot_fl_ros.memory.federation import Simulation
from iot_fl_ros.ros.convert import ROS_TYPES, decode
from iot_fl_ros.ros.topics import subscription_qos

FIGURES = ('round', 'accuracy', 'robot_accuracy', 'loss', 'model_version', 'participants')


def in_memory(settings, robots):
    """Return (digests of the global tensors by version, figures of every round)."""
    simulation = Simulation(FleetSettings.from_flat(settings), robots=robots)
    digests = {}

    def listen(message, size):
        digests[message.model_version] = message.digest

    simulation.network.join('listener', (GlobalChunk,), listen)
    simulation.start_all()
    simulation.run()
    rounds = [row for row in simulation.rows if row['kind'] == 'round']
    return digests, [[repr(row[f]) for f in FIGURES] for row in rounds]


def over_dds(fleet):
    digests = {}

    def listen(raw):
        chunk = decode(GlobalChunk, raw)
        digests[chunk.model_version] = chunk.digest

    qos = subscription_qos(GlobalChunk, 5.0)
    fleet.node('listener').create_subscription(
        ROS_TYPES[GlobalChunk], '/fleet/global_tensors', listen, qos, raw=True
    )
    fleet.start_all()
    fleet.run()
    rows = read_events(fleet.aggregator._folder())
    rounds = [row for row in rows if row['kind'] == 'round']
    return digests, [[repr(row[f]) for f in FIGURES] for row in rounds]


@pytest.mark.parametrize(
    'method',
    [
        {'method.name': 'dsfl'},
        {'method.name': 'dsfl', 'method.label_dtype': 'float32', 'method.aggregation': 'era'},
        {'method.name': 'dsfl', 'method.label_dtype': 'vote', 'method.cache_rounds': 3},
        {'method.name': 'dsfl', 'method.delta_rounds': 2, 'method.selection': 'confidence'},
        {'method.name': 'fedavg'},
        {'method.name': 'fedadam', 'method.upload': 'uint8'},
        {'method.name': 'fd'},
        {'method.name': 'alone'},
    ],
    ids=[
        'dsfl-8-bit',
        'dsfl-float32-era',
        'dsfl-votes-cache',
        'dsfl-differences-selection',
        'fedavg',
        'fedadam-8-bit',
        'fd',
        'alone',
    ],
)
def test_memory_and_dds_agree(method, toy_settings, fleet):
    settings = dict(toy_settings)
    if method['method.name'] != 'dsfl':
        del settings['method.open_samples']
    settings |= method
    real = fleet(robots=3)
    real.settings = {**settings, 'run.output': real.settings['run.output']}
    digests, figures = over_dds(real)
    count = {'data.partition_count': 3, 'run.robots': 3}
    expected_digests, expected_figures = in_memory({**settings, **count}, 3)
    assert figures == expected_figures
    assert len(figures) == 3
    assert digests == expected_digests
    assert len(digests) >= (0 if method['method.name'] == 'alone' else 3)


def test_another_seed_gives_other_numbers(toy_settings):
    runs = [
        in_memory({**toy_settings, 'run.robots': 3, 'run.seed': seed}, 3)[0] for seed in (0, 1)
    ]
    assert runs[0][3] != runs[1][3]
