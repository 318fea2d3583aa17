"""Presence: who is there, by the last status of each."""

from dataclasses import dataclass

import pytest

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.exchange.presence import Presence

LEASE = 3.0


@dataclass(frozen=True)
class Status:
    """As much of a status as matters."""

    robot_id: str
    stamp: float
    sequence: int = 1
    started: float = 0.0


@pytest.fixture
def presence():
    return Presence(LEASE, most=2)


def test_who_was_heard_within_a_lease_is_here(presence):
    presence.hear(Status('a', 100.0), 10.0)
    assert presence.here('a', 10.0 + LEASE)
    assert not presence.here('a', 10.1 + LEASE)
    assert not presence.here('b', 10.0)
    assert presence.silence('a', 12.5) == 2.5
    assert presence.get('b') is None


def test_silence_of_more_than_a_lease_is_noticed_once(presence):
    presence.hear(Status('b', 100.0), 10.0)
    presence.hear(Status('a', 100.0), 10.0)
    assert presence.drop_silent(10.0 + LEASE) == []
    presence.hear(Status('a', 101.0), 11.0)
    assert presence.drop_silent(10.1 + LEASE) == ['b']
    assert presence.drop_silent(10.1 + LEASE) == []
    assert list(presence.statuses()) == ['a']


def test_an_older_status_is_refused_unless_its_sender_was_silent(presence):
    presence.hear(Status('a', 100.0), 10.0)
    with pytest.raises(MessageError) as refused:
        presence.hear(Status('a', 99.9, sequence=2), 11.0)
    assert refused.value.reason == 'old status'
    assert presence.get('a').stamp == 100.0
    assert presence.silence('a', 11.0) == 1.0, 'what is refused is no sign of life'
    presence.hear(Status('a', 50.0), 10.1 + LEASE)
    assert presence.get('a').stamp == 50.0, 'its clock was put right'


def test_who_starts_again_may_count_from_one(presence):
    presence.hear(Status('a', 100.0, sequence=900), 10.0)
    presence.hear(Status('a', 101.0, sequence=1), 10.5)
    assert presence.get('a').sequence == 1
    presence.hear(Status('a', 101.0, sequence=2), 10.6)
    assert presence.get('a').sequence == 2, 'two of one moment'


def test_more_than_fit_are_refused_and_who_leaves_makes_room(presence):
    presence.hear(Status('b', 1.0), 0.0)
    presence.hear(Status('a', 1.0), 0.0)
    with pytest.raises(MessageError) as refused:
        presence.hear(Status('c', 1.0), 0.0)
    assert refused.value.reason == 'too many'
    presence.hear(Status('a', 2.0), 0.0)
    presence.forget('b')
    presence.forget('nobody')
    presence.hear(Status('c', 1.0), 0.0)
    assert list(presence.statuses()) == ['a', 'c']


def test_who_started_again_is_taken_at_once(presence):
    presence.hear(Status('a', 100.0, 900, started=50.0), 10.0)
    for number in range(1, 30):
        presence.hear(Status('a', 100.0 + number, number, started=100.5), 10.0 + number)
    assert not presence.twins('a', 40.0)


@pytest.mark.parametrize('ahead', [-100.0, 0.0, 100.0])
def test_of_two_with_one_id_the_later_is_refused(presence, ahead):
    """ahead: by how much the clock of the second one is."""
    now, refused = 10.0, []
    for number in range(1, 8):
        for started, ahead_of_us in ((5.0, 0.0), (5.5 + ahead, ahead)):
            now += 0.1
            status = Status('a', now + ahead_of_us, number, started=started)
            try:
                presence.hear(status, now)
            except MessageError as error:
                refused.append((number, started, str(error)))
    assert {one[1] for one in refused} == {5.5 + ahead}
    assert all('two robots call themselves a' in one[2] for one in refused if one[0] > 1)
    assert {one[0] for one in refused} >= set(range(2, 8))
    assert presence.twins('a', now)
    assert presence.get('a').started == 5.0
    # The first one goes: the other takes its place after a lease.
    now += LEASE + 0.1
    presence.hear(Status('a', now + ahead, 99, started=5.5 + ahead), now)
    assert presence.get('a').started == 5.5 + ahead
    assert not presence.twins('a', now)


def test_old_words_of_a_stranger_do_not_push_the_real_one_out(presence):
    for number in range(20):
        now = 10.0 + 0.1 * number
        presence.hear(Status('a', now, number, started=5.0), now)
        with pytest.raises(MessageError):
            presence.hear(Status('a', 0.0, 1, started=0.0), now)


def test_old_words_that_came_first_do_not_keep_the_real_one_out(presence):
    for number in range(20):
        now = 10.0 + 0.1 * number
        if number:
            with pytest.raises(MessageError):
                presence.hear(Status('a', 0.0, 1, started=0.0), now)
        else:
            presence.hear(Status('a', 0.0, 1, started=0.0), now)
        presence.hear(Status('a', now, number, started=5.0), now + 0.05)
    assert not presence.twins('a', 12.0)


def test_a_stranger_who_starts_again_and_again_costs_no_memory(presence):
    for number in range(1_000):
        presence.hear(Status('a', 100.0, number, started=float(number)), 10.0)
    assert len(presence._lives['a']) < 10
