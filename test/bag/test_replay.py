"""A recorded federation is proved bit for bit, and changed in thought."""

import dataclasses
import json

import pytest
from recorded_federations import record

from iot_fl_ros.bag.audit import audit
from iot_fl_ros.bag.federation import read_federation
from iot_fl_ros.bag.reader import open_bag
from iot_fl_ros.bag.replay import Replay, ReplayWorker
from iot_fl_ros.bag.what_if import Change, changed_info, compare
from iot_fl_ros.bag.writer import BagWriter
from iot_fl_ros.cli.main import main
from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.core.messages.chunks import TensorChunk
from iot_fl_ros.core.messages.federation import GlobalChunk, RobotStatus, RoundReport, RunInfo
from iot_fl_ros.federation.settings import FleetSettings


@pytest.fixture
def quick(toy_settings):
    return {**toy_settings, 'method.local_epochs': 1, 'run.robots': 3}


def read(path, **more):
    with open_bag(path) as bag:
        return read_federation(bag, **more)


def verdicts(path, settings=None):
    federation = read(path)
    return list(audit(federation, ReplayWorker(federation.info, settings)))


def changed(chunk, at=40):
    data = bytearray(chunk.data)
    data[at] ^= 1
    return dataclasses.replace(chunk, data=bytes(data))


METHODS = {
    'labels': {'method.name': 'dsfl'},
    'label differences': {'method.name': 'dsfl', 'method.delta_rounds': 3, 'run.rounds': 4,
                          'method.cache_rounds': 2, 'method.weighting': 'none'},
    'weights': {'method.name': 'fedavg', 'method.open_samples': None},
    'largest changes': {'method.name': 'fedavg', 'method.upload': 'topk',
                        'method.open_samples': None},
    'momentum': {'method.name': 'fedadam', 'method.open_samples': None},
    'class outputs': {'method.name': 'fd', 'method.open_samples': None},
}  # fmt: skip


@pytest.mark.parametrize('method', METHODS.values(), ids=METHODS)
def test_what_was_sent_follows_from_what_was_accepted(tmp_path, quick, method):
    settings = {k: v for k, v in {**quick, **method}.items() if v is not None}
    simulation = record(tmp_path / 'bag', settings)
    found = verdicts(tmp_path / 'bag')
    assert [v.problem for v in found if v.number] == [''] * settings['run.rounds']
    assert found[-1].digest == simulation.aggregator.global_digest
    assert found[-1].accepted == ('robot_0', 'robot_1', 'robot_2')


def test_one_changed_byte_names_the_round_and_the_robot(tmp_path, quick):
    def tamper(message):
        wanted = type(message) is TensorChunk and message.sender_id == 'robot_1'
        return changed(message) if wanted and message.round == 2 else message

    record(tmp_path / 'bag', quick, tamper=tamper)
    *good, bad = verdicts(tmp_path / 'bag')
    assert [v.number for v in good] == [1]
    assert (bad.number, bad.robots, bad.missing) == (2, ('robot_1',), False)
    assert 'the update of robot_1 does not have the digest that was announced' in bad.problem


def test_a_changed_global_set_names_the_round(tmp_path, quick):
    def tamper(message):
        wanted = type(message) is GlobalChunk and message.round == 3
        return changed(message) if wanted else message

    record(tmp_path / 'bag', quick, tamper=tamper)
    bad = verdicts(tmp_path / 'bag')[-1]
    assert (bad.number, bad.robots) == (3, ())
    assert 'the global set that the aggregator sent does not have the digest' in bad.problem


def test_an_aggregator_that_counts_wrongly_is_found_out(tmp_path, quick):
    """It names two robots, but has aggregated three."""

    def tamper(message):
        if isinstance(message, RoundReport) and message.round == 2:
            return dataclasses.replace(message, participants=('robot_0', 'robot_2'))
        return message

    record(tmp_path / 'bag', quick, tamper=tamper)
    bad = verdicts(tmp_path / 'bag')[-1]
    assert bad.number == 2
    assert 'does not follow from the accepted updates' in bad.problem


