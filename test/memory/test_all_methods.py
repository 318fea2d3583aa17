"""Every method and every option of DS-FL through a whole run in memory."""

import pytest

from iot_fl_ros.federation.settings import FleetSettings
from iot_fl_ros.memory.federation import Simulation
from iot_fl_ros.methods.method import StarMethod
from iot_fl_ros.methods.registry import methods_of

DSFL_OPTIONS = {
    'float32': {'label_dtype': 'float32'},
    'era': {'label_dtype': 'float16', 'aggregation': 'era', 'weighting': 'none'},
    'enhanced-era': {'aggregation': 'enhanced_era', 'packed': True},
    'cache': {'cache_rounds': 3},
    'cache-vote-packed-delta': {
        'cache_rounds': 2, 'label_dtype': 'vote', 'packed': True, 'delta_rounds': 3,
    },
    'delta': {'delta_rounds': 4, 'packed': True},
    'vote': {'label_dtype': 'vote'},
    'features': {'weighting': 'feature_familiarity'},
    'density-ratio': {'selection': 'density_ratio', 'weighting': 'none'},
    'confidence-vote': {'selection': 'confidence', 'label_dtype': 'vote'},
    'ambiguity': {'ambiguity': 0.8, 'packed': True},
}  # fmt: skip
FEDAVG_OPTIONS = {
    '8-bit': {'upload': 'uint8', 'download': 'float16'},
    'topk': {'upload': 'topk', 'topk': 0.1},
}


def simulate(settings, method, options, **arguments):
    flat = {**settings, 'method.name': method, 'run.rounds': 5, 'data.partition': 'iid'}
    flat = {k: v for k, v in flat.items() if k != 'method.open_samples' or method == 'dsfl'}
    flat |= {f'method.{name}': value for name, value in options.items()}
    flat |= {'run.robots': 3, 'model.name': 'mlp', 'method.batch_size': 10}
    simulation = Simulation(FleetSettings.from_flat(flat), robots=3, **arguments)
    simulation.start_all()
    simulation.run()
    for host in simulation.hosts.values():
        counters = host.machine.endpoint.refusals
        assert not counters, f'{host.name} refused {counters}'
    return [row for row in simulation.rows if row['kind'] == 'round']


CASES = [
    *(pytest.param(name, {}, id=name) for name in methods_of(StarMethod)),
    *(pytest.param('dsfl', options, id=f'dsfl-{name}') for name, options in DSFL_OPTIONS.items()),
    *(
        pytest.param('fedavg', options, id=f'fedavg-{name}')
        for name, options in FEDAVG_OPTIONS.items()
    ),
]


@pytest.mark.parametrize(('method', 'options'), CASES)
def test_a_run_learns(method, options, toy_settings):
    rounds = simulate(toy_settings, method, options)
    accuracy = rounds[-1]['accuracy' if method not in ('alone', 'fd') else 'robot_accuracy']
    assert len(rounds) == 5
    assert accuracy > 0.5, 'four classes: chance is 0.25'
    assert all(len(row['participants']) == 3 for row in rounds)


@pytest.mark.parametrize('method', ['dsfl', 'fedavg', 'fedadam'])
def test_threads_do_not_change_the_result(method, toy_settings):
    runs = [simulate(toy_settings, method, {}, threads=threads) for threads in (1, 3)]
    for key in ('accuracy', 'robot_accuracy', 'loss', 'participants'):
        assert [row[key] for row in runs[0]] == [row[key] for row in runs[1]]


def test_robots_with_different_models_learn_together(toy_settings):
    rounds = simulate(toy_settings, 'dsfl', {}, models=['small_cnn', 'mlp'])
    assert rounds[-1]['accuracy'] > 0.5
    assert len(rounds[-1]['participants']) == 3


def test_the_cache_saves_bytes_and_votes_save_more(toy_settings):
    sizes = [
        simulate(toy_settings, 'dsfl', options)[-1]['bytes_total']
        for options in ({}, {'cache_rounds': 5}, {'cache_rounds': 5, 'label_dtype': 'vote'})
    ]
    assert sizes[0] > sizes[1] > sizes[2]
