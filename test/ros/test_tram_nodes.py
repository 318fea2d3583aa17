"""Robots of a Tram-FL fleet as nodes over real DDS, in one process."""

import dataclasses

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from node_fleets import InProcessRobots

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.messages.token import (
    ClaimPhase,
    TokenChunk,
    TokenClaim,
    TokenOffer,
    TokenState,
    TokenVote,
    TramStatus,
)
from iot_fl_ros.exchange.chunking import Parcel
from iot_fl_ros.memory.token import TramSimulation
from iot_fl_ros.nodes.tram import TramNode
from iot_fl_ros.ros.convert import ROS_TYPES, encode
from iot_fl_ros.ros.topics import publisher_qos
from iot_fl_ros.token.settings import TramNodeSettings

FIGURES = ('robot', 'batches', 'updates', 'cycle', 'loss', 'accuracy', 'class_counts')


def run(fleet):
    """Spin until all tokens are finished everywhere."""
    fleet.spin_until(
        lambda: all(
            robot.machine.tokens
            and all(token.state == TokenState.FINISHED for token in robot.machine.tokens)
            for robot in fleet.robots.values()
        ),
        120.0,
    )


def visits(fleet):
    rows = [row for robot_id in fleet.ids for row in fleet.rows(robot_id, 'visit')]
    return sorted(rows, key=lambda row: row['time'])


@pytest.fixture
def flat(toy_npz):
    return {
        'run.updates': 40,
        'run.test_every': 10,
        'run.heartbeat': 0.2,
        'run.lease': 2.0,
        'tram.cycle_batches': 8,
        'tram.batch_size': 20,
        'tram.learning_rate': 0.05,
        'model.name': 'small_cnn',
        'data.private': str(toy_npz),
        'data.test': str(toy_npz),
        'data.partition': 'shards',
        'data.shards': 2,
        'data.private_size': 400,
    }


@pytest.fixture
def tram(flat, tmp_path):
    """Return a maker of fleets."""
    made = []

    def make(count=3, **changes):
        settings = {**flat, 'tram.count': count, **changes}
        made.append(InProcessRobots(TramNode, settings, count, tmp_path / 'run'))
        return made[-1]

    yield make
    for one in made:
        one.close()


def figures(rows):
    return [tuple(str(row[name]) for name in FIGURES) for row in rows if row['kind'] == 'visit']


def in_memory(fleet):
    settings = TramNodeSettings.from_flat(fleet.settings)
    simulation = TramSimulation(settings)
    simulation.start_all()
    simulation.run(until=10_000)
    return simulation


def final_models(machines):
    return {token.token.model.tobytes() for machine in machines for token in machine.tokens}


def test_over_dds_as_in_memory_bit_for_bit(tram):
    fleet = tram()
    fleet.start_all()
    run(fleet)
    simulation = in_memory(fleet)
    assert figures(visits(fleet)) == figures(simulation.rows)
    models = final_models(robot.machine for robot in fleet.robots.values())
    assert len(models) == 1
    assert models == final_models(simulation.machines.values())


def test_a_robot_that_dies_with_the_token_and_comes_back(tram):
    fleet = tram(count=4, **{'run.updates': 200, 'tram.cycle_batches': 12})
    fleet.start_all()
    fleet.spin_until(lambda: len(visits(fleet)) > 5)
    victim = visits(fleet)[-1]['robot']
    fleet.crash(victim)
    seen = len(visits(fleet))
    fleet.spin_until(lambda: len(visits(fleet)) > seen + 3)
    fleet.start(victim)
    run(fleet)
    fences = [row['fence'] for row in visits(fleet)]
    assert fences == sorted(fences)
    assert len(final_models(robot.machine for robot in fleet.robots.values())) == 1


