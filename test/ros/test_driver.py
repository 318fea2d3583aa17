"""The ROS driver: every effect of a machine, done on a real node, and its answer."""

import threading
from pathlib import Path

import pytest
import rclpy
from message_examples import PLAN, STATUS

from iot_fl_ros.core.effects import (
    CancelTimer,
    PreparePublisher,
    Publish,
    Record,
    RunEnded,
    SaveCheckpoint,
    Say,
    SetTimer,
    StartJob,
    Subscribe,
    Warn,
)
from iot_fl_ros.core.events import CheckpointSaved, JobDone, JobFailed, MessageArrived, TimerFired
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.core.messages.federation import RoundPlan
from iot_fl_ros.core.messages.mesh import PeerChunk
from iot_fl_ros.ros.convert import ROS_TYPES, encode
from iot_fl_ros.ros.driver import MachineDriver
from iot_fl_ros.ros.topics import publisher_qos


class Told:
    """A machine that wants what it is given at its start and keeps what it is told."""

    def __init__(self, *effects):
        self.effects, self.events = effects, []

    def start(self, now):
        return list(self.effects)

    def handle(self, event, now):
        self.events.append(event)
        return []


class Works:
    """A worker: `fail` is raised by its jobs, `full` by its saving."""

    def __init__(self, keeps=True):
        self.keeps, self.saved, self.threads = keeps, [], []

    def run(self, job):
        self.threads.append(threading.current_thread())
        if job == 'fail':
            raise ValueError('no data')
        return f'{job} done'

    def save(self, effect):
        if effect.manifest.get('full'):
            raise OSError('no space left')
        self.saved.append(effect.round)


@pytest.fixture
def drive(process):
    """Return a starter of drivers: (driver, machine)."""
    made = []

    def drive(*effects, worker=None, role=Role.ROBOT, **more):
        machine = Told(*effects)
        driver = MachineDriver(
            process.node('machine'), role, machine, worker or Works(), process.threads.worker,
            namespace='/fleet', **more,
        )  # fmt: skip
        made.append(driver)
        driver.start()
        return driver, machine

    yield drive
    for driver in made:
        driver.stop()


def test_jobs_run_elsewhere_and_come_back_as_events(process, drive):
    worker, beside = Works(), process.threads.beside()
    _, machine = drive(
        StartJob('train'), StartJob('fail'), StartJob('vote', background=True),
        worker=worker, background=beside,
    )  # fmt: skip
    process.spin_until(lambda: len(machine.events) == 3)
    assert sorted(map(str, machine.events)) == sorted(
        map(str, [JobDone('train', 'train done'), JobFailed('fail', 'ValueError: no data'),
                  JobDone('vote', 'vote done')])
    )  # fmt: skip
    assert threading.main_thread() not in worker.threads
    assert len(set(worker.threads)) == 2, 'the vote does not wait for the training'


def test_a_save_is_answered_later_whatever_becomes_of_it(process, drive):
    worker = Works()
    full = SaveCheckpoint(2, {'full': True})
    _, machine = drive(SaveCheckpoint(1), full, SaveCheckpoint(3), worker=worker)
    assert machine.events == [], 'not during the call'
    process.spin_until(lambda: len(machine.events) == 3)
    assert machine.events == [
        CheckpointSaved(1), JobFailed(full, 'OSError: no space left'), CheckpointSaved(3),
    ]  # fmt: skip
    assert worker.saved == [1, 3]


def test_a_worker_that_keeps_nothing_is_not_asked_to_save(process, drive):
    worker = Works(keeps=False)
    _, machine = drive(SaveCheckpoint(1), worker=worker)
    assert machine.events == [], 'not during the call'
    process.spin_until(lambda: machine.events)
    assert machine.events == [CheckpointSaved(1)]
    assert worker.saved == []


def test_timers_fire_once_and_can_be_replaced_and_cancelled(process, drive):
    _, machine = drive(
        SetTimer('once', 0.01), SetTimer('never', 0.01), CancelTimer('never'),
        CancelTimer('nobody knows it'), SetTimer('moved', 1000.0), SetTimer('moved', 0.02),
        SetTimer('last', 0.2),
    )  # fmt: skip
    process.spin_until(lambda: TimerFired('last') in machine.events)
    assert [event.name for event in machine.events] == ['once', 'moved', 'last']


