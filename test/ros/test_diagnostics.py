"""The words of /diagnostics: who is late, silent or refused, from machines of runs in memory."""

import platform

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from head_driver import Head
from tiny_split import tiny_bundle

from iot_fl_ros.core.messages.federation import RobotState
from iot_fl_ros.federation.settings import FleetSettings
from iot_fl_ros.memory.federation import Simulation
from iot_fl_ros.memory.mesh import MeshSimulation
from iot_fl_ros.mesh.settings import MeshRunSettings
from iot_fl_ros.ros.diagnostics import (
    Diagnostics,
    describe_aggregator,
    describe_head,
    describe_peer,
    describe_robot,
    describe_tail,
    staleness,
    status,
)
from iot_fl_ros.split.head import HeadMachine
from iot_fl_ros.split.tail import TailMachine

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@pytest.fixture
def federation(toy_settings):
    """A run of two robots in its second round."""
    settings = {**toy_settings, 'run.rounds': 9, 'run.quorum': 1, 'run.deadline': 3.0}
    one = Simulation(FleetSettings.from_flat(settings), robots=2)
    one.start_all()
    one.clock.run(60.0, lambda: one.aggregator.round == 2)
    return one


def values(one):
    return {pair.key: pair.value for pair in one.values}


def of_aggregator(federation):
    now = federation.clock.now
    return {one.name: one for one in describe_aggregator(federation.aggregator, now)}


def test_a_run_tells_its_round_and_whom_it_waits_for(federation):
    said = of_aggregator(federation)
    run = said['iot_fl aggregator']
    assert (run.level, values(run)['method']) == (OK, 'dsfl')
    assert run.message.endswith('round 2 of 9')
    assert values(run)['waiting for'] == 'robot_0 robot_1'
    for robot_id in ('robot_0', 'robot_1'):
        one = said[f'iot_fl robot {robot_id}']
        assert (one.level, one.message) == (OK, 'ok')
        assert float(values(one)['seconds since heard']) < 1.0


def test_a_robot_that_falls_silent_is_an_error(federation):
    federation.crash('robot_1')
    end = federation.clock.now + 10.0
    federation.clock.run(end, lambda: 'robot_1' not in federation.aggregator.roster.statuses())
    one = of_aggregator(federation)['iot_fl robot robot_1']
    assert (one.level, one.message) == (ERROR, 'silent')
    assert values(one)['count of gone'] == '1'


def test_who_cannot_take_part_says_why_on_both_sides(toy_settings):
    learner = {**toy_settings, 'data.seed': 1}
    one = Simulation(FleetSettings.from_flat(toy_settings), robots=2)
    other = Simulation(FleetSettings.from_flat(learner), robots=2)
    one.make_robot_worker, make = (
        lambda robot_id, index, store: (other.make_robot_worker if index else make)(
            robot_id, index, store
        ),
        one.make_robot_worker,
    )
    one.start_all()
    one.clock.run(30.0, lambda: one.robot_states().get('robot_1') == RobotState.REFUSED.name)
    one.clock.run(one.clock.now + 2.0, lambda: False)
    told = describe_robot(one.robot('robot_1'))
    assert (told.level, told.name) == (ERROR, 'iot_fl learner robot_1')
    assert told.message.startswith('refused')
    there = of_aggregator(one)['iot_fl robot robot_1']
    assert there.level == ERROR
    assert there.message.startswith('refused: ')
    assert 'data.seed' in there.message
    assert values(there)['state'] == 'refused'


def test_a_learner_in_good_order(federation):
    one = describe_robot(federation.robot('robot_0'))
    assert (one.level, values(one)['round']) == (OK, '1'), 'the plan of round 2 is on its way'
    assert '0 messages refused' in one.message


def test_a_peer_names_the_neighbours_that_it_misses(toy_settings):
    settings = {**toy_settings, 'mesh.graph': 'ring', 'mesh.count': 3, 'run.rounds': 9}
    del settings['method.open_samples']
    settings['method.name'] = 'gossip'
    mesh = MeshSimulation(MeshRunSettings.from_flat(settings))
    mesh.start_all()
    machine = mesh.machine('robot_0')
    mesh.clock.run(60.0, lambda: machine.round >= 2)
    well = describe_peer(machine)
    assert (well.level, values(well)['missing']) == (OK, '')
    assert values(well)['neighbours'] == 'robot_1 robot_2'
    mesh.crash('robot_2')
    mesh.clock.run(mesh.clock.now + 10.0, lambda: 'robot_2' not in machine.near.statuses())
    ill = describe_peer(machine)
    assert (ill.level, values(ill)['missing']) == (WARN, 'robot_2')


def test_a_head_without_an_edge_and_an_edge_without_a_head():
    head = HeadMachine('robot_0', 7, 0.5, 5.0)
    one = describe_head(head, 0.0, 0.0)
    assert (one.level, one.message) == (WARN, 'no edge is ready for it')
    head.endpoint.refusals.add('camera', 'before the first epoch')
    assert values(describe_head(head, 0.0, 0.0))['camera before the first epoch'] == '1'
    (edge,) = describe_tail(TailMachine('edge', 4, 2, 5.0), 0.0)
    assert (edge.level, edge.name, edge.message) == (WARN, 'iot_fl tail edge', '0 robots')


def test_a_head_tells_how_long_it_is_without_answers_or_pictures(tmp_path):
    tiny_bundle(tmp_path / 'one', seed=0)
    head = Head(tmp_path).ready()
    head.picture()
    head.work()
    fine = describe_head(head.machine, head.now, 0.0)
    assert (fine.level, fine.message, values(fine)['frames answered']) == (OK, 'epoch 1', '0')
    for _ in range(6):
        head.advance(0.5)
        head.picture()
        head.work()
    deaf = describe_head(head.machine, head.now, 0.0)
    assert (deaf.level, deaf.message) == (WARN, 'epoch 1, no answers for 3 s')
    blind = describe_head(head.machine, head.now, 12.0)
    assert (blind.level, blind.message) == (ERROR, 'epoch 1, no pictures for 12 s')


def test_statuses_are_published_each_second_until_the_end(process):
    heard = []
    node = process.node('node')
    node.create_subscription(DiagnosticArray, '/diagnostics', heard.append, 10)
    diagnostics = Diagnostics(node)
    diagnostics.start(lambda: [status('one', WARN, 'text', {'a': 1})])
    process.spin_until(lambda: heard)
    (one,) = heard[0].status
    assert (one.name, one.level, one.message, values(one)) == ('one', WARN, 'text', {'a': '1'})
    assert heard[0].header.stamp.sec > 0
    diagnostics.stop()
    assert not list(node.timers)


@pytest.mark.parametrize(('silence', 'level'), [(1.0, OK), (3.0, WARN), (12.0, ERROR)])
def test_what_is_silent_is_a_warning_and_then_an_error(silence, level):
    found, text = staleness(silence, 'pictures')
    assert found == level
    assert text == ('' if level == OK else f', no pictures for {silence:.0f} s')


def test_a_status_names_its_machine():
    assert status('a', OK, 'b', {}).hardware_id == platform.node()


def test_two_robots_with_one_id_are_an_error(federation, monkeypatch):
    monkeypatch.setattr(federation.aggregator.roster, 'twins', lambda robot_id, now: True)
    one = of_aggregator(federation)['iot_fl robot robot_0']
    assert (one.level, one.message) == (ERROR, 'two robots have this id: the later is refused')
