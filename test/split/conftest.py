"""Fixtures of the tests of split inference."""

import pytest
from fake_driver import FakeDriver
from head_driver import Head
from tail_driver import QuickWorker, announce
from tiny_split import Sender, tiny_bundle

from iot_fl_ros.split.bundle import load_bundle
from iot_fl_ros.split.jobs import AnswerSettings
from iot_fl_ros.split.tail import TailMachine


@pytest.fixture(scope='session')
def bundles(tmp_path_factory):
    """A folder with two bundles, `one` and `two`."""
    folder = tmp_path_factory.mktemp('bundles')
    for seed, name in enumerate(('one', 'two')):
        tiny_bundle(folder / name, seed=seed)
    return folder


@pytest.fixture
def sender(bundles):
    return Sender(load_bundle(bundles / 'one'))


@pytest.fixture
def tail(bundles):
    """Return a maker of tails that serve the senders given."""

    def make(*senders, max_robots=8, max_batch=16, quiet_time=0.0):
        machine = TailMachine('edge', max_robots, max_batch, quiet_time)
        driver = FakeDriver(machine, QuickWorker(bundles, AnswerSettings()))
        announce(driver, *senders)
        return driver

    return make


@pytest.fixture
def head(bundles):
    """A head of `robot_1` that has no bundle yet."""
    return Head(bundles)