def test_rows_warnings_and_the_end_reach_whoever_wants_them(process, drive, capfd):
    rows, ends = [], []
    drive(
        Record({'kind': 'round'}), RunEnded('for nothing'), Say('all is well'),
        Warn('disk', 'the disk is full'), Warn('disk', 'the disk is full still'),
        Warn('radio', 'nobody hears'),
        record=rows.append, ended=ends.append,
    )  # fmt: skip
    assert rows == [{'kind': 'round'}]
    assert ends == ['for nothing']
    said = capfd.readouterr().err
    assert 'the disk is full' in said
    assert 'all is well' in said
    assert 'still' not in said, 'one key is told once in a while'
    assert 'nobody hears' in said


class Faulty(Told):
    """A machine that stumbles over one event."""

    def handle(self, event, now):
        if event == TimerFired('bad'):
            raise KeyError('a bug')
        super().handle(event, now)
        return [Record({'kind': 'row'}), SetTimer('after', 0.01)] if event.name == 'good' else []


def test_a_fault_of_ours_costs_one_event_and_is_told(process, capfd):
    def full(row):
        raise OSError('no space left on device')

    machine = Faulty(SetTimer('bad', 0.01), SetTimer('good', 0.05))
    driver = MachineDriver(
        process.node('machine'), Role.ROBOT, machine, Works(), process.threads.worker,
        namespace='/fleet', record=full,
    )  # fmt: skip
    driver.start()
    process.spin_until(lambda: TimerFired('after') in machine.events)
    driver.stop()
    assert driver.faults >= 1
    said = capfd.readouterr().err
    assert "a fault of this package: KeyError: 'a bug'" in said
    assert 'rows of the run are lost: no space left on device' in said


def test_a_machine_that_cannot_start_is_no_running_node(process):
    driver = MachineDriver(
        process.node('machine'), Role.ROBOT, Told(Record({'kind': 'row'})), Works(),
        process.threads.worker, namespace='/fleet', record=lambda row: 1 / 0,
    )  # fmt: skip
    with pytest.raises(ZeroDivisionError):
        driver.start()
    driver.stop()


def test_messages_go_out_counted_and_come_in_until_the_end(process, drive):
    sizes = []
    driver, machine = drive(Publish(STATUS), sent=sizes.append)
    assert sizes == [len(encode(STATUS))]
    speaker = process.node('speaker').create_publisher(
        ROS_TYPES[RoundPlan], '/fleet/round_plan', publisher_qos(RoundPlan)
    )
    speaker.publish(encode(PLAN))
    process.spin_until(lambda: machine.events)
    assert machine.events == [MessageArrived(PLAN, len(encode(PLAN)))]
    driver.stop()
    driver.tell(TimerFired('late'))
    assert len(machine.events) == 1, 'a stopped machine is told nothing'


class Leaves(Told):
    """A machine whose last word is a status."""

    def handle(self, event, now):
        return [Publish(STATUS)]


@pytest.fixture
def leaver(process):
    """A driver of a machine that has a last word."""
    driver = MachineDriver(
        process.node('leaver'), Role.ROBOT, Leaves(), Works(), process.threads.worker,
        namespace='/fleet',
    )  # fmt: skip
    driver.start()
    return driver


def test_who_leaves_is_heard(process, leaver):
    got, kind = [], type(STATUS)
    topic = f'/fleet/{kind.TOPIC}'
    reader = process.node('reader')
    reader.create_subscription(ROS_TYPES[kind], topic, got.append, publisher_qos(kind), raw=True)
    process.spin_until(lambda: leaver._connections._publishers[kind].get_subscription_count())
    assert leaver.leave(60.0) > 50.0, 'not longer than it takes'
    process.spin_until(lambda: got)
    assert bytes(got[0]) == encode(STATUS)


def test_it_is_looked_until_all_was_read(leaver, monkeypatch):
    looks = iter((False, False, True))
    monkeypatch.setattr(leaver._connections, 'all_read', lambda: next(looks))
    assert 0.0 < leaver.leave(60.0) < 60.0
    assert next(looks, None) is None
    assert not leaver._connections._publishers


def test_who_was_killed_is_not_waited_for_for_ever(leaver, monkeypatch):
    monkeypatch.setattr(leaver._connections, 'all_read', lambda: False)
    assert leaver.leave(0.1) == 0.0
    assert not leaver._connections._publishers


