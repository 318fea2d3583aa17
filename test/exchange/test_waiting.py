"""What a participant that waits says, and when."""

from iot_fl_ros.core.effects import Say, Warn
from iot_fl_ros.exchange.waiting import Missed, Waiting


def test_it_is_said_every_ten_seconds_for_how_long():
    waiting = Waiting()
    said = [(now, waiting.look('robots', 'robots: 1 of 2', float(now))) for now in range(26)]
    assert [(now, effects) for now, effects in said if effects] == [
        (10, [Say('waits for robots: 1 of 2, 10 s so far')]),
        (20, [Say('waits for robots: 1 of 2, 20 s so far')]),
    ]


def test_it_begins_anew_for_something_else():
    waiting = Waiting()
    assert not waiting.look('robots', 'robots', 0.0)
    assert not waiting.look('', '', 9.0)
    assert not waiting.look('robots', 'robots', 10.0)
    assert not waiting.look('updates', 'updates', 19.0)
    assert not waiting.look('updates', 'updates', 28.0)
    assert waiting.look('updates', 'updates', 29.0)


def test_a_clock_that_is_set_back_ends_no_silence_for_ever():
    waiting = Waiting()
    waiting.look('robots', 'robots', 1_000.0)
    waiting.look('robots', 'robots', 5.0)
    assert waiting.look('robots', 'robots', 15.0)


def test_what_stays_away_is_told_within_five_seconds_then_every_ten_and_when_it_is_back():
    missed = Missed('answers', 'is the tail running?')
    said = [(silence, missed.look(float(silence))) for silence in range(30)]
    assert [(silence, type(one[0]), one[0].text) for silence, one in said if one] == [
        (4, Warn, 'no answers for 4 s: is the tail running?'),
        (14, Warn, 'no answers for 14 s: is the tail running?'),
        (24, Warn, 'no answers for 24 s: is the tail running?'),
    ]
    assert missed.came() == [Say('answers come again, after 29 s')]
    assert missed.came() == []
    assert missed.look(4.0), 'it begins anew'


def test_what_comes_every_five_seconds_is_slow_and_not_away():
    missed = Missed('packets')
    said = []
    for _ in range(100):
        said += [one for silence in range(6) for one in missed.look(float(silence))]
        said += missed.came()
    assert [one.text for one in said] == [
        'no packets for 4 s', 'packets come again, after 5 s'
    ]  # fmt: skip
    assert [silence for silence in range(15) if missed.look(float(silence))] == [10]


def test_a_silence_that_begins_anew_is_told_as_soon():
    missed = Missed('answers')
    for _ in range(3):
        assert [silence for silence in range(13) if missed.look(float(silence))] == [4]


def test_whoever_is_away_for_long_is_given_up_and_may_come_back():
    missed = Missed('packets', given_up=60.0)
    said = [missed.look(float(silence)) for silence in range(1_000)]
    texts = [one[0].text for one in said if one]
    assert len(texts) == 6
    assert texts[-1] == 'no packets for 54 s. That is said no more'
    assert missed.came()
