"""Peers as nodes over real DDS, in one process."""

import dataclasses
import math

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from node_fleets import InProcessRobots

from iot_fl_ros.core.messages.mesh import PeerChunk, PeerStatus
from iot_fl_ros.exchange.chunking import Parcel
from iot_fl_ros.memory.mesh import MeshSimulation
from iot_fl_ros.mesh.settings import MeshRunSettings
from iot_fl_ros.nodes.peer import PeerNode
from iot_fl_ros.ros.convert import ROS_TYPES, decode, encode
from iot_fl_ros.ros.topics import publisher_qos, subscription_qos

FIGURES = ('round', 'accuracy', 'loss', 'disagreement', 'participants')


@pytest.fixture
def mesh_settings(toy_settings):
    """Dotted settings of a ring on the toy data."""
    return {
        **toy_settings,
        'model.name': 'mlp',
        'method.batch_size': 10,
        'mesh.graph': 'ring',
        'run.start_timeout': 30.0,
    }


@pytest.fixture
def mesh(mesh_settings, tmp_path):
    """Return a maker of meshes."""
    made = []

    def make(count=3, **changes):
        settings = {**mesh_settings, **changes}
        if settings.get('method.name', 'cmfd') != 'cmfd':
            del settings['method.open_samples']
        settings['mesh.count'] = count
        made.append(InProcessRobots(PeerNode, settings, count, tmp_path / 'run'))
        return made[-1]

    yield make
    for one in made:
        one.close()


def run(mesh):
    """Spin until all peers are done."""
    mesh.spin_until(lambda: all(p.machine._ended for p in mesh.robots.values()), 120.0)


def in_memory(mesh, **changes):
    """Return (digests by robot and round, rounds of every peer) of the same mesh in memory."""
    settings = {**mesh.settings, **changes}
    simulation = MeshSimulation(MeshRunSettings.from_flat(settings))
    digests = {}
    simulation.network.join('listener', (), lambda message, size: keep(digests, message))
    simulation.network.subscribe('listener', PeerChunk, tuple(simulation.ids))
    simulation.start_all()
    simulation.run()
    return digests, {
        i: figures(row for row in rows if row['kind'] == 'round')
        for i, rows in simulation.peer_rows.items()
    }


def keep(digests, chunk):
    digests[chunk.sender_id, chunk.round] = chunk.digest


def figures(rows):
    return [[repr(row[f]) for f in FIGURES] for row in rows]


def over_dds(mesh):
    digests = {}
    listener = mesh.node('listener')
    for robot_id in mesh.ids:
        listener.create_subscription(
            ROS_TYPES[PeerChunk],
            f'/{robot_id}/peer_updates',
            lambda raw: keep(digests, decode(PeerChunk, raw)),
            subscription_qos(PeerChunk, 5.0),
            raw=True,
        )
    mesh.start_all()
    run(mesh)
    return digests, {i: figures(mesh.rows(i, 'round')) for i in mesh.ids}


@pytest.mark.parametrize('method', ['cmfd', 'gossip'])
def test_ten_peers_over_dds_do_what_they_do_in_memory(method, mesh):
    real = mesh(10, **{'method.name': method, 'run.rounds': 2})
    digests, rows = over_dds(real)
    expected_digests, expected_rows = in_memory(real)
    assert rows == expected_rows
    assert digests == expected_digests
    assert len(digests) == 20


def test_a_late_neighbour_is_left_out_and_then_in_again(mesh):
    real = mesh(3, **{'run.rounds': 12, 'run.lease': 1.0, 'method.local_epochs': 30})
    real.start_all()
    real.spin_until(lambda: real.robots['robot_2'].machine.round >= 2)
    real.crash('robot_2')
    live = real.robots['robot_0'].machine
    real.spin_until(lambda: live.round >= 4)
    real.start('robot_2')
    run(real)
    rows = real.rows('robot_0', 'round')
    assert [row['round'] for row in rows] == list(range(1, 13))
    assert any('robot_2' in row['silent'] for row in rows)
    assert rows[-1]['participants'] == real.ids
    assert real.rows('robot_2', 'round')[-1]['round'] == 12