def test_whatever_becomes_of_the_last_word_it_is_the_last(leaver, monkeypatch):
    def fail():
        raise RuntimeError('no transport')

    monkeypatch.setattr(leaver._connections, 'all_read', fail)
    with pytest.raises(RuntimeError):
        leaver.leave(1.0)
    assert not leaver._running
    assert not leaver._connections._publishers


def test_without_its_context_nobody_can_hear_it(process, leaver):
    rclpy.try_shutdown(context=process.context)
    leaver.leave(60.0)
    assert not leaver._running


def test_a_job_that_ends_after_the_end_is_forgotten(process, drive):
    worker, begun, go = Works(), threading.Event(), threading.Event()
    worker.run = lambda job: (begun.set(), go.wait(30))
    driver, machine = drive(StartJob('long'), worker=worker)
    assert begun.wait(10)
    driver.stop()
    go.set()
    process.threads.stop(10.0)
    process.executor.spin_once(timeout_sec=0.05)
    assert machine.events == []


def test_topics_of_robots_come_and_go(process, drive):
    driver, _ = drive(
        PreparePublisher(PeerChunk, ('r1',)), Subscribe(PeerChunk, ('r2', 'r3')), role=Role.PEER
    )
    node = driver._node
    watch = process.node('watch')

    def heard():
        return {
            name for name, _ in watch.get_topic_names_and_types()
            if name.endswith(PeerChunk.TOPIC) and watch.count_subscribers(name)
        }  # fmt: skip

    process.spin_until(lambda: heard() == {'/r2/peer_updates', '/r3/peer_updates'})
    assert watch.count_publishers('/r1/peer_updates') == 1
    driver._do([Subscribe(PeerChunk, ('r3', 'r4'))])
    process.spin_until(lambda: heard() == {'/r3/peer_updates', '/r4/peer_updates'})
    driver.stop()
    process.spin_until(lambda: heard() == set())
    assert not [p for p in node.publishers if p.topic_name.endswith(PeerChunk.TOPIC)]


class Stumbling(Told):
    """A machine that fails once at every kind of event."""

    def __init__(self, *effects):
        super().__init__(*effects)
        self.stumbled = set()

    def handle(self, event, now):
        super().handle(event, now)
        if type(event) not in self.stumbled:
            self.stumbled.add(type(event))
            raise KeyError('a bug')
        return [SetTimer('beat', 0.01)] if isinstance(event, TimerFired) else []


def test_after_a_fault_timers_go_on_and_a_result_counts_as_failed(process):
    machine = Stumbling(SetTimer('beat', 0.01), StartJob('work'))
    driver = MachineDriver(
        process.node('machine'), Role.ROBOT, machine, Works(), process.threads.worker,
        namespace='/fleet',
    )  # fmt: skip
    driver.start()
    process.spin_until(lambda: machine.events.count(TimerFired('beat')) > 3)
    process.spin_until(lambda: any(isinstance(e, JobFailed) for e in machine.events))
    driver.stop()
    (failed,) = [event for event in machine.events if isinstance(event, JobFailed)]
    assert failed.job == 'work'


def test_a_model_is_saved_once_at_a_time_and_answered_in_any_case(process):
    worker, answers, go_on = Works(), [], threading.Event()
    worker.save_model = lambda path: go_on.wait(10.0)
    driver = MachineDriver(
        process.node('machine'), Role.ROBOT, Told(), worker, process.threads.worker,
        namespace='/fleet',
    )  # fmt: skip
    driver.start()
    for name in ('a', 'b'):
        driver.save_model(Path(name), lambda *answer: answers.append(answer))
    assert answers == [(False, 'a model is being saved already')]
    driver.stop()
    go_on.set()
    process.spin_until(lambda: len(answers) == 2)
    assert answers[1] == (True, 'a')


class Broken(Told):
    """A machine that takes no result, not even a failed one."""

    def handle(self, event, now):
        super().handle(event, now)
        raise KeyError('a bug')


def test_a_machine_that_takes_no_result_at_all_is_over_and_says_why(process):
    ended = []
    machine = Broken(StartJob('work'))
    driver = MachineDriver(
        process.node('machine'), Role.ROBOT, machine, Works(), process.threads.worker,
        namespace='/fleet', ended=ended.append,
    )  # fmt: skip
    driver.start()
    process.spin_until(lambda: ended)
    driver.stop()
    assert ended == ['a fault of this package ended it, see the log']
    assert driver.faults == 2
