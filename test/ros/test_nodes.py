"""Behaviour of the nodes that users meet: parameters, late robots, sim time, diagnostics."""

import pytest
import rclpy
import torch
from diagnostic_msgs.msg import DiagnosticArray
from domains import next_domain
from node_fleets import InProcessFleet, parameters
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from safetensors.torch import load_file
from sensor_msgs.msg import BatteryState
from std_srvs.srv import Trigger

from iot_fl_ros.core.errors import ConfigError, IotFlError
from iot_fl_ros.core.messages.federation import RobotState
from iot_fl_ros.core.run_files import read_events
from iot_fl_ros.nodes.aggregator import AggregatorNode
from iot_fl_ros.nodes.application import Threads
from iot_fl_ros.nodes.learner import LearnerNode


def test_a_robot_that_joins_late_gets_what_it_needs(fleet):
    run = fleet(robots=3, **{'run.start_timeout': 0.0, 'run.rounds': 4})
    run.start_aggregator()
    run.start_learner('robot_0')
    run.spin_until(lambda: run.aggregator.machine.version >= 2)
    run.start_learner('robot_2')
    run.run()
    assert run.learners['robot_2'].machine.state is RobotState.FINISHED
    assert run.learners['robot_2'].machine.tensors.held == run.aggregator.machine.global_digest


def test_a_slow_robot_is_left_out_and_counted(fleet, monkeypatch):
    run = fleet(robots=3, **{'run.deadline': 1.5, 'run.rounds': 2})
    run.start_all()
    slow = run.learners['robot_1']
    monkeypatch.setattr(
        slow.machine.endpoint, 'send', lambda *args, **how: []
    )  # its update never leaves
    run.run()
    rows = [r for r in read_events(run.aggregator._folder()) if r['kind'] == 'round']
    assert rows[0]['late'] == ['robot_1']
    assert rows[0]['participants'] == ['robot_0', 'robot_2']
    assert run.aggregator.machine.endpoint.refusals['robot_1', 'late'] >= 1


def test_quorum_closes_a_round_early(fleet):
    run = fleet(robots=3, **{'run.quorum': 2})
    run.start_all()
    run.run()
    rows = [r for r in read_events(run.aggregator._folder()) if r['kind'] == 'round']
    assert min(len(row['participants']) for row in rows) == 2


def test_limits_of_rounds_can_be_changed_while_a_run_goes_on(fleet, monkeypatch):
    run = fleet(robots=3, **{'run.deadline': 100.0, 'run.rounds': 1})
    run.start_all()
    monkeypatch.setattr(
        run.learners['robot_1'].machine.endpoint, 'send', lambda *args, **how: []
    )  # its update never leaves
    machine = run.aggregator.machine
    run.spin_until(lambda: machine.open_round and len(machine.open_round.accepted) == 2)
    (wrong,) = run.aggregator.set_parameters([Parameter('run.quorum', value=-1)])
    assert not wrong.successful
    (fixed,) = run.aggregator.set_parameters([Parameter('run.rounds', value=9)])
    assert not fixed.successful, 'the others are read-only'
    (done,) = run.aggregator.set_parameters([Parameter('run.quorum', value=2)])
    assert done.successful
    run.spin_until(lambda: machine.round == 1 and machine.open_round is None)
    run.run()
    (row,) = [r for r in read_events(run.aggregator._folder()) if r['kind'] == 'round']
    assert row['participants'] == ['robot_0', 'robot_2']
    assert row['seconds'] < 100.0


def test_a_robot_that_leaves_is_not_waited_for(fleet):
    run = fleet(robots=3, **{'run.rounds': 3, 'run.deadline': 1000.0})
    run.start_all()
    run.spin_until(lambda: run.aggregator.machine.version >= 1)
    run.learners['robot_0'].close()
    run.run()
    assert 'robot_0' not in run.aggregator.machine.roster.statuses()


def test_a_robot_with_another_open_set_says_so(fleet):
    run = fleet(robots=2, **{'run.start_timeout': 0.5})
    run.start_aggregator()
    run.settings['data.open_size'] = 100
    run.start_learner('robot_0')
    run.spin_until(lambda: run.learners['robot_0'].machine.state is RobotState.REFUSED)
    assert 'data.seed' in run.learners['robot_0'].machine.reason


def test_robots_without_their_models_architecture_take_part_in_dsfl(fleet):
    run = fleet(robots=2)
    run.start_aggregator()
    run.start_learner('robot_0')
    run.settings['model.name'] = 'dsfl_fashion_cnn'
    run.start_learner('robot_1')
    run.run()
    rows = [r for r in read_events(run.aggregator._folder()) if r['kind'] == 'round']
    assert [len(row['participants']) for row in rows] == [2, 2, 2]