def test_discovery_over_dds(mesh):
    real = mesh(3, **{'mesh.graph': 'discovery'})
    real.start_all()
    run(real)
    assert [row['participants'] for row in real.rows('robot_1', 'round')] == [real.ids] * 3


def test_a_graph_file_changes_while_peers_run(mesh, tmp_path):
    path = tmp_path / 'edges.txt'
    path.write_text('robot_0 robot_1\nrobot_1 robot_2\n')
    real = mesh(3, **{'mesh.graph': 'file', 'mesh.file': str(path), 'run.rounds': 10})
    real.start_all()
    first = real.robots['robot_0'].machine
    real.spin_until(lambda: first.round >= 3)
    path.write_text('robot_0 robot_1\nrobot_1 robot_2\nrobot_2 robot_0\n')
    run(real)
    rows = real.rows('robot_0', 'round')
    assert rows[0]['participants'] == ['robot_0', 'robot_1']
    assert rows[-1]['participants'] == real.ids


def test_hostile_publishers_change_nothing(mesh):
    real = mesh(3)
    attacker = real.node('attacker')
    chunks = attacker.create_publisher(
        ROS_TYPES[PeerChunk], '/robot_1/peer_updates', publisher_qos(PeerChunk)
    )
    statuses = attacker.create_publisher(
        ROS_TYPES[PeerStatus], '/fleet/peer_status', publisher_qos(PeerStatus)
    )
    real.start_all()
    victim = real.robots['robot_0'].machine
    real.spin_until(lambda: victim.info is not None and chunks.get_subscription_count() >= 2)
    status = _status(victim)
    for message in (
        status,
        dataclasses.replace(status, robot_id='robot_1', run_id='run-00000000'),
        dataclasses.replace(status, robot_id='mallory', neighbours=('robot_0',)),
        dataclasses.replace(status, robot_id='robot_1', round=99),
    ):
        statuses.publish(encode(message))
    statuses.publish(b'\x00\x01\x00\x00rubbish')
    for tensors in ({'labels': np.zeros(5, np.uint8)}, {'x': np.zeros((3, 3), np.float32)}):
        parcel = Parcel.of(tensors, round=1, model_version=0)
        for sender in ('robot_1', 'mallory'):
            for chunk in parcel.chunks(
                PeerChunk, run_id=victim.info.run_id, sender_id=sender, stamp=0.0,
                first_sequence=0,
            ):  # fmt: skip
                chunks.publish(encode(chunk))
    chunks.publish(b'\x00\x01\x00\x00')
    run(real)
    assert sum(victim.endpoint.refusals.values()) > 0
    expected = in_memory(real)[1]
    assert figures(real.rows('robot_0', 'round')) == expected['robot_0']


def _status(machine):
    """Return a status as a stranger might make it up."""
    return PeerStatus(
        stamp=1.0, run_id=machine.info.run_id, robot_id='mallory', sequence=1, started=0.0,
        state=2, reason='',
        round=1, update_digest=bytes(32), neighbours=(), samples=0, loss=math.nan,
        accuracy=math.nan, disagreement=math.nan, train_seconds=0.0, wait_seconds=0.0,
        bytes_received=0, bytes_sent=0, joules=0.0,
    )  # fmt: skip


def test_a_peer_of_another_run_is_named_in_its_neighbours_diagnostics(mesh):
    real = mesh(2, **{'run.start_timeout': 4.0, 'run.deadline': 5.0})
    seen = {}
    real.node('listener').create_subscription(
        DiagnosticArray, '/diagnostics',
        lambda message: seen.update({s.name: s for s in message.status}), 10,
    )  # fmt: skip
    real.start('robot_0')
    real.start('robot_1', run__seed=7)
    name = 'iot_fl peer robot_0'
    real.spin_until(
        lambda: (
            name in seen
            and any(v.key == 'robot_1 peer_status: foreign run' for v in seen[name].values)
        )
    )
    assert {v.key: v.value for v in seen[name].values}['missing'] == 'robot_1'
    run(real)
    assert real.rows('robot_0', 'round')[-1]['participants'] == ['robot_0']
