"""Fixtures of the tests of the world."""

import pytest

from iot_fl_ros.core.errors import SimulatorError
from iot_fl_ros.world.installed import worlds_folder
from iot_fl_ros.world.sdf import read_world
from iot_fl_ros.world.simulation import Simulation, load_mujoco
from iot_fl_ros.world.textures import prepare_world


@pytest.fixture(scope='session')
def worlds():
    """The installed worlds; the configuration is beside them."""
    return worlds_folder()


@pytest.fixture(scope='session')
def hall(worlds):
    return read_world(worlds / 'fleet.sdf')


@pytest.fixture(scope='session')
def world_file(worlds, tmp_path_factory):
    """The world with the textures of its boards."""
    return prepare_world(tmp_path_factory.mktemp('world'), worlds=worlds)


@pytest.fixture
def sdf_world(tmp_path):
    """Return a reader of worlds with this content."""

    def read(content, version='1.9'):
        text = f'<sdf version="{version}"><world name="w">{content}</world></sdf>'
        (tmp_path / 'w.sdf').write_text(text)
        return read_world(tmp_path / 'w.sdf')

    return read


@pytest.fixture
def simulation(world_file):
    """Return a maker of simulations; they are closed after the test."""
    try:
        load_mujoco()
    except SimulatorError as error:
        pytest.skip(str(error))
    made = []

    def make(robots=1, world=world_file):
        made.append(Simulation.open(world, robots))
        return made[-1]

    yield make
    for one in made:
        one.close()
