"""What the aggregator says, in words."""

import dataclasses
import math

import pytest
from message_examples import INFO, STATUS

from iot_fl_ros.core.effects import Record, Say, Warn
from iot_fl_ros.core.messages.federation import RobotState
from iot_fl_ros.exchange.open_round import OpenRound
from iot_fl_ros.federation.settings import RunSettings
from iot_fl_ros.federation.speech import RunSpeech, samples_text
from iot_fl_ros.methods.fedavg import FedAvgSettings


@pytest.fixture
def speech():
    return RunSpeech(RunSettings(name='a', rounds=5, robots=3), INFO, FedAvgSettings())


def row(round_, accuracy, **changes):
    return {
        'round': round_, 'accuracy': accuracy, 'robot_accuracy': math.nan,
        'participants': ['a', 'b'], 'late': [], 'silent': [], 'refused': [], **changes,
    }  # fmt: skip


def test_the_beginning_says_where_a_run_stands(speech):
    assert 'begins: 5 rounds' in speech.begun(0)[0].text
    assert 'goes on after round 2 of 5' in speech.begun(2)[0].text
    assert 'is over already' in speech.begun(5)[0].text


def test_a_quorum_above_the_robots_is_told_at_once():
    settings = RunSettings(name='a', rounds=5, robots=2, quorum=9)
    _, warning = RunSpeech(settings, INFO, FedAvgSettings()).begun(0)
    assert isinstance(warning, Warn)
    assert 'run.quorum is 9, run.robots is 2' in warning.text


def test_a_round_is_one_line(speech):
    (said,) = speech.round_over(row(2, 0.5, late=['c'], robot_accuracy=0.25), [10])
    assert said == Say('round 2 of 5: accuracy 50.0%, robots 25.0%, 2 took part, 1 late')


def test_three_rounds_at_chance_say_once_what_could_help(speech):
    chance = 1 / len(INFO.class_names)
    hints = [
        [one for one in speech.round_over(row(n, chance), [40, 44]) if isinstance(one, Warn)]
        for n in range(1, 6)
    ]
    assert [len(one) for one in hints] == [0, 0, 1, 0, 0]
    text = hints[2][0].text
    assert 'a robot has about 42 samples, 6 steps an epoch' in text
    assert 'lower method.batch_size (now 8)' in text
    assert 'raise method.local_epochs (now 1)' in text
    assert 'method.learning_rate (now 0.1)' in text


def test_who_learns_needs_no_hint(speech):
    values = [0.1, 0.9, 0.1, 0.1, 0.9]
    said = [speech.round_over(row(n, value), [40]) for n, value in enumerate(values, 1)]
    assert not any(isinstance(one, Warn) for effects in said for one in effects)


def test_nothing_achieved_has_a_reason(speech):
    assert speech.problem(1) == ''
    assert 'no update came in time' in speech.problem(0)
    speech.aggregation_failed('PluginError: state is float64')
    assert speech.problem(0).endswith('aggregation failed: PluginError: state is float64')


def test_samples_are_told_by_class():
    assert samples_text(5, (2, 0, 3), ('a', 'b', 'c')) == (
        '5 private samples of 2 of 3 classes: 2 a, 3 c'
    )
    many = samples_text(12, (1,) * 12, tuple('abcdefghijkl'))
    assert many.endswith('1 j and 2 more')
    assert samples_text(3, (), ()) == '3 private samples'


def test_who_joins_or_is_refused_is_told_once(speech):
    joined = speech.heard(STATUS, None, 1, 0, 0.0)
    assert [type(one) for one in joined] == [Say, Record]
    assert speech.heard(STATUS, STATUS, 1, 0, 0.0) == []


def test_waiting_is_that_of_one_round(speech):
    """Rounds of three seconds each: nobody waits for long."""
    said = []
    for second in range(60):
        opened = OpenRound(1 + second // 3, 0, ['a', 'b'], float(second))
        said += speech.waits(opened, 2, 9.0, float(second))
        assert speech.waiting(float(second)) < 3
    assert said == []


def test_a_long_wait_says_for_whom_and_for_how_long_at_most(speech):
    opened = OpenRound(4, 0, ['a', 'b'], 0.0)
    assert speech.waits(opened, 2, 30.0, 0.0) == []
    (said,) = speech.waits(opened, 2, 20.0, 10.0)
    assert said.text == 'waits for updates of round 4 from a, b (at most 20 s more), 10 s so far'
    speech.waits_for_nothing(11.0)
    assert speech.waiting(11.0) == 0.0
    speech.limits(RunSettings(name='a', robots=3, quorum=2))
    speech.waits(None, 1, 0.0, 12.0)
    (said,) = speech.waits(None, 1, 0.0, 22.0)
    assert 'robots: 1 can be asked; run.robots is 3, run.quorum is 2' in said.text


def test_robots_that_come_and_go_cannot_fill_disk_and_log(speech):
    lines = 0
    for turn in range(20_000):
        now = turn / 1_000
        lines += len(speech.heard(STATUS, None, 1, 0, now))
        lines += len(speech.gone('robot_0', 0, now, left=True))
    assert lines < 2 * (2_000 + 21)
    later = speech.heard(STATUS, None, 1, 0, 3_600.0)
    assert [type(one) for one in later] == [Say, Record], 'later there is room again'


def test_rows_of_training_that_failed_are_all_there_and_strangers_hide_nobody_who_is_refused(
    speech,
):
    rows = 0
    for _ in range(5_000):
        rows += len(speech.training_failed(STATUS))
        speech.heard(STATUS, None, 1, 0, 0.0)
    assert rows == 10_000
    refused = dataclasses.replace(STATUS, state=RobotState.REFUSED, reason='no data')
    assert len(speech.heard(refused, None, 1, 0, 0.0)) == 2