@pytest.mark.parametrize(
    ('kind', 'problem'),
    [(TensorChunk, 'is not in the bag'), (RobotStatus, 'was not announced')],
)
def test_what_is_missing_is_named(tmp_path, quick, capsys, kind, problem):
    def tamper(message):
        sender = getattr(message, 'sender_id', '') or getattr(message, 'robot_id', '')
        gone = type(message) is kind and sender == 'robot_2' and message.round == 1
        return None if gone else message

    record(tmp_path / 'bag', quick, tamper=tamper)
    (bad,) = verdicts(tmp_path / 'bag')
    assert (bad.number, bad.robots, bad.missing) == (1, ('robot_2',), True)
    assert problem in bad.problem
    assert main(['replay', '--bag', str(tmp_path / 'bag')]) == 1
    assert 'NOT proved: from round 1, robot_2 on' in ' '.join(capsys.readouterr().out.split())


def test_robots_that_were_late_are_late_again(tmp_path, quick):
    """robot_2 is slower than the deadline: its updates are in the bag and do not count."""
    settings = {**quick, 'run.deadline': 5.0}
    record(
        tmp_path / 'bag', settings,
        train_seconds=lambda robot_id, round: 7.0 if robot_id == 'robot_2' else 1.0,
    )  # fmt: skip
    found = verdicts(tmp_path / 'bag')
    assert [v.problem for v in found] == [''] * 3
    assert all('robot_2' not in v.accepted for v in found)


def test_a_recording_that_stops_early_is_audited_as_far_as_it_goes(tmp_path, quick):
    record(tmp_path / 'whole', quick)
    federation = read(tmp_path / 'whole')
    end = federation.rounds[3].opened  # the report of round 2 comes after that

    with open_bag(tmp_path / 'whole') as bag, BagWriter(tmp_path / 'bag') as writer:
        for message in bag.messages():
            if message.stamp < end:
                writer.add_topic(message.topic, message.ros_type)
                writer.write(message.topic, message.stamp, message.raw)
    assert [(v.number, v.problem) for v in verdicts(tmp_path / 'bag')] == [(1, '')]


def test_a_bag_without_a_run_says_so(tmp_path, quick):
    record(tmp_path / 'bag', quick, tamper=lambda m: None if isinstance(m, RunInfo) else m)
    with pytest.raises(DataError, match=r'no run_info.*--fleet'):
        read(tmp_path / 'bag')


def test_a_method_by_dotted_path_is_not_loaded_unless_trusted(tmp_path, quick):
    def tamper(message):
        if isinstance(message, RunInfo):
            return dataclasses.replace(message, model='os:system')
        return message

    record(tmp_path / 'bag', quick, tamper=tamper)
    with pytest.raises(ConfigError, match='os:system'):
        verdicts(tmp_path / 'bag')


def test_a_bag_of_the_former_method_single_says_what_to_do(tmp_path, quick, capsys):
    def tamper(message):
        if isinstance(message, RunInfo):
            return dataclasses.replace(message, method='single')
        return message

    record(tmp_path / 'bag', quick, tamper=tamper)
    assert main(['replay', '--bag', str(tmp_path / 'bag')]) == 2
    error = capsys.readouterr().err
    assert "'single' is called 'alone' today" in error
    assert 'use the release that recorded' in error


# --- what if ------------------------------------------------------------------------------------


def differences(path, change, settings=None):
    federation = read(path)
    then = ReplayWorker(federation.info, settings)
    now = ReplayWorker(changed_info(federation.info, change), settings)
    return list(compare(federation, then, now, change))


def test_no_change_makes_no_difference(tmp_path, quick):
    record(tmp_path / 'bag', quick)
    for one in differences(tmp_path / 'bag', Change()):
        assert (one.same, one.classes_changed, one.distance) == (True, 0.0, 0.0)


