"""One token, seen from one robot: from an offer over a majority's votes to the next offer.

Places and transitions: `token.states`. Safety rests on `token.acceptor` alone;
everything here may be late, repeated or lost.
"""

from __future__ import annotations

import dataclasses
import math

from iot_fl_ros.core import effects as do
from iot_fl_ros.core.effects import Effect
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.machine import Tracker
from iot_fl_ros.core.messages import token as messages
from iot_fl_ros.core.messages.chunks import ChunkRequest
from iot_fl_ros.token.context import NodeContext
from iot_fl_ros.token.handover import OFFER, Handover, TokenInbox
from iot_fl_ros.token.itinerary import Itinerary
from iot_fl_ros.token.jobs import KeepToken, Visit, Visited
from iot_fl_ros.token.proposer import CLAIM, Proposer, Step, Takeover
from iot_fl_ros.token.states import HELD, PLACE_TABLE, Place
from iot_fl_ros.token.token import Log, Token

_REPAIR = 'repair'
# Longest visit that an offer may ask for, in cycles.
_MOST_BATCHES = 4


class TokenMachine:
    """The place of one token at one robot. starter: the robot that begins with the token."""

    def __init__(self, token: Token, context: NodeContext, starter: str) -> None:
        self.token = token
        self.token_id = token.token_id
        self.fence = 0
        self._node = context
        self._places = Tracker(PLACE_TABLE, Place.ELSEWHERE)
        self._inbox = TokenInbox()
        self._proposer = Proposer(token.token_id, context)
        self._takeover = Takeover(token.token_id, context, starter)
        self._itinerary = Itinerary(context)
        self._handover = Handover(context)
        self._held_since = 0.0
        self._came = False
        self._offered = False  # with the number that it holds
        self._stop = -1  # position of the route that was last offered to
        self._accuracy = math.nan
        self._arriving: Token | None = None

    @property
    def place(self) -> Place:
        """Place of the token."""
        return self._places.state

    @property
    def holds(self) -> bool:
        """True if this robot holds the token."""
        return self.place in HELD

    @property
    def state(self) -> messages.TokenState:
        """The value for the status."""
        if self.place is Place.FINISHED:
            return messages.TokenState.FINISHED
        return messages.TokenState.HELD if self.holds else messages.TokenState.ELSEWHERE

    # --- a holder offers it here ----------------------------------------------------------------

    def offered(self, offer: messages.TokenOffer, now: float) -> list[Effect]:
        """Take an offer to this robot."""
        self._check(offer)
        known = self._inbox.offer
        if self.place is Place.ELSEWHERE and self._has(offer):
            return self._claim(now) if self._proposer.calm(now) else []
        if self.place not in (Place.ELSEWHERE, Place.RECEIVING):
            return []
        if self.place is Place.RECEIVING and known and offer.fence < known.fence:
            return []
        repeated = self.place is Place.RECEIVING and known and known.digest == offer.digest
        self._places.go('offered')
        self._inbox.expect_offer(offer)
        timers: list[Effect] = [] if repeated else [self._repair_timer()]
        try:
            return timers + self._keep_if_whole()
        except MessageError as error:  # pieces that came before their offer; ask for right ones
            return [*timers, self._node.endpoint.refuse(offer.sender_id, error.reason, str(error))]

    def _check(self, offer: messages.TokenOffer) -> None:
        """Raise MessageError for an offer that is old, or of something else."""
        if offer.fence < self._node.acceptor.promises[self.token_id].fence:
            raise MessageError('old offer', f'fence {offer.fence} was superseded')
        if len(offer.class_usage) != len(self.token.log.class_usage):
            raise MessageError('bad length', f'class_usage of {len(offer.class_usage)} classes')
        tram = self._node.settings.tram
        most = _MOST_BATCHES * max(tram.cycle_batches, tram.visit_batches)
        if offer.shares[offer.position] > most:
            raise MessageError('out of range', f'more than {most} mini-batches for one visit')

    def chunk(self, chunk: messages.TokenChunk) -> list[Effect]:
        """Take a piece of the token."""
        if self.place not in (Place.ELSEWHERE, Place.RECEIVING):
            raise MessageError('late', f'token {self.token_id} is not on its way here')
        self._inbox.add_piece(chunk, self._node.specs)
        return self._keep_if_whole()

    def _has(self, offer: messages.TokenOffer) -> bool:
        mine = self.token
        return (mine.base, mine.trained, mine.log) == (offer.fence, False, Log.of_offer(offer))

    def _keep_if_whole(self) -> list[Effect]:
        offer = self._inbox.offer
        tensors = self._inbox.take_offered() if self.place is Place.RECEIVING else None
        if tensors is None or offer is None:
            return []
        self._places.go('all pieces')
        token = Token(self.token_id, offer.fence, False, Log.of_offer(offer), tensors)
        self._arriving = token
        # Beside the training of another token, which it may meet here.
        return [self._cancel(_REPAIR), do.StartJob(KeepToken(token), background=True)]

    def kept(self, token: Token, now: float) -> list[Effect]:
        """A copy is on disk: one that came here is claimed, one trained here goes on."""
        if self.place is Place.KEEPING and token is self._arriving:
            self.token = token
            self._inbox.forget()
            return self._claim(now, 'on disk')
        if self.place is Place.SAVING and token.base == self.fence:
            self._places.go('on disk')
            return self._onward(now)
        return []

    def not_kept(self, token: Token, error: str, now: float) -> list[Effect]:
        """A copy could not be written: leave it to others, or do with that in memory."""
        warn = do.Warn('disk', f'token {self.token_id} is not on disk: {error}')
        if self.place is Place.KEEPING and token is self._arriving:
            self._places.go('not kept')
            return [warn]
        return [warn, *self.kept(token, now)]

    # --- claims and votes -----------------------------------------------------------------------

    def _claim(self, now: float, trigger: str = 'has a copy that is wanted') -> list[Effect]:
        self._places.go(trigger)
        return self._follow(self._proposer.stand(self.token.base, now), now)

    def claimed(self, claim: messages.TokenClaim, now: float) -> list[Effect]:
        """Answer the claim of another robot."""
        granted, step = self._proposer.answer(claim, now)
        if granted and claim.phase == messages.ClaimPhase.ACCEPT:
            if self.place is Place.OFFERING:
                self._handover.taken(claim.sender_id, now)
            return [*self._let_go(), *step.effects]
        return self._follow(step, now)

    def promised(self, claim: messages.TokenClaim, now: float) -> list[Effect]:
        """A promise is on disk."""
        return self._follow(self._proposer.promised(claim, now), now)

    def not_promised(self, claim: messages.TokenClaim, now: float) -> list[Effect]:
        """A promise could not be kept on disk."""
        return self._follow(self._proposer.not_promised(claim, now), now)

    def voted(self, vote: messages.TokenVote, now: float) -> list[Effect]:
        """Take the vote of another robot."""
        return self._follow(self._proposer.voted(vote, now), now)

    def _follow(self, step: Step, now: float) -> list[Effect]:
        """Do what the proposer wants; follow a claim that has just been won or lost."""
        if (step.won or step.lost) and self.place is Place.CLAIMING:
            self._places.go('majority' if step.won else 'no majority')
            if step.won:
                self.fence = step.won.fence
                self._held_since, self._came = now, self.token is self._arriving
                self._offered, self._stop = False, self.token.log.position
                self._accuracy = math.nan
                self._renew(now)
        return step.effects

    def _renew(self, now: float) -> None:
        """Renew this robot's own lease."""
        node = self._node
        self._takeover.calm()
        node.acceptor.hold(self.token_id, self.fence, self._base(), node.robot_id, now)

    def _base(self) -> int:
        """Return whose result this robot's holding builds upon."""
        return self._node.acceptor.promises[self.token_id].base

    def _let_go(self) -> list[Effect]:
        """Another robot has the token: do nothing with it any more."""
        self._proposer.rest()
        if self.place is Place.OFFERING:
            self._places.go('promised to the next')
        elif self.holds or self.place is Place.CLAIMING:
            self._places.go('superseded')
        return [self._cancel(OFFER), self._cancel(CLAIM)]

    # --- what statuses tell ---------------------------------------------------------------------

    def heard(self, status: messages.TramStatus, now: float) -> list[Effect]:
        """Take what a robot says about this token."""
        acceptor = self._node.acceptor
        state, fence = status.token_states[self.token_id], status.fences[self.token_id]
        acceptor.note(self.token_id, status.promised[self.token_id])
        if state == messages.TokenState.ELSEWHERE:
            return []
        if state == messages.TokenState.FINISHED:
            return self._finished_elsewhere(fence, now)
        base = status.bases[self.token_id]
        newer = fence > (self.fence if self.holds else acceptor.promises[self.token_id].fence)
        if not acceptor.hold(self.token_id, fence, base, status.robot_id, now):
            return []
        self._takeover.calm()
        if self.place is Place.FINISHED and newer and not self._finished_by_most(now):
            self._places.go('goes on elsewhere')
        offer = self._inbox.offer
        if self.place is Place.RECEIVING and offer and fence > offer.fence:
            self._inbox.forget()
            self._places.go('superseded')
        beaten = 0 < self._proposer.number <= fence
        return self._let_go() if beaten or (self.holds and newer) else []

    def _finished_elsewhere(self, fence: int, now: float) -> list[Effect]:
        old = fence < self._node.acceptor.promises[self.token_id].fence
        mine = self.holds and fence <= self.fence
        if self.place is Place.FINISHED or ((old or mine) and not self._finished_by_most(now)):
            return []
        effects = self._let_go()
        self._inbox.forget()
        self._places.go('finished elsewhere')
        return [*effects, self._cancel(_REPAIR)]

    def _finished_by_most(self, now: float) -> bool:
        """Return whether so many are done that nobody can take the token any more."""
        return self._node.roster.finished(self.token_id, now) >= self._node.roster.majority

    def beat(self, now: float) -> list[Effect]:
        """Renew the lease of a token that is here; claim one that nobody holds."""
        if self.holds:
            self._renew(now)
            return []
        wanted = self.place is Place.ELSEWHERE and self._proposer.calm(now)
        if wanted and self._takeover.may_claim(self.token.base, now):
            return self._claim(now)
        return []

    # --- at the holder --------------------------------------------------------------------------

    def proceed(self, now: float) -> list[Effect]:
        """The token is held and the worker is free: train, or pass it on. The place is WAITING."""
        if self.token.log.position < 0 and not self.token.trained:
            return self._begin_cycle(now)
        log = self.token.log
        batches = 0 if self.token.trained else self._itinerary.batches_here(log)
        if not batches:
            return self._pass_on('nothing to train')
        self._places.go('trains')
        after = self._itinerary.next_stop(log, log.position, now)[0]
        reach = [do.PreparePublisher(messages.TokenChunk, (after,))] if after else []
        visit = Visit(self.token, self.fence, batches, self._itinerary.tests(log, batches))
        return [*reach, do.StartJob(visit)]

    def visited(self, result: Visited, now: float) -> list[Effect]:
        """Take the trained token, unless it went on without this robot."""
        if self.place is not Place.TRAINING or result.token.base != self.fence:
            return []
        self._places.go('trained')
        log = result.token.log
        row = self._node.row(
            'visit', self.token_id, now, fence=self.fence, base=self._base(), visit=log.visits,
            cycle=log.cycle, batches=log.updates - self.token.log.updates, updates=log.updates,
            loss=result.loss, accuracy=result.accuracy, seconds=result.seconds,
            held_seconds=now - self._held_since, hop=int(self._came),
            class_counts=list(result.class_counts),
        )  # fmt: skip
        self.token = result.token
        self._came = False
        self._accuracy = result.accuracy
        return [row]

    def keep(self) -> list[Effect]:
        """Make a token that was trained here durable, if it is to be saved."""
        return [do.StartJob(KeepToken(self.token))] if self.place is Place.SAVING else []

    def failed(self, visit: Visit, error: str) -> list[Effect]:
        """Training raised: pass the token on as it came."""
        if self.place is not Place.TRAINING or visit.fence != self.fence:
            return []
        warn = do.Warn('training', f'token {self.token_id} cannot be trained here: {error}')
        return [warn, *self._pass_on('training failed')]

    def _pass_on(self, trigger: str) -> list[Effect]:
        """Take what came as the result of this holder too, on disk first."""
        self._places.go(trigger)
        self.token = dataclasses.replace(self.token, base=self.fence, trained=True)
        return self.keep()

    def _onward(self, now: float) -> list[Effect]:
        """Offer the token to the next robot; the place is OFFERING."""
        if self._itinerary.trained_enough(self.token.log, self._accuracy):
            self._plan(self._itinerary.delivery(self.token.log, now))
        offer = self._offer_next(now)
        if offer:
            return offer
        if len(self._node.roster.present(now)) + 1 < self._node.roster.majority:
            # Nobody could take it, and the others may go on without this robot: training on here
            # would be for nothing.
            return self._handover.wait(self.token_id)
        if self.token.log.phase == messages.TokenPhase.DELIVERING:
            self._places.go('tour over')
            return [self._node.row('finished', self.token_id, now, updates=self.token.log.updates)]
        return self._begin_cycle(now)

    def _begin_cycle(self, now: float) -> list[Effect]:
        """Plan visits; the place is WAITING or OFFERING."""
        self._plan(self._itinerary.next_cycle(self.token.log, now))
        if self.token.log.position == 0:  # this robot comes first
            self.token = dataclasses.replace(self.token, trained=False)
            if self.place is Place.OFFERING and self._offered:
                # Others may have what was offered: another result needs a number of its own.
                return self._claim(now, 'its turn again, after an offer')
            if self.place is Place.OFFERING:
                self._places.go('its turn again')
            return self.proceed(now)
        if self.place is Place.WAITING:
            return self._pass_on('nothing to train')
        offer = self._offer_next(now)
        if offer:
            return offer
        return self._handover.wait(self.token_id)

    def _offer_next(self, now: float) -> list[Effect]:
        """Offer the token to the next robot of the route that is there; empty = there is none."""
        receiver, position = self._itinerary.next_stop(self.token.log, self._stop, now)
        if not receiver:
            return []
        self._stop, self._offered = position, True
        return self._handover.begin(self.token, self.fence, receiver, position, now)

    def _plan(self, log: Log) -> None:
        self._stop = log.position
        self.token = dataclasses.replace(self.token, log=log)

    def asked(self, request: ChunkRequest, now: float) -> list[Effect]:
        """Send pieces again that the next robot lacks."""
        return self._handover.asked(request, now) if self.place is Place.OFFERING else []

    # --- timers ---------------------------------------------------------------------------------

    def timer(self, kind: str, now: float) -> list[Effect]:
        """A timer of this token ran out."""
        if kind == OFFER and self.place is Place.OFFERING:
            return self._offer_again(now)
        if kind == _REPAIR and self.place is Place.RECEIVING:
            return self._ask_again(now)
        if kind == CLAIM and self.place is Place.CLAIMING:
            return self._follow(self._proposer.repeat(now), now)
        return self.beat(now) if kind == CLAIM and self.place is Place.ELSEWHERE else []

    def _offer_again(self, now: float) -> list[Effect]:
        """Repeat the offer, or turn to another robot if that one does not take it."""
        receiver = self._handover.receiver
        if not receiver:
            return self._onward(now)
        if self._handover.refused(now):
            self._itinerary.avoid(receiver, self._handover.seconds(now), now)
            skipped = self._node.row('skipped', self.token_id, now, receiver=receiver)
            return [skipped, *self._onward(now)]
        return self._handover.repeat(now)

    def _ask_again(self, now: float) -> list[Effect]:
        offer, node = self._inbox.offer, self._node
        assert offer is not None
        if not node.roster.there(offer.sender_id, now):
            self._places.go('superseded')
            self._inbox.forget()
            return []
        missing = self._inbox.to_request()
        if missing is None:
            return [self._repair_timer()]
        request = node.endpoint.request(offer.sender_id, offer.digest, missing, now)
        return [request, self._repair_timer()]

    def _repair_timer(self) -> Effect:
        return do.SetTimer(f'{_REPAIR} {self.token_id}', self._inbox.delay)

    def _cancel(self, kind: str) -> Effect:
        return do.CancelTimer(f'{kind} {self.token_id}')
