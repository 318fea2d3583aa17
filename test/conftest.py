"""Fixtures shared by all tests. Tests run against the installed package, see the Makefile."""

import os

os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
os.environ['ROS_PYTHON_CHECK_FIELDS'] = '1'

import numpy as np
import pytest
import torch
from domains import next_domain
from figure_check import checked_figures  # noqa: F401
from hypothesis import settings

torch.set_num_threads(1)
# The machine may be busy, and a failure has to be the same for everybody.
settings.register_profile('tests', deadline=None, derandomize=True)
settings.load_profile('tests')


@pytest.fixture(autouse=True)
def own_domain(monkeypatch):
    """Give each test, and the processes that it starts, a DDS domain of its own."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(next_domain()))


@pytest.fixture(scope='session')
def toy_npz(tmp_path_factory):
    """A tiny separable data set: 400 training and 100 test images of 1x8x8, four classes."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, size in (('train', 400), ('test', 100)):
        y = np.arange(size) % 4
        x = rng.normal(0.0, 0.3, (size, 8, 8)).astype(np.float32)
        for n, label in enumerate(y):
            x[n, label * 2 : label * 2 + 2] += 1.0
        arrays |= {f'x_{split}': x, f'y_{split}': y}
    path = tmp_path_factory.mktemp('data') / 'toy.npz'
    np.savez(path, **arrays)
    return path


@pytest.fixture
def toy_settings(toy_npz):
    """Dotted settings of a run on the toy data that takes seconds."""
    return {
        'model.name': 'small_cnn',
        'data.private': str(toy_npz),
        'data.open': str(toy_npz),
        'data.test': str(toy_npz),
        'data.private_size': 200,
        'data.open_size': 200,
        'data.partition': 'shards',
        'run.rounds': 3,
        'run.deadline': 60.0,
        'run.heartbeat': 0.2,
        'run.lease': 2.0,
        'method.open_samples': 50,
    }


@pytest.fixture
def process():
    """Nodes of this process, in a context and domain of their own."""
    from node_fleets import InProcess  # loads ROS, which most tests do without

    one = InProcess()
    yield one
    one.close()
