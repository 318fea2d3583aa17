"""Whole processes over real DDS: crashes, restarts, signals."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import psutil
import pytest
from waiting import told_by, wait_for

from iot_fl_ros.core.run_files import read_events, read_summary
from iot_fl_ros.core.store import FolderStore
from iot_fl_ros.processes.federation import FleetProcesses

ROUNDS = 5


@pytest.fixture
def start_fleet(toy_settings, tmp_path):
    """Return a maker of fleets of processes in a domain of their own."""
    fleets = []

    def start(robots=3, robots_per_process=1, **settings):
        flat = {
            **toy_settings,
            'run.rounds': ROUNDS,
            'run.robots': robots,
            'run.output': str(tmp_path / 'run'),
            'run.lease': 2.0,
            'run.deadline': 20.0,
            'robot.checkpoint_dir': str(tmp_path / 'robots'),
            # Long enough to be interrupted in the middle.
            'method.local_epochs': 60,
            **settings,
        }
        fleet = FleetProcesses(
            flat, robots, tmp_path / 'run', robots_per_process=robots_per_process
        )
        fleets.append(fleet)
        return fleet.__enter__()

    yield start
    for fleet in fleets:
        fleet.__exit__(None, None, None)


def in_the_middle_of(folder: Path, number: int):
    """Return a condition: round `number` is open and has no result."""

    def condition():
        rows = [r for r in read_events(folder) if r.get('round') == number]
        return {row['kind'] for row in rows} >= {'open'} and all(
            row['kind'] != 'round' for row in rows
        )

    return condition


def rounds_of(folder):
    return [row['round'] for row in read_events(folder) if row['kind'] == 'round']


def test_a_killed_robot_and_a_killed_aggregator_come_back_and_the_run_goes_on(
    start_fleet, tmp_path
):
    folder = tmp_path / 'run'
    fleet = start_fleet()
    wait_for(in_the_middle_of(folder, 2), fleet=fleet)
    fleet.kill('robot_1')
    fleet.start_robots('robot_1')
    wait_for(in_the_middle_of(folder, 3), fleet=fleet)
    fleet.kill('aggregator')
    manifest, _ = FolderStore(folder / 'checkpoints').read()
    assert manifest['round'] == 2
    fleet.start_aggregator()
    wait_for((folder / 'summary.json').is_file, fleet=fleet)
    assert rounds_of(folder) == list(range(1, ROUNDS + 1))
    assert read_summary(folder)['rounds'] == ROUNDS
    last = [r for r in read_events(folder) if r['kind'] == 'round'][-1]
    assert last['participants'] == ['robot_0', 'robot_1', 'robot_2']
    for name in ('robot_0', 'robot_1', 'robot_2', 'aggregator'):
        assert 'Traceback' not in fleet.log(name)


def test_several_robots_in_one_process(start_fleet, tmp_path):
    fleet = start_fleet(robots=4, robots_per_process=2, **{'method.local_epochs': 1})
    wait_for((tmp_path / 'run/summary.json').is_file, fleet=fleet)
    assert read_summary(tmp_path / 'run')['robots'] == 4
    assert set(fleet.codes()) == {'aggregator', 'robot_0', 'robot_2'}
    rows = [r for r in read_events(tmp_path / 'run') if r['kind'] == 'round']
    assert rows[-1]['participants'] == ['robot_0', 'robot_1', 'robot_2', 'robot_3']


@pytest.mark.parametrize(
    ('moment', 'number'),
    [
        ('imports', signal.SIGINT),
        pytest.param('imports', signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param('torch', signal.SIGINT, marks=pytest.mark.slow),
        ('torch', signal.SIGTERM),
        ('joining', signal.SIGINT),
        pytest.param('joining', signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param('training', signal.SIGINT, marks=pytest.mark.slow),
        ('training', signal.SIGTERM),
        pytest.param('after', signal.SIGINT, marks=pytest.mark.slow),
        ('after', signal.SIGTERM),
    ],
)
def test_a_signal_at_any_moment_ends_a_process_quietly(start_fleet, tmp_path, number, moment):
    folder = tmp_path / 'run'
    fleet = start_fleet(robots=2, **{'method.local_epochs': 1 if moment == 'after' else 60})
    names = ['aggregator', 'robot_0', 'robot_1']
    for name in names:
        wait_for(lambda name=name: catches_sigterm(fleet.pid(name)), fleet=fleet)
    if moment == 'torch':
        wait_for(
            lambda: all('libtorch' in maps_of(fleet.pid(name)) for name in names), fleet=fleet
        )
    elif moment == 'joining':
        wait_for(lambda: all(has_sockets(fleet.pid(name)) for name in names), fleet=fleet)
    elif moment == 'training':
        wait_for(in_the_middle_of(folder, 2), fleet=fleet)
    elif moment == 'after':
        wait_for((folder / 'summary.json').is_file, fleet=fleet)
    memory = {name: shared_memory_of(fleet.pid(name)) for name in names}
    assert all(memory.values()) or moment not in ('training', 'after')
    for name in names:
        os.kill(fleet.pid(name), number)
    wait_for(lambda: None not in fleet.codes().values(), 20.0, fleet=fleet)
    assert set(fleet.codes().values()) == {0}, told_by(fleet)
    for name in names:
        assert 'Traceback' not in fleet.log(name)
    if moment in ('training', 'after'):
        left = {name: [one for one in ones if one.exists()] for name, ones in memory.items()}
        assert not any(left.values()), f'there for ever: {left}\n{told_by(fleet)}'
    kept = FolderStore(folder / 'checkpoints').read()
    assert kept is not None or moment not in ('training', 'after')


def catches_sigterm(pid: int) -> bool:
    """Return whether it handles SIGTERM: it is past the start of Python itself."""
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    caught = next(int(line.split()[1], 16) for line in lines if line.startswith('SigCgt'))
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def shared_memory_of(pid: int) -> set[Path]:
    """Return the segments of shared memory that a process has made for Fast DDS.

    It holds their locks. Mapped are also those of others from which it hears.
    """
    locks = re.compile(r'(/dev/shm/fast(?:rtps|dds)_[0-9a-f]{16})_el')
    files = [file.path for file in psutil.Process(pid).open_files()]
    return {Path(found[1]) for file in files if (found := locks.fullmatch(file))}


def maps_of(pid: int) -> str:
    """Return what a process has loaded."""
    return Path(f'/proc/{pid}/maps').read_text()


def has_sockets(pid: int) -> bool:
    """Return whether a process has a UDP socket: its DDS participant is there."""
    return bool(psutil.Process(pid).net_connections('udp'))


def test_a_wrong_parameter_ends_the_process_with_one_line(start_fleet, tmp_path):
    fleet = start_fleet(robots=1, **{'run.round': 3})
    wait_for(lambda: fleet.codes()['aggregator'] is not None, fleet=fleet)
    assert fleet.codes()['aggregator'] == 1
    assert "unknown setting 'run.round': did you mean 'run.rounds'" in fleet.log('aggregator')
    assert 'Traceback' not in fleet.log('aggregator')