def test_another_rule_gives_the_labels_of_a_run_with_that_rule(tmp_path, quick):
    """In round 1 the updates are the same, so the thought run and a real one must agree."""
    record(tmp_path / 'sa', quick)
    record(tmp_path / 'era', {**quick, 'method.aggregation': 'era'})
    change = Change(settings={'aggregation': 'era'})
    found = differences(tmp_path / 'sa', change)
    assert not any(one.same for one in found)
    assert all(one.distance > 0 for one in found)
    federation = read(tmp_path / 'sa')
    replay = Replay(
        federation, ReplayWorker(changed_info(federation.info, change), None), exact=False
    )
    one = federation.ended[0]
    assert {replay.play(one, one.accepted).digest} == read(tmp_path / 'era').outcomes[1]


def test_a_robot_is_left_out(tmp_path, quick):
    record(tmp_path / 'bag', quick)
    for one in differences(tmp_path / 'bag', Change(without=('robot_1',))):
        assert one.left_out == ('robot_1',)
        assert not one.same
        assert one.distance > 0
    with pytest.raises(ConfigError, match='--without robot_9'):
        differences(tmp_path / 'bag', Change(without=('robot_9',)))


def test_a_shorter_deadline_leaves_out_who_was_slower(tmp_path, quick):
    seconds = {'robot_0': 1.0, 'robot_1': 2.0, 'robot_2': 3.0}
    record(tmp_path / 'bag', quick, train_seconds=lambda robot_id, round: seconds[robot_id])
    for one in differences(tmp_path / 'bag', Change(deadline=2.5)):
        assert one.left_out == ('robot_2',)
    nobody = differences(tmp_path / 'bag', Change(deadline=0.5))
    assert all('no update is left' in one.note for one in nobody)


def test_weights_are_compared_by_their_distance(tmp_path, quick):
    settings = {k: v for k, v in quick.items() if k != 'method.open_samples'}
    record(tmp_path / 'bag', {**settings, 'method.name': 'fedavg'})
    for one in differences(tmp_path / 'bag', Change(without=('robot_0',))):
        assert 0 < one.distance < 1
        assert one.classes_changed != one.classes_changed


def test_a_method_that_takes_other_updates_is_refused(tmp_path, quick):
    record(tmp_path / 'bag', quick)
    with pytest.raises(ConfigError, match='takes other updates than the robots sent in round 1'):
        differences(tmp_path / 'bag', Change(method='fedavg'))
    with pytest.raises(ConfigError, match='takes other updates'):
        differences(tmp_path / 'bag', Change(settings={'label_dtype': 'float16'}))


def test_with_the_data_the_accuracies_are_those_of_the_run(tmp_path, quick):
    simulation = record(tmp_path / 'bag', quick)
    rows = [row['accuracy'] for row in simulation.rows if row['kind'] == 'round']
    settings = FleetSettings.from_flat(quick).aggregator
    found = differences(tmp_path / 'bag', Change(without=('robot_1',)), settings)
    assert [one.accuracy_then for one in found] == rows
    assert all(0 <= one.accuracy <= 1 for one in found)
    other = FleetSettings.from_flat({**quick, 'data.open_size': 100}).aggregator
    with pytest.raises(DataError, match='is not that of the run'):
        verdicts(tmp_path / 'bag', other)


# --- the command --------------------------------------------------------------------------------


