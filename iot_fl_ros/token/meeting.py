"""Tokens that meet at a robot: one that was just trained and one that waits become their mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from iot_fl_ros.core.effects import Effect, StartJob
from iot_fl_ros.core.messages.token import TokenPhase
from iot_fl_ros.token.context import NodeContext
from iot_fl_ros.token.jobs import Merge
from iot_fl_ros.token.states import Place
from iot_fl_ros.token.token_machine import TokenMachine


class Meeting:
    """Merges tokens on the worker. A trained token is kept on disk after that, not before."""

    def __init__(self, context: NodeContext, tokens: Sequence[TokenMachine]) -> None:
        self._node = context
        self._tokens = tokens

    @property
    def possible(self) -> bool:
        """True if a trained token may be merged with one that waits: that one has to wait on."""
        saving = any(token.place is Place.SAVING for token in self._tokens)
        return self._node.settings.tram.merge and saving

    def begin(self, trained: TokenMachine) -> list[Effect]:
        """Merge a token that was just trained with one that waits; else keep it as it is."""
        waiting = next((one for one in self._tokens if one.place is Place.WAITING), None)
        if trained.place is not Place.SAVING or waiting is None or not self.possible:
            return _keep(trained)
        if any(one.token.log.phase != TokenPhase.TRAINING for one in (trained, waiting)):
            return _keep(trained)
        return [StartJob(Merge(trained.token, waiting.token))]

    def done(self, job: Merge, result: Any, now: float) -> list[Effect]:
        """Take two merged tokens, unless one of them went on meanwhile."""
        first, second = (self._tokens[token.token_id] for token in (job.first, job.second))
        met = first.place is Place.SAVING and first.token is job.first
        waits = second.place is Place.WAITING and second.token is job.second
        if not (met and waits):
            return _keep(first)
        first.token, second.token = result
        row = self._node.row('merged', first.token_id, now, other=second.token_id)
        return [row, *_keep(first)]

    def failed(self, job: Merge) -> list[Effect]:
        """Keep the trained token as it is."""
        return _keep(self._tokens[job.first.token_id])


def _keep(machine: TokenMachine) -> list[Effect]:
    return [machine.keep()] if machine.place is Place.SAVING else []
