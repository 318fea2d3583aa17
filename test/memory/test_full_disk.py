"""A disk that takes nothing costs checkpoints and warnings, not the run."""

import pytest

from iot_fl_ros.core.store import MemoryStore
from iot_fl_ros.federation.settings import FleetSettings
from iot_fl_ros.memory.federation import Simulation
from iot_fl_ros.memory.mesh import MeshSimulation
from iot_fl_ros.mesh.settings import MeshRunSettings


@pytest.fixture
def fill_disks(monkeypatch):
    """Return a function after which no participant can write."""

    def write(store, manifest, tensors):
        raise OSError(28, 'No space left on device')

    return lambda: monkeypatch.setattr(MemoryStore, 'write', write)


def federation(settings):
    flat = {**settings, 'run.rounds': 3, 'run.robots': 3, 'model.name': 'mlp'}
    return Simulation(FleetSettings.from_flat(flat), robots=3)


def mesh(settings):
    flat = {
        **settings,
        'method.name': 'cmfd',
        'run.rounds': 3,
        'mesh.graph': 'ring',
        'mesh.count': 3,
        'model.name': 'mlp',
        'data.partition': 'iid',
    }
    return MeshSimulation(MeshRunSettings.from_flat(flat))


def results(simulation):
    simulation.start_all()
    rows = [row for row in simulation.run(until=1_000) if row['kind'] == 'round']
    measures = [(key, row[key]) for row in rows for key in sorted(row) if 'accuracy' in key]
    assert [row['round'] for row in rows] == [1, 2, 3]
    assert measures
    return measures


@pytest.mark.parametrize('make', [federation, mesh])
def test_a_full_disk_changes_no_result_and_is_said(make, toy_settings, fill_disks):
    settings = {
        key: value
        for key, value in toy_settings.items()
        if make is federation or key not in ('run.robots', 'run.quorum', 'run.settle')
    }
    expected = results(make(settings))
    fill_disks()
    simulation = make(settings)
    assert results(simulation) == expected
    for name, host in simulation.hosts.items():
        assert any('No space left on device' in text for text in host.warnings), name


def test_rows_that_cannot_be_written_are_lost_and_said(toy_settings):
    def full(row):
        raise OSError(28, 'No space left on device')

    flat = {**toy_settings, 'run.robots': 3, 'model.name': 'mlp'}
    simulation = Simulation(FleetSettings.from_flat(flat), robots=3, record=full)
    results(simulation)
    lost = [text for text in simulation.hosts['aggregator'].warnings if 'are lost' in text]
    assert lost[-1] == 'rows of the run are lost: [Errno 28] No space left on device'
