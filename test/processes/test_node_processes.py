"""Fleets of processes: arguments, groups, waiting, domains; no process is started."""

import argparse
import fcntl

import pytest
import yaml
from domains import BLOCKS, SIZE
from rich.console import Console

from iot_fl_ros.cli.options import own_settings_of
from iot_fl_ros.core import run_files
from iot_fl_ros.core.errors import ConfigError, IotFlError
from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.core.run_files import NewRows, RunWriter
from iot_fl_ros.federation.settings import FleetSettings, resolved
from iot_fl_ros.mesh.settings import MeshRunSettings
from iot_fl_ros.processes import federation, nodes, serverless
from iot_fl_ros.processes.federation import FleetProcesses
from iot_fl_ros.processes.nodes import (
    NewLines,
    NodeProcesses,
    private_dds_env,
    private_domain,
    ros_arguments,
)
from iot_fl_ros.processes.serverless import MeshProcesses, TramProcesses
from iot_fl_ros.token.settings import TramNodeSettings


@pytest.fixture
def started(monkeypatch):
    """Note what would be started: (node, name, arguments)."""
    calls = []

    def start(self, node, ros_args, name=''):
        calls.append((node, name or node, ' '.join(ros_args)))

    monkeypatch.setattr(NodeProcesses, 'start', start)
    return calls


def test_a_private_domain_is_none_of_the_tests_nor_one_with_ephemeral_ports():
    used = {private_domain(turn) for turn in range(100)}
    assert used == set(range(1 + BLOCKS * SIZE, 101))


def test_a_fleet_has_a_private_domain_unless_one_is_set(monkeypatch):
    monkeypatch.setenv('ROS_DOMAIN_ID', '7')
    assert private_dds_env()['ROS_DOMAIN_ID'] == '7'
    for unset in (
        lambda: monkeypatch.setenv('ROS_DOMAIN_ID', ''),
        lambda: monkeypatch.delenv('ROS_DOMAIN_ID'),
    ):
        unset()
        assert private_dds_env()['ROS_DOMAIN_ID'] == str(private_domain())


def test_ros_arguments_name_the_robot_and_leave_out_what_is_empty():
    values = {'a': True, 'b': 'x', 'c': '', 'd': 0, 'e': [1, 2]}
    assert ros_arguments(values, 'robot_7') == [
        '-r', '__ns:=/robot_7', '-p', 'a:=true', '-p', 'b:=x', '-p', 'd:=0', '-p', 'e:=[1, 2]',
    ]  # fmt: skip
    assert ros_arguments({}) == []


def test_a_mesh_starts_one_process_a_robot(started, tmp_path):
    own = {'robot_1': {'data.private': '/photos'}}
    settings = {'run.output': str(tmp_path), 'run.rounds': 3}
    with MeshProcesses(settings, robot_ids(2), own=own):
        pass
    common = f'--params-file {tmp_path}/params.yaml'
    assert started == [
        ('peer', 'robot_0', f'{common} -r __ns:=/robot_0 -p data.partition_index:=0 '
         '-p data.partition_count:=2'),
        ('peer', 'robot_1', f'{common} -r __ns:=/robot_1 -p data.partition_index:=1 '
         '-p data.partition_count:=2 -p data.private:=/photos'),
    ]  # fmt: skip
    tree = yaml.safe_load((tmp_path / 'params.yaml').read_text())
    assert tree == {'/**': {'ros__parameters': settings}}


def test_a_fleet_may_have_several_robots_in_a_process(started, tmp_path):
    settings = {'method.name': 'my.module:Method'}
    with FleetProcesses(settings, 5, tmp_path, robots_per_process=2):
        pass
    assert [(node, name) for node, name, _ in started] == [
        ('learner', 'robot_0'), ('learner', 'robot_2'), ('learner', 'robot_4'),
        ('aggregator', 'aggregator'),
    ]  # fmt: skip
    assert 'robot.ids:=[robot_2,robot_3] -p data.partition_index:=2' in started[1][2]
    assert '-r __ns:=/robot_4 -p data.partition_index:=4' in started[2][2]
    assert all('data.partition_count:=5' in one[2] for one in started[:3])
    tree = yaml.safe_load((tmp_path / 'params.yaml').read_text())
    assert tree['/**']['ros__parameters']['robot.trusted'] == ['my.module:Method']


