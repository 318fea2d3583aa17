"""The hand-over of a token: offered by its holder, received by the next robot."""

from __future__ import annotations

import dataclasses

from iot_fl_ros.core.effects import Effect, PreparePublisher, Publish, SetTimer
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.chunks import ChunkRequest
from iot_fl_ros.core.messages.token import TokenChunk, TokenOffer
from iot_fl_ros.core.tensors import Tensors, TensorSpec, all_allowed
from iot_fl_ros.exchange.chunking import Parcel
from iot_fl_ros.exchange.inbox import Inbox
from iot_fl_ros.token.context import REPEAT, NodeContext
from iot_fl_ros.token.token import Token, check_token

OFFER = 'offer'


class Handover:
    """Offers a token to one robot at a time. receiver: '' = nobody is there to offer it to."""

    def __init__(self, context: NodeContext) -> None:
        self.receiver = ''
        self._node = context
        self._offer: TokenOffer | None = None
        self._parcel: Parcel | None = None
        self._since = 0.0

    def begin(
        self, token: Token, fence: int, receiver: str, position: int, now: float
    ) -> list[Effect]:
        """Offer a token, and send it, to the robot at that position of its route."""
        node, log = self._node, dataclasses.replace(token.log, position=position)
        self._parcel = Parcel.of(token.tensors, token_id=token.token_id, visits=log.visits)
        self.receiver, self._since = receiver, now
        self._offer = TokenOffer(
            **node.endpoint.head(now),
            receiver_id=receiver,
            token_id=token.token_id,
            fence=fence,
            digest=self._parcel.digest,
            **vars(log),
        )
        reach = PreparePublisher(TokenChunk, (receiver,))
        return [reach, Publish(self._offer), *self._chunks(now), self._timer(token.token_id)]

    def wait(self, token_id: int) -> list[Effect]:
        """There is nobody to offer it to: look again in a while."""
        self.receiver = ''
        return [self._timer(token_id)]

    def seconds(self, now: float) -> float:
        """Return for how long the token has been offered to the receiver."""
        return now - self._since

    def refused(self, now: float) -> bool:
        """Return whether the receiver has gone, or takes too long."""
        late = self.seconds(now) > self._node.settings.tram.offer_timeout
        return late or not self._node.roster.there(self.receiver, now)

    def repeat(self, now: float) -> list[Effect]:
        """Say again that the token is offered; the receiver asks for pieces that it lacks."""
        assert self._offer is not None
        self._offer = dataclasses.replace(self._offer, stamp=now)
        return [Publish(self._offer), self._timer(self._offer.token_id)]

    def asked(self, request: ChunkRequest, now: float) -> list[Effect]:
        """Send pieces again, if the receiver asks for those of this token."""
        mine = self._parcel is not None and request.digest == self._parcel.digest
        if not mine or request.sender_id != self.receiver:
            return []
        return self._chunks(now, request.missing)

    def taken(self, robot_id: str, now: float) -> None:
        """A robot takes the token: if it is the receiver, that tells how fast the link is."""
        if robot_id == self.receiver and now > self._since:
            self._node.measure_link(robot_id, self.seconds(now))

    def _chunks(self, now: float, wanted: tuple[int, ...] = ()) -> list[Effect]:
        assert self._parcel is not None
        return self._node.endpoint.send(
            TokenChunk, self._parcel, now, wanted=wanted, to=self.receiver
        )

    def _timer(self, token_id: int) -> Effect:
        return SetTimer(f'{OFFER} {token_id}', REPEAT * self._node.settings.run.lease)


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
