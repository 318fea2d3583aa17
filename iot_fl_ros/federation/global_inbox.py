"""The global tensors at a robot: what it holds, what is arriving, what to ask for again.

Sets of a chained method name the set before them by its digest (tensor `previous`). A robot that
was away finds a set it does not hold there, asks for it, and so walks back until it has all that
the newest set builds upon.
"""

from __future__ import annotations

from dataclasses import dataclass

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.federation import AGGREGATOR, GlobalChunk
from iot_fl_ros.core.messages.fields import NO_DIGEST
from iot_fl_ros.core.tensors import all_allowed
from iot_fl_ros.exchange.inbox import Inbox
from iot_fl_ros.federation.global_sets import previous_of, wire_specs, without_link
from iot_fl_ros.methods.method import GlobalSet, StarMethod


@dataclass(frozen=True)
class _Whole:
    """A set that is here, and the digest of the one before it."""

    digest: bytes
    previous: bytes
    model_version: int
    content: GlobalSet


class GlobalInbox:
    """The sets of one run; `held` names the newest that is here with all that it builds upon."""

    def __init__(self, method: StarMethod) -> None:
        self.held = NO_DIGEST
        self._method = method
        self._version = 0
        self._planned = NO_DIGEST
        self._planned_round = 0
        # Oldest first: sets that a job may still need.
        self._fresh: list[_Whole] = []
        # Sets that are here but lack one they build upon.
        self._waiting: dict[bytes, _Whole] = {}
        self._inbox = Inbox(limit=1)
        # Digest and version of the set in the making.
        self._making: tuple[bytes, int] = NO_DIGEST, 0

    @property
    def fresh(self) -> tuple[GlobalSet, ...]:
        """Sets that a job may still need, oldest first; several only if they are chained."""
        return tuple(whole.content for whole in self._fresh)

    def use_up(self) -> None:
        """Take note that a job has the fresh sets and no other will need them."""
        self._fresh = []

    def plan(self, digest: bytes, round: int) -> None:
        """Take note of the set that the plan of `round` names."""
        self._planned, self._planned_round = digest, round
        self._settle()

    def learned(self, digest: bytes, version: int) -> None:
        """Take note that the model has learned from that set and those before it already."""
        digests = [whole.digest for whole in self._fresh]
        if digest in digests:
            del self._fresh[: digests.index(digest) + 1]
        if not self.held:
            self.held, self._version = digest, version
        self._settle()

    @property
    def wanted(self) -> bytes:
        """Digest of the set to get next: that of the plan, or one that it builds upon."""
        behind = self._behind(self._planned)
        return behind[-1].previous if behind else self._planned

    def take(self, chunk: GlobalChunk) -> bool:
        """Place a chunk; return whether a set is whole now, with or without those before it.

        MessageError says why a chunk or set is refused.
        """
        if chunk.sender_id != AGGREGATOR:
            raise MessageError('wrong tensors', f'{chunk.sender_id!r} is not the aggregator')
        if chunk.round > self._planned_round + 1:
            raise MessageError('wrong round', f'tensors of round {chunk.round} are not planned')
        if not all_allowed(wire_specs(self._method, chunk.round), chunk.specs):
            raise MessageError('wrong tensors', f'{chunk.specs} is not what the method sends')
        if self._is_here(chunk):
            return False  # sent again for another robot
        if self._making[0] != chunk.digest:
            self._check_worth(chunk)
            self._making = chunk.digest, chunk.model_version
        if not self._inbox.add(chunk):
            return False
        self._making = NO_DIGEST, 0
        tensors = self._inbox.take(chunk.digest)
        assert tensors is not None
        content = GlobalSet(chunk.round, without_link(tensors))
        self._method.check_values(content.tensors, chunk.round)
        self._waiting[chunk.digest] = _Whole(
            chunk.digest, previous_of(tensors), chunk.model_version, content
        )
        self._settle()
        return True

    def expect(self) -> float | None:
        """Watch for what is wanted; return after how many s to look, None = no need."""
        digest = self.wanted
        if digest in (NO_DIGEST, self.held, self._inbox.expected):
            return None
        self._inbox.expect(digest)
        return self._inbox.delay

    def look(self) -> tuple[tuple[int, ...] | None, float | None]:
        """Return (chunks to ask for or None, s until the next look or None) of what is wanted."""
        digest = self.wanted
        if digest in (NO_DIGEST, self.held):
            self._inbox.expect(NO_DIGEST)
            return None, None
        self._inbox.expect(digest)
        return self._inbox.to_request(), self._inbox.delay

    def _is_here(self, chunk: GlobalChunk) -> bool:
        if chunk.digest == self.held or chunk.digest in self._waiting:
            return True
        old = chunk.model_version <= self._version and bool(self.held)
        return self._method.chained and old and chunk.digest != self.wanted

    def _behind(self, digest: bytes) -> list[_Whole]:
        """Return the set of that digest and those behind it, newest first, as far as they wait.

        Rounds must fall along the chain, so that it ends.
        """
        chain: list[_Whole] = []
        while digest in self._waiting:
            whole = self._waiting[digest]
            if chain and whole.content.round >= chain[-1].content.round:
                break
            chain.append(whole)
            digest = whole.previous
        return chain

    def _settle(self) -> None:
        """Hold the newest set that lacks nothing, and forget what waits in vain."""
        by_version = sorted(self._waiting.values(), key=lambda whole: -whole.model_version)
        for start in [self._planned, *(whole.digest for whole in by_version)]:
            chain = self._behind(start)
            if chain and self._lacks_nothing(chain):
                self._hold(chain)
                break
        self._limit_waiting()

    def _lacks_nothing(self, chain: list[_Whole]) -> bool:
        newest, oldest = chain[0], chain[-1]
        if not oldest.previous or (self.held and oldest.previous == self.held):
            return True
        return oldest.content.round <= self._method.needs_since(newest.content.round)

    def _hold(self, chain: list[_Whole]) -> None:
        newest = chain[0]
        continues = bool(self.held) and chain[-1].previous == self.held
        sets = [*(self._fresh if continues else ()), *reversed(chain)]
        since = self._method.needs_since(newest.content.round)
        while len(sets) > 1 and sets[1].content.round <= since:
            del sets[0]  # a robot that is not asked for long gathers no more than it needs
        self._fresh = sets
        self.held, self._version = newest.digest, newest.model_version
        for whole in list(self._waiting.values()):
            if whole.content.round <= newest.content.round:
                del self._waiting[whole.digest]

    def _limit_waiting(self) -> None:
        """Keep no more sets than the newest ones can build upon."""
        if not self._waiting:
            return
        wanted = {whole.digest for whole in self._behind(self._planned)}
        newest = max(whole.content.round for whole in self._waiting.values())
        most = 2 + newest - self._method.needs_since(newest)
        others = [whole for whole in self._waiting.values() if whole.digest not in wanted]
        for whole in sorted(others, key=lambda whole: whole.content.round):
            if len(self._waiting) > most:
                del self._waiting[whole.digest]

    def _check_worth(self, chunk: GlobalChunk) -> None:
        """Raise MessageError unless a new set may replace the one in the making."""
        wanted = self.wanted
        if chunk.digest in (wanted, self._planned):
            return
        making, version = self._making
        newer = chunk.model_version > max(self._version, version)
        first = chunk.model_version == self._version == 0 and not making and not self.held
        if (making and making == wanted) or not (newer or first):
            raise MessageError('not wanted', f'tensors of version {chunk.model_version}')