def test_diagnostics_name_who_is_silent_and_who_is_ok(fleet):
    run = fleet(robots=2, **{'run.lease': 1.0, 'run.rounds': 500})
    seen = {}

    def listen(message):
        for status in message.status:
            seen[status.name] = status.message

    run.node('listener').create_subscription(DiagnosticArray, '/diagnostics', listen, 10)
    run.start_all()
    run.spin_until(lambda: seen.get('iot_fl robot robot_0') == 'ok')
    assert 'round' in seen['iot_fl aggregator']
    run.learners['robot_0']._driver.stop()  # silent, without a goodbye
    run.spin_until(lambda: seen.get('iot_fl robot robot_0') == 'silent')


def test_sim_time_drives_the_run(fleet, monkeypatch):
    run = fleet(robots=2, **{'use_sim_time': True, 'run.deadline': 50.0, 'run.lease': 20.0})
    run.start_all()
    monkeypatch.setattr(run.learners['robot_1'].machine.endpoint, 'send', lambda *args, **how: [])
    clock = run.node('clock')
    publisher = clock.create_publisher(Clock, '/clock', 1)
    now = [0.0]

    def tick():
        now[0] += 1.0
        message = Clock()
        message.clock.sec = int(now[0])
        message.clock.nanosec = int(now[0] % 1 * 1e9)
        publisher.publish(message)

    steady = rclpy.clock.Clock(clock_type=rclpy.clock.ClockType.STEADY_TIME)
    clock.create_timer(0.02, tick, clock=steady)
    run.run()
    rows = [r for r in read_events(run.aggregator._folder()) if r['kind'] == 'round']
    assert [row['late'] for row in rows] == [['robot_1']] * 3, 'deadlines passed in sim time'
    assert 100.0 < rows[-1]['time'] <= now[0]
    assert rows[1]['seconds'] == pytest.approx(50.0, abs=3.0)


def test_deactivate_and_activate_resume_the_run(fleet):
    run = fleet(robots=2, **{'run.rounds': 4})
    run.start_all()
    run.spin_until(lambda: run.aggregator.machine.round >= 3)
    assert run.aggregator.trigger_deactivate().name == 'SUCCESS'
    before = run.aggregator.machine
    assert run.aggregator.trigger_activate().name == 'SUCCESS'
    assert run.aggregator.machine is not before
    assert run.aggregator.machine.version >= 2
    run.run()
    rounds = [r['round'] for r in read_events(run.aggregator._folder()) if r['kind'] == 'round']
    assert rounds == [1, 2, 3, 4]


@pytest.fixture
def context():
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=next_domain())
    yield context
    rclpy.try_shutdown(context=context)


@pytest.mark.parametrize(
    ('name', 'value', 'message'),
    [
        ('run.round', 3, "did you mean 'run.rounds'"),
        ('run.rounds', 0, 'must be in 1..'),
        ('method.name', 'fedavgg', "did you mean 'fedavg'"),
        ('method.temprature', 0.1, "did you mean 'temperature'"),
        ('node.device', 'gpu', "choose 'cpu' or 'cuda' or 'auto'"),
    ],
)
def test_a_wrong_parameter_is_refused_with_its_remedy(context, name, value, message):
    with pytest.raises(ConfigError) as error:
        AggregatorNode(Threads(), context=context, parameter_overrides=parameters({name: value}))
    assert message in str(error.value)


def test_parameters_are_declared_with_descriptions_and_ranges(context):
    node = AggregatorNode(
        Threads(), context=context, parameter_overrides=parameters({'run.rounds': 7})
    )
    assert node.get_parameter('run.rounds').value == 7
    descriptor = node.describe_parameter('run.rounds')
    assert descriptor.read_only
    assert 'rounds' in descriptor.description.lower()
    assert descriptor.integer_range[0].from_value == 1
    node.close()
    node.destroy_node()


def test_a_robot_needs_an_id(context):
    with pytest.raises(ConfigError, match=r'robot\.id'):
        LearnerNode(Threads(), context=context)


def test_a_configuration_that_fails_is_a_failure_and_not_a_crash(toy_settings):
    fleet = InProcessFleet({**toy_settings, 'data.test': '/no/such.npz'}, 1)
    node = AggregatorNode(
        Threads(), context=fleet.context, parameter_overrides=parameters(fleet.settings)
    )
    fleet.executor.add_node(node)
    assert node.trigger_configure().name == 'FAILURE'
    node.close()
    node.destroy_node()
    fleet.close()


def test_a_second_run_under_the_same_name_is_another_run(fleet):
    run = fleet(robots=2, **{'run.resume': False, 'run.rounds': 2})
    run.start_all()
    run.run()
    first = run.aggregator.machine.info.run_id
    for transition in ('deactivate', 'cleanup', 'configure', 'activate'):
        assert getattr(run.aggregator, f'trigger_{transition}')().name == 'SUCCESS'
    run.run()
    second = run.aggregator.machine.info.run_id
    assert second != first
    assert {i: r.machine.info.run_id for i, r in run.learners.items()} == dict.fromkeys(
        run.ids, second
    )
    assert [r.machine.round for r in run.learners.values()] == [2, 2]


