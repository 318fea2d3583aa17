"""The global tensors at a robot: what it holds, what is arriving, what to ask for again.

Sets of a chained method name the set before them by its digest (tensor `previous`). A robot that
was away finds a set it does not hold there, asks for it, and so walks back until it has all that
the newest set builds upon.
"""

from __future__ import annotations

from dataclasses import dataclass

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages import AGGREGATOR, NO_DIGEST, GlobalChunk
from iot_fl_ros.core.repair import Repair
from iot_fl_ros.core.tensors import all_allowed
from iot_fl_ros.core.transfer import Assembly
from iot_fl_ros.learning.chain import previous_of, wire_specs, without_link
from iot_fl_ros.learning.method import GlobalSet, Method

# Tensors that arrive before the run info they belong to: latched topics come in any order.
_MAX_EARLY_CHUNKS = 256


@dataclass(frozen=True)
class _Whole:
    """A set that is here, and the digest of the one before it."""

    digest: bytes
    previous: bytes
    model_version: int
    content: GlobalSet


class GlobalInbox:
    """Takes chunks; `held` names the newest set that is here with all that it builds upon."""

    def __init__(self) -> None:
        self._early: list[GlobalChunk] = []
        self.reset()

    def reset(self) -> None:
        """Forget everything of a former run."""
        self.held = NO_DIGEST
        self._version = 0
        self._planned = NO_DIGEST
        self._planned_version = 0
        # Oldest first: sets that a job may still need.
        self._fresh: list[_Whole] = []
        # Newest first: sets that wait for the one before the last of them.
        self._waiting: list[_Whole] = []
        self._assembly: Assembly | None = None
        self._expected = NO_DIGEST
        self._repair = Repair()

    @property
    def fresh(self) -> tuple[GlobalSet, ...]:
        """Sets that a job may still need, oldest first; several only if they are chained."""
        return tuple(whole.content for whole in self._fresh)

    def use_up(self) -> None:
        """Take note that a job has the fresh sets and no other will need them."""
        self._fresh = []

    def plan(self, digest: bytes, version: int) -> None:
        """Take note of the set that the plan names."""
        self._planned, self._planned_version = digest, version

    def learned(self, digest: bytes, version: int) -> None:
        """Take note that the model has learned from that set and those before it already."""
        self._fresh = _behind(self._fresh, digest)
        self._waiting = _behind(self._waiting[::-1], digest)[::-1]
        if not self.held:
            self.held, self._version = digest, version
        if self._waiting and self._waiting[-1].previous == self.held:
            self._hold_waiting(continues=True)

    def keep_early(self, chunk: GlobalChunk) -> bool:
        """Keep a chunk that came before the run info, if there is room; return whether."""
        if len(self._early) >= _MAX_EARLY_CHUNKS:
            return False
        self._early.append(chunk)
        return True

    def take_early(self) -> list[GlobalChunk]:
        """Return and forget the chunks that came early."""
        early, self._early = self._early, []
        return early

    @property
    def wanted(self) -> bytes:
        """Digest of the set to get next: that of the plan, or one that the newest builds upon."""
        if not self._waiting or self._waiting[0].model_version < self._planned_version:
            return self._planned
        return self._waiting[-1].previous

    def take(self, chunk: GlobalChunk, method: Method, rounds: int) -> bool:
        """Place a chunk; return whether a set is whole now, with or without those before it.

        rounds: those of the run. MessageError says why a chunk or set is refused.
        """
        if chunk.sender_id != AGGREGATOR or chunk.round > rounds:
            raise MessageError('wrong round', f'tensors of round {chunk.round} of {rounds}')
        if not all_allowed(wire_specs(method, chunk.round), chunk.specs):
            raise MessageError('wrong tensors', f'{chunk.specs} is not what the method sends')
        if chunk.digest == self.held or any(w.digest == chunk.digest for w in self._waiting):
            return False  # sent again for another robot
        if self._assembly is None or self._assembly.digest != chunk.digest:
            self._check_worth(chunk)
            self._assembly = Assembly(chunk)
        self._assembly.add(chunk)
        if self._assembly.missing:
            return False
        whole, self._assembly = self._assembly, None
        tensors = whole.tensors()
        content = GlobalSet(whole.round, without_link(tensors))
        method.check_values(content.tensors, whole.round)
        self._place(_Whole(whole.digest, previous_of(tensors), whole.model_version, content))
        self._settle(method)
        return True

    def expect(self) -> float | None:
        """Watch for what is wanted; return after how many s to look, None = no need."""
        digest = self.wanted
        if digest in (NO_DIGEST, self.held, self._expected):
            return None
        self._expected = digest
        self._repair = Repair()
        return self._repair.delay

    def look(self) -> tuple[tuple[int, ...] | None, float | None]:
        """Return (chunks to ask for or None, s until the next look or None) of what is wanted."""
        digest = self.wanted
        self._expected = NO_DIGEST
        if digest in (NO_DIGEST, self.held):
            return None, None
        self._expected = digest
        missing: tuple[int, ...] = ()
        if self._assembly and self._assembly.digest == digest:
            if self._assembly.progressed:
                self._assembly.progressed = False
                self._repair.progressed()
                return None, self._repair.delay
            missing = self._assembly.missing
        return self._repair.wanted(missing), self._repair.delay

    def _place(self, whole: _Whole) -> None:
        """Put a set where it belongs: before, behind or instead of those that wait."""
        if self._waiting and whole.digest == self._waiting[-1].previous:
            self._waiting.append(whole)
        elif self._waiting and whole.previous == self._waiting[0].digest:
            self._waiting.insert(0, whole)
        else:
            self._waiting = [whole]

    def _settle(self, method: Method) -> None:
        """Hold the sets that wait, if nothing is missing behind them."""
        newest, oldest = self._waiting[0], self._waiting[-1]
        continues = bool(self.held) and oldest.previous == self.held
        enough = oldest.content.round <= method.needs_since(newest.content.round)
        if continues or enough or not oldest.previous:
            self._hold_waiting(continues=continues)

    def _hold_waiting(self, *, continues: bool) -> None:
        newest = self._waiting[0]
        self._fresh = [*(self._fresh if continues else ()), *reversed(self._waiting)]
        self.held, self._version = newest.digest, newest.model_version
        self._waiting = []

    def _check_worth(self, chunk: GlobalChunk) -> None:
        """Raise MessageError unless a new set may replace the one in the making."""
        wanted = self.wanted
        if chunk.digest in (wanted, self._planned):
            return
        making = self._assembly
        newer = chunk.model_version > max(self._version, making.model_version if making else 0)
        first = chunk.model_version == self._version == 0 and making is None and not self.held
        if (making and making.digest == wanted) or not (newer or first):
            raise MessageError('not wanted', f'tensors of version {chunk.model_version}')


def _behind(sets: list[_Whole], digest: bytes) -> list[_Whole]:
    """Return the sets, oldest first, that come after the one of that digest; all if it is none."""
    places = [n for n, whole in enumerate(sets) if whole.digest == digest]
    return sets[places[0] + 1 :] if places else sets
