"""The pieces of a token that is offered to this robot."""

from __future__ import annotations

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.repair import FIRST_DELAY, Repair
from iot_fl_ros.core.tensors import Tensors, TensorSpec, all_allowed
from iot_fl_ros.core.tram_messages import TokenChunk, TokenOffer
from iot_fl_ros.core.transfer import Assembly
from iot_fl_ros.learning.tram.token import check_token

# Sets in the making: of the offer, and one that came before its offer.
_MAX_SETS = 2


class TokenInbox:
    """Collects the tensors of one token; asks again for pieces that do not come."""

    def __init__(self) -> None:
        self.offer: TokenOffer | None = None
        self._sets: dict[bytes, Assembly] = {}
        self._repair = Repair()

    def expect(self, offer: TokenOffer) -> None:
        """Take an offer; pieces of others are of no use any more."""
        if self.offer is None or self.offer.digest != offer.digest:
            self._repair = Repair()
        self.offer = offer
        self._sets = {d: s for d, s in self._sets.items() if d == offer.digest}

    def add(self, chunk: TokenChunk, specs: tuple[TensorSpec, ...]) -> None:
        """Place a piece; MessageError says why it is refused."""
        if not all_allowed(specs, chunk.specs):
            raise MessageError('wrong tensors', f'{chunk.specs} is no token of this run')
        if chunk.digest not in self._sets:
            if len(self._sets) >= _MAX_SETS:
                wanted = self.offer.digest if self.offer else b''
                del self._sets[next(d for d in self._sets if d != wanted)]
            self._sets[chunk.digest] = Assembly(chunk)
        self._sets[chunk.digest].add(chunk)

    def take(self) -> Tensors | None:
        """Return the tensors of the offer once they are whole; MessageError if they are wrong."""
        if self.offer is None or self.offer.digest not in self._sets:
            return None
        assembly = self._sets[self.offer.digest]
        if assembly.missing:
            return None
        del self._sets[self.offer.digest]
        tensors = assembly.tensors()
        check_token(tensors)
        return tensors

    def wanted(self) -> tuple[int, ...] | None:
        """Return the pieces to ask for now; None if some came since the last look."""
        assert self.offer is not None
        assembly = self._sets.get(self.offer.digest)
        if assembly is not None and assembly.progressed:
            assembly.progressed = False
            self._repair.progressed()
            return None
        return self._repair.wanted(assembly.missing if assembly else ())

    @property
    def delay(self) -> float:
        """Time until the next look, s."""
        return max(FIRST_DELAY, self._repair.delay)

    def forget(self) -> None:
        """Expect nothing any more."""
        self.offer = None
        self._sets.clear()