def hostile_messages(fleet):
    """Well-formed messages of strangers and of old times, on every topic."""
    machine = fleet.robots['robot_0'].machine
    run_id = machine.endpoint.run_id
    status = TramStatus(
        stamp=1.0,
        run_id=run_id,
        robot_id='stranger',
        sequence=1,
        started=0.0,
        state=1,
        reason='',
        class_counts=(200, 200, 0, 0),
        token_states=(1,),
        promised=(99,),
        fences=(99,),
        bases=(98,),
        batch_seconds=0.1,
        link_rate=1e6,
        updates=10,
        loss=0.5,
        accuracy=0.5,
        train_seconds=1.0,
        bytes_received=0,
        bytes_sent=0,
        joules=1.0,
    )
    specs = machine.context.specs
    tensors = {spec.name: np.full(spec.shape, 7, spec.dtype) for spec in specs}
    chunks = Parcel.of(tensors, token_id=0, visits=9).chunks(
        TokenChunk, run_id=run_id, sender_id='stranger', stamp=1.0, first_sequence=0
    )
    claim = {
        'stamp': 1.0,
        'run_id': run_id,
        'sender_id': 'robot_1',
        'token_id': 0,
        'phase': ClaimPhase.ACCEPT,
        'fence': 77,
        'base': 76,
    }
    usage = (0,) * 4
    offer = TokenOffer(
        stamp=1.0,
        run_id=run_id,
        sender_id='robot_1',
        receiver_id='robot_0',
        token_id=0,
        fence=1,
        digest=chunks[0].digest,
        phase=0,
        visits=9,
        updates=9,
        cycle=1,
        route=('robot_0', 'robot_1'),
        shares=(4_000_000_000, 1),
        position=0,
        class_usage=usage,
    )
    return [
        status,
        dataclasses.replace(status, robot_id='robot_1', run_id='another run'),
        dataclasses.replace(status, robot_id='robot_1', token_states=(1, 1), promised=(9, 9),
                            fences=(9, 9), bases=(8, 8)),
        offer,
        dataclasses.replace(offer, class_usage=(0,) * 9),
        dataclasses.replace(offer, token_id=5),
        TokenClaim(**{**claim, 'sender_id': 'stranger'}),
        TokenClaim(**{**claim, 'token_id': 7, 'phase': ClaimPhase.PREPARE}),
        TokenVote(
            stamp=1.0,
            run_id=run_id,
            sender_id='stranger',
            candidate_id='robot_0',
            token_id=0,
            phase=ClaimPhase.PREPARE,
            fence=2,
            granted=1,
            promised=2,
        ),
        *chunks,
        dataclasses.replace(chunks[0], token_id=33),
    ]  # fmt: skip


def test_strangers_change_nothing(tram):
    fleet = tram(**{'run.updates': 120})
    fleet.start_all()
    fleet.spin_until(lambda: len(visits(fleet)) > 2)
    stranger = fleet.node('stranger')
    publishers = {}
    for message in hostile_messages(fleet):
        kind = type(message)
        own = kind is TokenChunk
        topic = f'/robot_0/{kind.TOPIC}' if own else f'/fleet/{kind.TOPIC}'
        if kind not in publishers:
            publishers[kind] = stranger.create_publisher(
                ROS_TYPES[kind], topic, publisher_qos(kind)
            )
        publisher = publishers[kind]
        fleet.spin_until(lambda p=publisher: p.get_subscription_count() > 0)
        publisher.publish(encode(message))
        publisher.publish(b'\x00\x01\x00\x00rubbish')
    refusals = fleet.robots['robot_0'].machine.endpoint.refusals
    fleet.spin_until(lambda: len(refusals) >= 5)
    run(fleet)
    assert figures(visits(fleet)) == figures(in_memory(fleet).rows)
    assert refusals['stranger', 'tram_status: not of the fleet'] > 0
    assert refusals['stranger', 'token_claims: not of the fleet'] > 0
    assert refusals['stranger', 'token_votes: not of the fleet'] > 0
    assert refusals['robot_1', 'tram_status: foreign run'] > 0


def test_diagnostics_tell_where_the_token_is(tram):
    fleet = tram(**{'run.updates': 400})
    heard = {}
    node = fleet.node('operator')
    node.create_subscription(
        DiagnosticArray,
        '/diagnostics',
        lambda message: heard.update({one.name: one for one in message.status}),
        10,
    )
    fleet.start_all()
    fleet.spin_until(lambda: len(heard) == 3 and 'missing' in str(heard))
    fleet.spin_until(
        lambda: any('holder robot_' in pair.value for one in heard.values() for pair in one.values)
    )
    fleet.crash('robot_2')

    def missed():
        values = {pair.key: pair.value for pair in heard['iot_fl tram robot_0'].values}
        return values['missing'] == 'robot_2'

    fleet.spin_until(missed)


def test_a_robot_that_is_not_of_the_fleet_is_told(flat, process):
    settings = {**flat, 'tram.count': 3}
    with pytest.raises(ConfigError, match='does not name'):
        process.make(TramNode, settings, threads=process.threads, namespace='robot_9')