def test_the_verb_says_identical_or_names_who_is_to_blame(tmp_path, quick, capsys):
    record(tmp_path / 'bag', quick)
    report = tmp_path / 'audit.json'
    command = ['replay', '--bag', str(tmp_path / 'bag')]
    assert main([*command, '--output', str(report)]) == 0
    assert 'identical: every result of 3 rounds' in ' '.join(capsys.readouterr().out.split())
    assert all(one['identical'] for one in json.loads(report.read_text())['rounds'])
    # One byte in the file itself, of a set of labels.
    federation = read(tmp_path / 'bag')
    (chunk,) = federation.rounds[2].updates['robot_2'].sets.values()
    raw = bytes(chunk.chunks[0].data)
    file = tmp_path / 'bag' / 'bag_0.mcap'
    content = bytearray(file.read_bytes())
    content[content.index(raw) + 40] ^= 1
    file.write_bytes(content)
    assert main([*command, '--output', str(report)]) == 1
    printed = ' '.join(capsys.readouterr().out.split())
    assert 'NOT identical: the first round that does not follow is 2, robot_2' in printed
    assert '1 chunks fail their check sum' in printed


def test_the_verb_shows_what_would_have_been(tmp_path, quick, capsys):
    record(tmp_path / 'bag', quick)
    command = ['replay', '--bag', str(tmp_path / 'bag')]
    assert main([*command, '--set', 'method.aggregation=era', '--without', 'robot_0']) == 0
    printed = capsys.readouterr().out
    assert 'robot_0' in printed
    assert 'cannot be known' in ' '.join(printed.split())
    assert main([*command, '--set', 'run.rounds=5']) == 2
    assert 'method.*' in capsys.readouterr().err


def without_reports(message):
    return None if isinstance(message, RoundReport) and message.round < 3 else message


def test_who_was_accepted_is_deduced_where_a_report_is_missing(tmp_path, quick):
    record(tmp_path / 'bag', quick, tamper=without_reports)
    assert [(v.number, v.problem) for v in verdicts(tmp_path / 'bag')] == [
        (1, ''),
        (2, ''),
        (3, ''),
    ]


def test_a_deduction_that_fails_accuses_nobody(tmp_path, quick):
    """robot_2 is late; without reports its update looks like the others."""
    record(
        tmp_path / 'bag', {**quick, 'run.deadline': 5.0}, tamper=without_reports,
        train_seconds=lambda robot_id, round: 7.0 if robot_id == 'robot_2' else 1.0,
    )  # fmt: skip
    bad = verdicts(tmp_path / 'bag')[-1]
    assert bad.missing
    assert 'its report is not in the bag' in bad.problem


def test_a_round_that_is_not_there_is_named(tmp_path, quick):
    def tamper(message):
        return None if getattr(message, 'round', 0) == 2 else message

    record(tmp_path / 'bag', quick, tamper=tamper)
    with pytest.raises(DataError, match='round 3 cannot be played behind round 1'):
        verdicts(tmp_path / 'bag')


def test_the_first_round_can_wait_until_everybody_knows_everybody(tmp_path, quick):
    for settle in (0.0, 5.0):
        simulation = record(tmp_path / f'bag_{settle:g}', {**quick, 'run.settle': settle})
        plans = read(tmp_path / f'bag_{settle:g}').rounds[1].opened / 10**9 - 1
        assert plans == pytest.approx(settle, abs=0.5)
        assert simulation.aggregator.round == 3


def test_messages_that_make_no_sense_are_counted_and_change_nothing(tmp_path, quick):
    record(tmp_path / 'good', quick)
    with open_bag(tmp_path / 'good') as bag, BagWriter(tmp_path / 'bag') as writer:
        for message in bag.messages():
            writer.add_topic(message.topic, message.ros_type)
            writer.write(message.topic, message.stamp, message.raw)
            if message.topic in ('/fleet/updates', '/fleet/round_report'):
                for bad in (b'', b'\0\1\0\0', message.raw[:40], bytes(len(message.raw))):
                    writer.write(message.topic, message.stamp, bad)
    assert [v.problem for v in verdicts(tmp_path / 'bag')] == [''] * 3
    federation = read(tmp_path / 'bag')
    # A report of nothing but zeros is one, of a run without a name.
    assert federation.unreadable == {'/fleet/updates': 4 * 9, '/fleet/round_report': 3 * 3}
