"""The pieces of a token that is offered to this robot."""

from __future__ import annotations

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.token import TokenChunk, TokenOffer
from iot_fl_ros.core.tensors import Tensors, TensorSpec, all_allowed
from iot_fl_ros.exchange.inbox import Inbox
from iot_fl_ros.token.token import check_token


class TokenInbox(Inbox):
    """Collects the tensors of the token that `offer` announces."""

    def __init__(self) -> None:
        super().__init__()
        self.offer: TokenOffer | None = None

    def expect_offer(self, offer: TokenOffer) -> None:
        """Take an offer; pieces of others are of no use any more."""
        self.offer = offer
        self.expect(offer.digest)

    def add_piece(self, chunk: TokenChunk, specs: tuple[TensorSpec, ...]) -> None:
        """Place a piece; MessageError says why it is refused."""
        if not all_allowed(specs, chunk.specs):
            raise MessageError('wrong tensors', f'{chunk.specs} is no token of this run')
        self.add(chunk)

    def take_offered(self) -> Tensors | None:
        """Return the tensors of the offer once they are whole; MessageError if they are wrong."""
        tensors = self.take(self.offer.digest) if self.offer else None
        if tensors is not None:
            check_token(tensors)
        return tensors

    def forget(self) -> None:
        """Expect nothing any more."""
        super().forget()
        self.offer = None