def test_no_process_starts_for_a_folder_of_another_run_or_process(started, toy_settings, tmp_path):
    folder = tmp_path / 'run'
    settings = {**toy_settings, 'run.output': str(folder), 'method.name': 'fedavg'}
    del settings['method.open_samples']
    fleet = FleetSettings.from_flat(settings)
    RunWriter(folder, resolved(fleet.aggregator, fleet.method_name, fleet.method), None).close()
    config = (folder / 'config.yaml').read_bytes()
    with pytest.raises(ConfigError, match=r'data\.seed was 0, is 5'):
        federation.run_fleet('title', {**settings, 'data.seed': 5}, 2)
    with (folder / '.owner').open() as file:  # a lock of its own, as that of another process
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(IotFlError, match='is in use by process'):
            federation.run_fleet('title', {**settings, 'run.resume': False}, 2)
    assert not started
    assert (folder / 'config.yaml').read_bytes() == config


def mesh(folder, **changes):
    flat = {'run.output': str(folder), 'mesh.count': 2, 'method.name': 'gossip', **changes}
    serverless.run_mesh('mesh', flat, console=Console(quiet=True), env={})


def tram(folder, **changes):
    flat = {'run.output': str(folder), 'tram.count': 2, 'run.updates': 1, **changes}
    serverless.run_tram('tram', flat, console=Console(quiet=True), env={})


@pytest.mark.parametrize(
    ('run', 'settings'),
    [
        (mesh, MeshRunSettings.from_flat({'mesh.count': 2, 'method.name': 'gossip'}).resolved()),
        (tram, TramNodeSettings.from_flat({'tram.count': 2, 'run.updates': 1}).flat()),
    ],
)
def test_no_robot_starts_for_a_folder_of_another_run_or_process(run, settings, started, tmp_path):
    place = tmp_path / 'robot_1'
    RunWriter(place, settings, None).close()
    with pytest.raises(ConfigError, match=r'robot_1 holds a run .* data\.seed was 0, is 5'):
        run(tmp_path, **{'data.seed': 5})
    with (place / '.owner').open() as file:  # a lock of its own, as that of another process
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(IotFlError, match='robot_1 is in use by process'):
            run(tmp_path)
    assert not started
    assert not (tmp_path / 'params.yaml').exists()


def test_token_holders_have_the_ids_of_the_settings(started, tmp_path):
    settings = {'run.output': str(tmp_path), 'tram.robots': ['b', 'a'], 'run.updates': 1}
    with TramProcesses(settings) as fleet:
        fleet.start_robots(fleet.ids[1])
    assert [name for _, name, _ in started] == [*fleet.ids, fleet.ids[1]]


def test_what_was_started_is_ended_if_the_rest_cannot_be(tmp_path, monkeypatch):
    ended = []
    monkeypatch.setattr(NodeProcesses, '__exit__', lambda self, *_: ended.append(self))

    class Broken(NodeProcesses):
        def start_all(self):
            raise IotFlError('no room')

    processes = Broken(tmp_path)
    with pytest.raises(IotFlError, match='no room'):
        processes.__enter__()
    assert ended == [processes]


class Ending(NodeProcesses):
    """Processes of which one ends each time that somebody looks."""

    def __init__(self, folder, lives):
        super().__init__(folder)
        self.lives = lives
        self.checks = 0

    def running(self, name):
        self.lives[name] -= 1
        return self.lives[name] > 0

    def check(self):
        self.checks += 1
        if min(self.lives.values()) < -90:
            raise IotFlError('one failed')


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(nodes, '_POLL', 0.0)


def test_waiting_goes_on_until_all_have_ended(tmp_path):
    processes = Ending(tmp_path, {'a': 1, 'b': 3})
    assert list(processes.until_ended('a', 'b')) == [1, 1, 2]
    assert processes.checks == 3


def test_waiting_ends_with_a_failure_or_when_patience_does(tmp_path):
    with pytest.raises(IotFlError, match='one failed'):
        list(Ending(tmp_path, {'a': -95}).until_ended('a'))
    with pytest.raises(IotFlError, match='not ended after 0 s: b'):
        list(Ending(tmp_path, {'a': 1, 'b': 9}).until_ended('a', 'b', patience=0.0))


def test_lines_are_printed_once(capsys):
    print_new = NewLines(Console())
    print_new(['one'])
    print_new(['one', 'two'])
    print_new(['one'])
    print_new(['one', 'two', 'three'])
    assert capsys.readouterr().out == 'one\ntwo\nthree\n'


def own_of(tmp_path, text, robots=4):
    (tmp_path / 'own.yaml').write_text(text)
    arguments = argparse.Namespace(params=tmp_path / 'own.yaml')
    return own_settings_of(arguments, robot_ids(robots))


