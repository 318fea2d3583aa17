"""Chooses the participants of each round and remembers how it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iot_fl_ros.core.messages.federation import RobotStatus
from iot_fl_ros.core.seeds import generator
from iot_fl_ros.federation.selection.history import ResponseHistory, ResponseRecord, TimeEstimate
from iot_fl_ros.federation.selection.policies import POLICIES, SelectionInput
from iot_fl_ros.federation.selection.settings import SelectSettings

FILTERS = 'select.min_battery, select.tags, select.avoid_tags'
_MAX_ROBOTS = 10_000
_PATIENCE = 2.0
# A robot whose records weigh less is unknown again; before that, optimism selects it.
_FORGOTTEN = 1e-9


class ParticipantSelector:
    """Chooses the participants of every round. All its state is plain numbers.

    quorum: robots that a round needs at least. The same seed and records: the same choices.
    """

    def __init__(self, settings: SelectSettings, seed: int, quorum: int) -> None:
        self._settings = settings
        self._seed = seed
        self._histories: dict[str, ResponseHistory] = {}
        self.need(quorum)

    def need(self, quorum: int) -> None:
        """Ask at least so many robots."""
        self._quorum = quorum
        self._count = max(self._settings.count, quorum) if self._settings.count else _MAX_ROBOTS

    @property
    def chooses(self) -> bool:
        """True if times matter to the choice: not if everybody takes part."""
        return self._settings.policy != 'all'

    @property
    def timing(self) -> str:
        """Sharing of the radio among uploads: serial or parallel."""
        return self._settings.timing

    def eligible(self, statuses: Mapping[str, RobotStatus]) -> list[str]:
        """Return who may be selected: no battery known to be low, all wanted tags, no unwanted."""
        return [robot_id for robot_id, status in statuses.items() if self._may_select(status)]

    def _may_select(self, status: RobotStatus) -> bool:
        settings = self._settings
        tags = set(status.tags)
        low = status.battery < settings.min_battery  # not if it is NaN
        return not low and tags.issuperset(settings.tags) and tags.isdisjoint(settings.avoid_tags)

    def ask(self, robot_ids: Sequence[str], round: int) -> list[str]:
        """Return the robots selected for `round` among those who may be, sorted."""
        # The label is a part of the seed: another word would be other choices.
        rng = generator(self._seed, 'asking', round)
        robots = sorted(robot_ids)
        shuffled = tuple(robots[i] for i in rng.permutation(len(robots)))
        known, rounds = self._known(robots, round), self._rounds(round)
        given = SelectionInput(self._settings, shuffled, self._count, known, rounds)
        chosen = POLICIES[self._settings.policy](given)
        missing = min(self._quorum, len(robots)) - len(chosen)
        if missing > 0:  # round_time leaves too few for a quorum
            chosen = [*chosen, *[i for i in shuffled if i not in chosen][:missing]]
        return sorted(chosen)

    def patience(self, asked: Sequence[str], round: int) -> dict[str, float]:
        """Return how long uploads may take, s: twice what is expected.

        On a slow radio pieces that are asked for too early are sent twice. One after the other,
        an upload may have to wait for all others.
        """
        expected = {i: known.upload.mean for i, known in self._known(asked, round).items()}
        if self.timing == 'serial':
            expected = dict.fromkeys(expected, sum(expected.values()))
        return {robot_id: _PATIENCE * seconds for robot_id, seconds in expected.items()}

    def observe(self, records: Mapping[str, ResponseRecord]) -> None:
        """Remember what a round showed of the robots that were selected."""
        if not self.chooses:
            return
        for robot_id, record in sorted(records.items()):
            if robot_id not in self._histories and len(self._histories) >= _MAX_ROBOTS:
                del self._histories[min(self._histories, key=lambda i: self._histories[i].round)]
            history = self._histories.setdefault(robot_id, ResponseHistory())
            history.see(record, self._settings.discount, self._settings.window)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        robots = {robot_id: history.state() for robot_id, history in self._histories.items()}
        return {'robots': robots}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._histories = {
            robot_id: ResponseHistory.restored(history)
            for robot_id, history in state['robots'].items()
        }

    def _known(self, robots: Sequence[str], round: int) -> dict[str, TimeEstimate]:
        how = round, self._settings.discount, self._settings.window
        known = {i: self._histories[i].at(*how) for i in robots if i in self._histories}
        return {i: now for i, now in known.items() if now.asked >= _FORGOTTEN}

    def _rounds(self, round: int) -> float:
        """Return the number of rounds before `round`, weighted as their records are."""
        window, gamma = self._settings.window, self._settings.discount
        past = min(round - 1, window) if window else round - 1
        if gamma == 1.0:
            return float(past)
        return gamma * (1 - gamma**past) / (1 - gamma)
