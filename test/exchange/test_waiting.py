"""What a participant that waits says, and when."""

from iot_fl_ros.core.effects import Say
from iot_fl_ros.exchange.waiting import Waiting


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
