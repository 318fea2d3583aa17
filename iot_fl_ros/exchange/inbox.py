"""The sets of tensors that arrive from one sender: pieces in, tensors out, what to ask for."""

from __future__ import annotations

from iot_fl_ros.core.messages.chunks import Chunk
from iot_fl_ros.core.messages.fields import NO_DIGEST
from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.exchange.chunking import Assembly

FIRST_DELAY = 0.1
_MAX_DELAY = 5.0
_NUDGES = 4


class Inbox:
    """Puts sets of one sender together, at most `limit` at a time; one of them is expected.

    Pieces may come before they are expected. The expected set is never pushed out by others.
    sets: those in the making, by digest. progressed: pieces of the expected one came since the
    last look.
    """

    def __init__(self, limit: int = 2) -> None:
        self.expected = NO_DIGEST
        self._limit = limit
        self.sets: dict[bytes, Assembly] = {}
        self._repair = Repair()
        self.progressed = False

    def expect(self, digest: bytes) -> None:
        """Expect the set of that digest from now on, and no pieces of others; empty = nothing."""
        if digest == self.expected:
            return
        self.expected = digest
        if digest:
            self.sets = {known: made for known, made in self.sets.items() if known == digest}
        self._repair = Repair()
        self.progressed = digest in self.sets

    def add(self, chunk: Chunk) -> bool:
        """Place a piece; return whether its set is whole. MessageError says why it is refused."""
        if chunk.digest not in self.sets:
            others = [digest for digest in self.sets if digest != self.expected]
            if len(self.sets) >= self._limit and others:
                del self.sets[others[0]]
            self.sets[chunk.digest] = Assembly(chunk)
        self.sets[chunk.digest].add(chunk)
        self.progressed |= chunk.digest == self.expected
        return not self.sets[chunk.digest].missing

    def take(self, digest: bytes) -> Tensors | None:
        """Return the tensors of a set once it is whole, and forget it.

        MessageError if they are not those of the digest; then they can be sent again.
        """
        assembly = self.sets.get(digest)
        if assembly is None or assembly.missing:
            return None
        del self.sets[digest]
        return assembly.tensors()

    def to_request(self) -> tuple[int, ...] | None:
        """Return the chunks to ask for now (empty = all); None if some came since the last look.

        Looks are to be `delay` apart.
        """
        progressed, self.progressed = self.progressed, False
        if progressed:
            self._repair.progressed()
            return None
        assembly = self.sets.get(self.expected)
        return self._repair.wanted(assembly.missing if assembly else ())

    @property
    def delay(self) -> float:
        """Time until the next look, s."""
        return self._repair.delay

    def forget(self) -> None:
        """Expect nothing any more."""
        self.expected = NO_DIGEST
        self.sets.clear()


class Repair:
    """Repeats requests for pieces that stopped arriving; backs off: 0.1, 0.2, 0.4 ... 5 s.

    DDS repairs a lost sample only at its writer's next heartbeat, by default after 3 s, unless the
    writer sends something before. So the first requests are for one chunk: a nudge that lets DDS
    repair the rest at once. Only when nudges do not help are all missing pieces asked for.
    """

    def __init__(self) -> None:
        self._attempts = 0

    @property
    def delay(self) -> float:
        """Time to wait before the next look, s."""
        return float(min(FIRST_DELAY * 2**self._attempts, _MAX_DELAY))

    def progressed(self) -> None:
        """Something arrived: be quick again."""
        self._attempts = 0

    def wanted(self, missing: tuple[int, ...]) -> tuple[int, ...]:
        """Return the chunks to ask for now, given the missing ones (empty = all, or unknown)."""
        self._attempts += 1
        if self._attempts <= _NUDGES:
            return missing[:1] or (0,)
        return missing