def test_data_of_a_robots_own_are_not_shared_out(started, tmp_path):
    own = own_of(
        tmp_path,
        '/**:\n  ros__parameters: {data.partition: shards}\n'
        '/robot_1/**:\n  ros__parameters: {data.private: /photos}\n'
        '/robot_2/**:\n  ros__parameters: {model.name: mlp}\n',
    )
    fleet = FleetProcesses({}, 4, tmp_path, own=own)
    for robot_id in robot_ids(4):
        fleet.start_robots(robot_id)
    whole = ['data.partition:=none' in arguments for _, _, arguments in started]
    assert whole == [False, True, False, False]
    for number, (_, _, arguments) in enumerate(started):
        assert f'data.partition_index:={number} -p data.partition_count:=4' in arguments


def test_what_one_robot_has_cannot_be_shared_out(tmp_path):
    text = '/robot_1/**:\n  ros__parameters: {data.private: /photos, data.partition: iid}\n'
    with pytest.raises(ConfigError, match=r"robot_1 has data.private of its own and .* 'iid'"):
        own_of(tmp_path, text)


def test_rows_of_an_earlier_start_say_nothing_of_this_one(tmp_path):
    refused = {'kind': 'refused', 'round': 0, 'robot': 'robot_0', 'reason': 'no such folder'}
    writer = RunWriter(tmp_path, {}, 0)
    for row in (refused, {'kind': 'update', 'round': 1}, {'kind': 'update', 'round': 2}):
        writer.record(row)
    writer.close()
    before = (tmp_path / 'events.jsonl').read_bytes()
    new = NewRows(tmp_path, 2)
    assert new.read() == []
    assert (tmp_path / 'events.jsonl').read_bytes() == before
    writer = RunWriter(tmp_path, {}, 2)  # the run goes on
    assert new.read() == []
    writer.record(refused)
    writer.close()
    assert new.read() == [refused]
    assert 'no such folder' in federation._lines('a', new.read(), 3, 2)[0]
    with pytest.raises(IotFlError, match='no such folder'):
        federation._check_somebody_takes_part(new.read(), 1)


def test_rows_of_a_file_that_has_the_place_of_an_earlier_one_are_new_all_the_same(
    tmp_path, monkeypatch
):
    def write(place):
        monkeypatch.setattr(run_files, '_identity', lambda folder: (0, place))
        RunWriter(tmp_path, {}, 0).record({'kind': 'update', 'round': place})

    write(1)
    new = NewRows(tmp_path, 0)
    assert new.with_kept() == []
    for place in (2, 1):  # a file system gives the place of a removed file to a later one
        write(place)
        assert new.read() == new.with_kept() == [{'kind': 'update', 'round': place}]


def test_a_failed_start_leaves_the_files_of_the_run_as_they_were(tmp_path):
    settings = {'run.output': str(tmp_path), 'data.private': 'x', 'data.test': 'x'}
    settings['run.resume'] = False
    (tmp_path / 'events.jsonl').write_text('{"kind": "end", "round": 3}\n')
    (tmp_path / 'config.yaml').write_text('a: 1\n')
    files = {path: path.read_bytes() for path in tmp_path.glob('[a-z]*')}
    assert federation._kept_round(tmp_path, settings) == 0
    assert {path: path.read_bytes() for path in tmp_path.glob('[a-z]*')} == files


def test_lines_of_a_mesh_are_those_of_this_start(tmp_path):
    def write(rounds):
        writer = RunWriter(tmp_path / 'robot_0', {}, 99)
        writer.record({'kind': 'start', 'round': rounds[0] - 1, 'time': 0.0, 'neighbours': []})
        for number in rounds:
            writer.record({
                'kind': 'round', 'round': number, 'time': 1.0, 'participants': ['robot_0'],
                'robot': 'robot_0', 'samples': 1, 'seconds': 1.0, 'train_seconds': 1.0,
                'wait_seconds': 0.0, 'accuracy': 0.5, 'loss': 0.1, 'disagreement': None,
                'late': [], 'silent': [], 'refused': [], 'bytes_up': 1, 'bytes_total': 1,
                'bytes_sent': 1, 'bytes_received': 1, 'joules': 1.0, 'joules_active': 1.0,
            })  # fmt: skip
        writer.close()

    write([1, 2])
    new = serverless._new_rows(tmp_path, ['robot_0'])
    assert serverless._round_lines('gossip', new) == []
    write([3])
    (line,) = serverless._round_lines('gossip', new)
    assert line.startswith('gossip round 3: ')
