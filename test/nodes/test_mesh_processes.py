"""Peers as processes over real DDS: a crash, a come-back, signals."""

from __future__ import annotations

import os
import signal

import pytest
from waiting import wait_for

from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.core.run_files import read_events, summarize
from iot_fl_ros.core.store import FolderStore
from iot_fl_ros.processes.serverless import MeshProcesses, mesh_rows

ROUNDS = 24


@pytest.fixture
def start_mesh(toy_settings, tmp_path):
    """Return a maker of meshes of processes in a domain of their own."""
    meshes = []

    def start(count=3, **settings):
        flat = {
            **toy_settings,
            'run.rounds': ROUNDS,
            'run.output': str(tmp_path / 'run'),
            'run.lease': 2.0,
            'run.deadline': 20.0,
            'mesh.graph': 'ring',
            'mesh.count': count,
            'method.local_epochs': 60,
            'node.exit_when_finished': True,
            **settings,
        }
        mesh = MeshProcesses(flat, robot_ids(count))
        meshes.append(mesh)
        return mesh.__enter__()

    yield start
    for mesh in meshes:
        mesh.__exit__(None, None, None)


def rounds_of(folder, robot_id):
    return [row for row in read_events(folder / robot_id) if row['kind'] == 'round']


def test_a_killed_peer_comes_back_and_the_mesh_goes_on(start_mesh, tmp_path):
    folder = tmp_path / 'run'
    mesh = start_mesh()
    wait_for(lambda: len(rounds_of(folder, 'robot_1')) >= 2, fleet=mesh)
    mesh.kill('robot_1')
    manifest, _ = FolderStore(folder / 'robot_1/checkpoints').read()
    assert manifest['round'] >= 1
    before = len(rounds_of(folder, 'robot_0'))
    wait_for(lambda: len(rounds_of(folder, 'robot_0')) > before + 1, fleet=mesh)
    mesh.start_robots('robot_1')
    wait_for(lambda: set(mesh.codes().values()) == {0}, 120.0, fleet=mesh)
    for robot_id in mesh.ids:
        assert 'Traceback' not in mesh.log(robot_id)
    rows = rounds_of(folder, 'robot_0')
    assert [row['round'] for row in rows] == list(range(1, ROUNDS + 1)), 'nobody waits for it'
    assert any('robot_1' in row['silent'] for row in rows)
    assert rows[-1]['participants'] == mesh.ids, 'it is in again'
    numbers = [row['round'] for row in rounds_of(folder, 'robot_1')]
    assert numbers == sorted(set(numbers))
    summary = summarize(mesh_rows(folder, mesh.ids))
    assert summary['rounds'] == ROUNDS
    assert summary['robots'] == 3


def test_several_peers_in_one_process(start_mesh, tmp_path):
    mesh = start_mesh(2, **{'run.rounds': 3, 'mesh.count': 4, 'method.local_epochs': 1})
    arguments = ['--params-file', str(tmp_path / 'run/params.yaml')]
    arguments += ['-p', 'robot.ids:=[robot_2,robot_3]', '-p', 'data.partition_index:=2']
    mesh.start('peer', [*arguments, '-p', 'data.partition_count:=4'], 'both')
    wait_for(lambda: set(mesh.codes().values()) == {0}, fleet=mesh)
    for robot_id in robot_ids(4):
        rows = rounds_of(tmp_path / 'run', robot_id)
        assert [len(row['participants']) for row in rows] == [3, 3, 3]


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_peer_quietly(start_mesh, tmp_path, number):
    mesh = start_mesh(2)
    wait_for(lambda: len(rounds_of(tmp_path / 'run', 'robot_0')) >= 1, fleet=mesh)
    for robot_id in mesh.ids:
        os.kill(mesh.pid(robot_id), number)
    wait_for(lambda: None not in mesh.codes().values(), 20.0, fleet=mesh)
    assert set(mesh.codes().values()) == {0}
    for robot_id in mesh.ids:
        assert 'Traceback' not in mesh.log(robot_id)


def test_a_wrong_parameter_ends_the_process_with_one_line(start_mesh):
    mesh = start_mesh(1, **{'mesh.grap': 'ring'})
    wait_for(lambda: mesh.codes()['robot_0'] is not None, fleet=mesh)
    assert mesh.codes()['robot_0'] == 1
    assert "unknown setting 'mesh.grap': did you mean 'mesh.graph'" in mesh.log('robot_0')
    assert 'Traceback' not in mesh.log('robot_0')