def test_a_robot_whose_training_fails_is_counted_and_the_run_goes_on(fleet, monkeypatch):
    run = fleet(robots=2, **{'run.deadline': 1000.0})
    run.start_all()
    bad = run.learners['robot_0']._driver._worker

    def fail(job):
        raise RuntimeError('out of memory')

    monkeypatch.setattr(bad, '_train', fail)
    run.spin_until(lambda: run.aggregator.machine.round >= 3)
    rows = [r for r in read_events(run.aggregator._folder()) if r['kind'] == 'round']
    assert rows[0]['participants'] == ['robot_1']
    assert rows[0]['refused'] == ['robot_0']


def test_a_robot_is_deactivated_and_activated_again_in_a_run(fleet):
    run = fleet(robots=2, **{'run.rounds': 6, 'run.deadline': 20.0, 'run.quorum': 1})
    run.start_all()
    robot = run.learners['robot_0']
    run.spin_until(lambda: robot.machine.round >= 1)
    former = robot.machine
    assert robot.trigger_deactivate().name == 'SUCCESS'
    assert robot.trigger_activate().name == 'SUCCESS'
    assert robot.machine is not former
    run.spin_until(lambda: robot.machine.round >= 2)
    run.run()


def test_a_robot_without_autostart_waits_for_its_life_cycle(fleet):
    run = fleet(robots=1, **{'run.rounds': 1})
    run.start_aggregator()
    run.settings['autostart'] = False
    run.start_learner('robot_0')
    robot = run.learners['robot_0']
    run.spin_until(lambda: robot.count_publishers('/fleet/run_info') == 1)
    assert robot.count_publishers('/fleet/robot_status') == 0
    assert robot.trigger_configure().name == 'SUCCESS'
    assert robot.trigger_activate().name == 'SUCCESS'
    run.run()


def test_a_robot_and_an_aggregator_that_are_shut_down_are_silent(fleet):
    run = fleet(robots=2, **{'run.rounds': 1000, 'run.deadline': 1000.0})
    run.start_all()
    watch = run.node('watch')
    robot = run.learners['robot_0']
    run.spin_until(lambda: robot.machine.round >= 1)
    assert robot.trigger_shutdown().name == 'SUCCESS'
    run.spin_until(lambda: watch.count_publishers('/fleet/robot_status') == 1, 10.0)
    assert run.aggregator.trigger_shutdown().name == 'SUCCESS'
    run.spin_until(lambda: watch.count_publishers('/fleet/round_plan') == 0, 10.0)


def test_a_charge_that_was_told_before_an_activation_is_known_after_it(fleet):
    run = fleet(robots=1, **{'robot.battery_topic': 'battery'})
    run.start_all()
    robot = run.learners['robot_0']
    robot._battery(BatteryState(percentage=0.5))
    assert robot.trigger_deactivate().name == 'SUCCESS'
    assert robot.machine._battery == 0.5


def test_an_activation_that_fails_says_why(fleet, capfd):
    run = fleet(robots=1, **{'node.fleet_namespace': '/no good'})
    with pytest.raises(IotFlError, match='robot_0'):
        run.start_learner('robot_0')
    assert 'no good' in capfd.readouterr().err
    with pytest.raises(IotFlError, match='aggregator'):
        run.start_aggregator()
    assert 'no good' in capfd.readouterr().err


def save_model(run, node):
    """Call the service of a node; return its response."""
    client = run.node(f'client_{len(run._nodes)}').create_client(
        Trigger, f'{node.get_fully_qualified_name()}/save_model'
    )
    run.spin_until(client.service_is_ready)
    future = client.call_async(Trigger.Request())
    run.spin_until(future.done)
    return future.result()


def test_the_model_can_be_saved_while_a_run_goes_on(fleet, tmp_path):
    run = fleet(robots=2, **{'robot.checkpoint_dir': str(tmp_path / 'kept')})
    run.start_learner('robot_0')
    early = save_model(run, run.learners['robot_0'])
    assert (early.success, 'no run has begun' in early.message) == (False, True)
    run.start_aggregator()
    run.start_learner('robot_1')
    run.run()
    for node, trainer in (
        (run.learners['robot_0'], run.learners['robot_0']._worker.participant.trainer),
        (run.aggregator, run.aggregator._worker.participant.trainer),
    ):
        saved = save_model(run, node)
        assert saved.success, saved.message
        assert saved.message.startswith(str(tmp_path))
        tensors = load_file(saved.message)
        for name, tensor in trainer._model.state_dict().items():
            assert torch.equal(tensors[name], tensor), name
    run.learners['robot_0'].pause()
    assert save_model(run, run.learners['robot_0']).message == 'the node is not active'
