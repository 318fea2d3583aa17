"""The hand-over of a token, at its holder."""

from __future__ import annotations

import dataclasses

from iot_fl_ros.core.effects import Effect, Publish, Reach, SetTimer
from iot_fl_ros.core.messages import ChunkRequest
from iot_fl_ros.core.tram_messages import TokenChunk, TokenOffer
from iot_fl_ros.core.transfer import Parcel
from iot_fl_ros.learning.tram.context import REPEAT, Context
from iot_fl_ros.learning.tram.token import Token

OFFER = 'offer'


class Offering:
    """Offers a token to one robot at a time. receiver: '' = nobody is there to offer it to."""

    def __init__(self, context: Context) -> None:
        self.receiver = ''
        self._me = context
        self._offer: TokenOffer | None = None
        self._parcel: Parcel | None = None
        self._since = 0.0

    def begin(
        self, token: Token, fence: int, receiver: str, position: int, now: float
    ) -> list[Effect]:
        """Offer a token, and send it, to the robot at that position of its route."""
        me, log = self._me, token.log
        self._parcel = Parcel.of(token.tensors, round=log.visits, model_version=token.token_id)
        self.receiver, self._since = receiver, now
        self._offer = TokenOffer(
            now, me.run_id, me.robot_id, receiver, token.token_id, fence, self._parcel.digest,
            log.phase, log.visits, log.updates, log.cycle, log.route, log.shares, position,
            log.class_usage,
        )  # fmt: skip
        reach = Reach(TokenChunk, (receiver,))
        return [reach, Publish(self._offer), *self._chunks(now), self._timer(token.token_id)]

    def wait(self, token_id: int) -> list[Effect]:
        """There is nobody to offer it to: look again in a while."""
        self.receiver = ''
        return [self._timer(token_id)]

    def refused(self, now: float) -> bool:
        """Return whether the receiver has gone, or takes too long."""
        late = now - self._since > self._me.settings.tram.offer_timeout
        return late or not self._me.roster.there(self.receiver, now)

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
            self._me.measure_link(robot_id, now - self._since)

    def _chunks(self, now: float, wanted: tuple[int, ...] = ()) -> list[Effect]:
        me = self._me
        assert self._parcel is not None
        chunks = self._parcel.chunks(
            TokenChunk, run_id=me.run_id, sender_id=me.robot_id, stamp=now,
            first_sequence=me.sequence, wanted=wanted,
        )  # fmt: skip
        me.sequence += len(chunks)
        return [Publish(chunk, self.receiver) for chunk in chunks]

    def _timer(self, token_id: int) -> Effect:
        return SetTimer(f'{OFFER} {token_id}', REPEAT * self._me.settings.run.lease)
