"""One token, seen from one robot: from an offer over a majority's votes to the next offer.

Places and transitions: `learning.tram.states`. Safety rests on `learning.tram.promises` alone;
everything here may be late, repeated or lost.
"""

from __future__ import annotations

import dataclasses
import math

from iot_fl_ros.core.effects import CancelTimer, Effect, Publish, Reach, SetTimer, StartJob, Warn
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages import ChunkRequest
from iot_fl_ros.core.seeds import derive_seed
from iot_fl_ros.core.tram_messages import (
    ClaimPhase,
    TokenChunk,
    TokenClaim,
    TokenOffer,
    TokenPhase,
    TokenState,
    TokenVote,
    TramStatus,
)
from iot_fl_ros.core.transfer import Parcel
from iot_fl_ros.learning.states import Tracker
from iot_fl_ros.learning.tram.candidacy import Candidacy
from iot_fl_ros.learning.tram.context import Context
from iot_fl_ros.learning.tram.inbox import TokenInbox
from iot_fl_ros.learning.tram.jobs import KeepPromise, KeepToken, Visit, Visited
from iot_fl_ros.learning.tram.routing import plan_cycle
from iot_fl_ros.learning.tram.states import HELD, PLACE_TABLE, Place
from iot_fl_ros.learning.tram.token import Log, Token

# Parts of a lease: how long a claim may take, and how often offers and claims are repeated.
_CLAIM_PATIENCE = 0.25
_REPEAT = 0.1
# Longest visit that an offer may ask for, in cycles.
_MOST_BATCHES = 4
# Part of a lease by which waiting after a failed claim grows, at random; and how often it grows.
_BACK_OFF = 0.1
_MOST_ATTEMPTS = 8
# Part of a lease over which robots spread their claims to a token that was lost.
_SPREAD = 0.25
_CLAIM, _OFFER, _REPAIR = 'claim', 'offer', 'repair'


class Seat:
    """The place of one token at one robot. starter: the robot that begins with the token."""

    def __init__(self, token: Token, context: Context, starter: str) -> None:
        self.token = token
        self.token_id = token.token_id
        self.fence = 0
        self.tried: dict[str, float] = {}
        self._me = context
        self._starter = starter
        self._places = Tracker(PLACE_TABLE, Place.ELSEWHERE)
        self._inbox = TokenInbox()
        self._candidacy: Candidacy | None = None
        self._parcel: Parcel | None = None
        self._receiver = ''
        self._offer_log = token.log
        self._offered_at = 0.0
        self._suspected: float | None = None
        self._calm_until = 0.0
        self._attempts = 0
        self._held_since = 0.0
        self._came = False

    @property
    def place(self) -> Place:
        """Where the token is."""
        return self._places.state

    @property
    def holds(self) -> bool:
        """Whether this robot holds the token."""
        return self.place in HELD

    @property
    def state(self) -> TokenState:
        """The value for the status."""
        if self.place is Place.FINISHED:
            return TokenState.FINISHED
        return TokenState.HELD if self.holds else TokenState.ELSEWHERE

    # --- a holder offers it here ----------------------------------------------------------------

    def offered(self, offer: TokenOffer, now: float) -> list[Effect]:
        """Take an offer to this robot."""
        if offer.fence < self._me.promises.made[self.token_id].fence:
            raise MessageError('old offer', f'fence {offer.fence} was superseded')
        if len(offer.class_usage) != len(self.token.log.class_usage):
            raise MessageError('bad length', f'class_usage of {len(offer.class_usage)} classes')
        tram = self._me.settings.tram
        most = _MOST_BATCHES * max(tram.cycle_batches, tram.visit_batches)
        if offer.shares[offer.position] > most:
            raise MessageError('out of range', f'more than {most} mini-batches for one visit')
        if self.place not in (Place.ELSEWHERE, Place.RECEIVING):
            return []
        known = self._inbox.offer
        if self.place is Place.RECEIVING and known and offer.fence < known.fence:
            return []
        if self.place is Place.ELSEWHERE and self._has(offer):
            return self._claim_if_calm(now)
        repeated = self.place is Place.RECEIVING and known and known.digest == offer.digest
        self._places.go('offered')
        self._inbox.expect(offer)
        timers: list[Effect] = [] if repeated else [self._timer(_REPAIR, self._inbox.delay)]
        return timers + self._keep_if_whole(now)

    def chunk(self, chunk: TokenChunk, now: float) -> list[Effect]:
        """Take a piece of the token."""
        if self.place not in (Place.ELSEWHERE, Place.RECEIVING):
            raise MessageError('late', f'token {self.token_id} is not on its way here')
        self._inbox.add(chunk, self._me.specs)
        return self._keep_if_whole(now)

    def _has(self, offer: TokenOffer) -> bool:
        mine = self.token
        return (mine.base, mine.trained, mine.log) == (offer.fence, False, Log.of_offer(offer))

    def _keep_if_whole(self, now: float) -> list[Effect]:
        if self.place is not Place.RECEIVING:
            return []
        tensors = self._inbox.take()
        if tensors is None:
            return []
        offer = self._inbox.offer
        assert offer is not None
        self._places.go('all pieces')
        token = Token(self.token_id, offer.fence, False, Log.of_offer(offer), tensors)
        return [self._cancel(_REPAIR), StartJob(KeepToken(token))]

    def kept(self, token: Token, now: float) -> list[Effect]:
        """A copy is on disk: one that came here is claimed, one trained here goes on."""
        if self.place is Place.KEEPING and not token.trained:
            self.token = token
            self._inbox.forget()
            self._places.go('on disk')
            return self._claim(now)
        if self.place is Place.SAVING and token.base == self.fence:
            self._places.go('on disk')
            return self.onward(now)
        return []

    def not_kept(self, token: Token, error: str, now: float) -> list[Effect]:
        """A copy could not be written: do without, it is in memory."""
        warn = Warn('disk', f'token {self.token_id} is not on disk: {error}')
        if self.place is Place.KEEPING:
            self._places.go('not kept')  # the holder offers it to somebody else
            return [warn]
        return [warn, *self.kept(token, now)]

    # --- claims and votes -----------------------------------------------------------------------

    def _claim_if_calm(self, now: float) -> list[Effect]:
        if now < self._calm_until:
            return []
        self._places.go('has a copy that is wanted')
        return self._claim(now)

    def _claim(self, now: float) -> list[Effect]:
        """Ask for the right to hold the copy at hand; the place is CLAIMING."""
        me = self._me
        number = max(me.promises.next_number(self.token_id), self.token.base + 1)
        claim = TokenClaim(
            now, me.run_id, me.robot_id, self.token_id, ClaimPhase.ASK, number, self.token.base
        )
        return self._stand(claim, now)

    def _stand(self, claim: TokenClaim, now: float) -> list[Effect]:
        """Begin a phase of a claim with this robot's own vote."""
        me = self._me
        if not me.recollection.may_vote(now) or me.promises.refusal(claim, now):
            return self._give_way(now)
        patience = _CLAIM_PATIENCE * me.settings.run.lease
        me.promises.grant(claim, now, patience)
        self._candidacy = Candidacy(claim, now + patience)
        return [self._keep_promises(claim)]

    def claimed(self, claim: TokenClaim, now: float) -> list[Effect]:
        """Answer the claim of another robot; a promise is kept on disk first."""
        me = self._me
        me.promises.note(self.token_id, claim.fence)
        if not me.recollection.may_vote(now):
            return []
        if me.promises.refusal(claim, now):
            return [self._vote(claim, False, now)]
        takes = claim.phase == ClaimPhase.TAKE
        patience = (1.0 if takes else _CLAIM_PATIENCE) * me.settings.run.lease
        me.promises.grant(claim, now, patience)
        effects = self._let_go() if takes else []
        if self._candidacy is not None:
            effects += self._give_way(now)
        return [*effects, self._keep_promises(claim)]

    def promised(self, claim: TokenClaim, now: float) -> list[Effect]:
        """A promise is on disk: say so."""
        me = self._me
        if me.promises.made[self.token_id].number != claim.fence:
            return []  # a higher one was made meanwhile
        if claim.sender_id != me.robot_id:
            return [self._vote(claim, True, now)]
        if self._candidacy is None or self._candidacy.claim != claim:
            return []
        self._candidacy.votes.add(me.robot_id)
        again = self._timer(_CLAIM, _REPEAT * me.settings.run.lease)
        return self._win_if_majority(now) or [Publish(claim), again]

    def not_promised(self, claim: TokenClaim, now: float) -> list[Effect]:
        """A promise could not be kept on disk: no vote, no claim."""
        mine = self._candidacy is not None and self._candidacy.claim == claim
        return self._give_way(now) if mine else []

    def voted(self, vote: TokenVote, now: float) -> list[Effect]:
        """Take a vote, if it is for a claim of this robot."""
        self._me.promises.note(self.token_id, vote.promised)
        if vote.sender_id not in self._me.roster.robots:
            raise MessageError('not of the fleet', f'{vote.sender_id!r} has no vote')
        if self._candidacy is None or not self._candidacy.take(vote):
            return []
        roster = self._me.roster
        if self._candidacy.lost(len(roster.robots), roster.majority):
            return self._give_way(now)
        return self._win_if_majority(now)

    def _win_if_majority(self, now: float) -> list[Effect]:
        candidacy = self._candidacy
        if candidacy is None or not candidacy.won(self._me.roster.majority):
            return []
        claim = candidacy.claim
        if claim.phase == ClaimPhase.ASK:
            return self._stand(dataclasses.replace(claim, phase=ClaimPhase.TAKE), now)
        self._candidacy = None
        self._places.go('majority')
        self.fence = claim.fence
        self._attempts = 0
        self._suspected = None
        self._held_since = now
        self._came = not self.token.trained
        self.renew(now)
        return [self._cancel(_CLAIM)]

    def renew(self, now: float) -> None:
        """Renew this robot's own lease."""
        me = self._me
        me.promises.hold(self.token_id, self.fence, self._base(), me.robot_id, now)

    def _base(self) -> int:
        """Return whose result this robot's holding builds upon."""
        return self._me.promises.made[self.token_id].base

    def _give_way(self, now: float) -> list[Effect]:
        """The claim failed: leave it to others for a while, longer each time."""
        me = self._me
        self._candidacy = None
        self._places.go('no majority')
        self._attempts = min(self._attempts + 1, _MOST_ATTEMPTS)
        number = me.promises.next_number(self.token_id)
        chance = derive_seed(number, me.robot_id) / (1 << 63)
        wait = (_REPEAT + _BACK_OFF * self._attempts * chance) * me.settings.run.lease
        self._calm_until = now + wait
        return [self._timer(_CLAIM, wait)]

    def _let_go(self) -> list[Effect]:
        """Another robot was promised the token: do nothing with it any more."""
        if self._candidacy is not None:
            self._candidacy = None
        if self.place is Place.OFFERING:
            self._places.go('promised to the next')
            return [self._cancel(_OFFER)]
        if self.place in (Place.ELSEWHERE, Place.FINISHED, Place.KEEPING, Place.RECEIVING):
            return []
        self._places.go('superseded')
        return [self._cancel(_CLAIM)]

    # --- what statuses tell ---------------------------------------------------------------------

    def heard(self, status: TramStatus, now: float) -> list[Effect]:
        """Take what a robot says about this token."""
        promises = self._me.promises
        state, fence = status.token_states[self.token_id], status.fences[self.token_id]
        promises.note(self.token_id, status.promised[self.token_id])
        if state == TokenState.ELSEWHERE:
            return []
        if state == TokenState.FINISHED:
            return self._finished_elsewhere(fence, now)
        base = status.bases[self.token_id]
        superseded = fence > (self.fence if self.holds else promises.made[self.token_id].fence)
        if not promises.hold(self.token_id, fence, base, status.robot_id, now):
            return []
        self._suspected = None
        if self.place is Place.FINISHED and superseded and not self._finished_by_most(now):
            self._places.go('goes on elsewhere')
        offer = self._inbox.offer
        if self.place is Place.RECEIVING and offer and fence > offer.fence:
            self._inbox.forget()
            self._places.go('superseded')
        beaten = self._candidacy is not None and fence >= self._candidacy.claim.fence
        return self._let_go() if beaten or (self.holds and superseded) else []

    def _finished_elsewhere(self, fence: int, now: float) -> list[Effect]:
        old = fence < self._me.promises.made[self.token_id].fence
        if old and not self._finished_by_most(now):
            return []
        if self.holds and fence <= self.fence and not self._finished_by_most(now):
            return []
        effects = self._let_go() if self.holds else []
        if self.place is not Place.FINISHED:
            self._candidacy = None
            self._inbox.forget()
            self._places.go('finished elsewhere')
        return [*effects, self._cancel(_CLAIM), self._cancel(_REPAIR)]

    def _finished_by_most(self, now: float) -> bool:
        """Return whether so many are done that nobody can take the token any more."""
        return self._me.roster.finished(self.token_id, now) >= self._me.roster.majority

    def beat(self, now: float) -> list[Effect]:
        """Renew the lease of a token that is here; claim one that nobody holds."""
        if self.holds:
            self.renew(now)
            return []
        if self.place is not Place.ELSEWHERE or not self._may_claim(now):
            return []
        return self._claim_if_calm(now)

    def _may_claim(self, now: float) -> bool:
        """Return whether the token has no holder, and this robot's copy continues it."""
        me = self._me
        promise = me.promises.made[self.token_id]
        alive = me.promises.alive(self.token_id, now) and promise.holder != me.robot_id
        seen = len(me.roster.present(now)) + 1
        holder = me.roster.holder_of(self.token_id, promise.fence, now)
        if seen < me.roster.majority or holder or not me.recollection.may_vote(now):
            self._suspected = None
            return False
        if not promise.fence:
            return self._may_begin(now, seen)
        if alive or not me.promises.useful(self.token_id, self.token.base, now):
            self._suspected = None
            return False
        if self._suspected is None:
            self._suspected = now
        place = me.roster.robots.index(me.robot_id) / len(me.roster.robots)
        return now - self._suspected >= _SPREAD * me.settings.run.lease * place

    def _may_begin(self, now: float, seen: int) -> bool:
        """The starter begins when all are there; if it does not come, others do, one by one."""
        me = self._me
        robots = me.roster.robots
        if self._suspected is None:
            self._suspected = now
        waited = now - self._suspected
        if me.robot_id == self._starter:
            return seen == len(robots) or waited >= me.settings.run.start_timeout
        rank = (robots.index(me.robot_id) - robots.index(self._starter)) % len(robots)
        return waited >= me.settings.run.start_timeout + rank * me.settings.run.lease

    # --- at the holder --------------------------------------------------------------------------

    def proceed(self, now: float) -> list[Effect]:
        """The token is held and the worker is free: train, or pass it on. The place is WAITING."""
        log, me = self.token.log, self._me
        if log.position < 0 and not self.token.trained:
            return self._begin_cycle(now)
        batches = 0
        if not self.token.trained and log.route[log.position] == me.robot_id:
            batches = log.shares[log.position]
        if not batches:
            return self._pass_on('nothing to train')
        self._places.go('trains')
        after = log.updates + batches
        every = me.settings.run.test_every
        test = after // every > log.updates // every or after >= me.settings.run.updates
        reach = [Reach(TokenChunk, (self._next(now)[0],))] if self._next(now)[0] else []
        return [*reach, StartJob(Visit(self.token, self.fence, batches, test))]

    def visited(self, result: Visited, now: float) -> list[Effect]:
        """Take the trained token, unless it went on without this robot."""
        if self.place is not Place.TRAINING or result.token.base != self.fence:
            return []
        self._places.go('trained')
        log = result.token.log
        me = self._me
        row = me.row(
            'visit', self.token_id, now, fence=self.fence, base=self._base(), visit=log.visits,
            cycle=log.cycle,
            batches=log.updates - self.token.log.updates, updates=log.updates, loss=result.loss,
            accuracy=result.accuracy, seconds=result.seconds,
            held_seconds=now - self._held_since, hop=int(self._came),
            class_counts=list(result.class_counts),
        )  # fmt: skip
        self.token = result.token
        self._came = False
        return [row]

    def keep(self) -> Effect:
        """Make the trained token durable; the place is SAVING."""
        return StartJob(KeepToken(self.token))

    def failed(self, error: str, now: float) -> list[Effect]:
        """Training raised: pass the token on as it came."""
        if self.place is not Place.TRAINING:
            return []
        warn = Warn('training', f'token {self.token_id} cannot be trained here: {error}')
        return [warn, *self._pass_on('training failed')]

    def _pass_on(self, trigger: str) -> list[Effect]:
        """What came is the result of this holder too; on disk first, as if it were trained."""
        self._places.go(trigger)
        self.token = dataclasses.replace(self.token, base=self.fence, trained=True)
        return [self.keep()]

    def onward(self, now: float) -> list[Effect]:
        """Offer the token to the next robot; the place is OFFERING."""
        self.token = dataclasses.replace(self.token, base=self.fence, trained=True)
        if self._trained_enough():
            self._plan_delivery(now)
        receiver, position = self._next(now)
        if receiver:
            return self._offer(receiver, position, now)
        if self.token.log.phase == TokenPhase.DELIVERING:
            if len(self._me.roster.present(now)) + 1 < self._me.roster.majority:
                return self._wait_for_company()  # the others may have gone on without this robot
            self._places.go('tour over')
            row = self._me.row('finished', self.token_id, now, updates=self.token.log.updates)
            return [row]
        return self._begin_cycle(now)

    def _next(self, now: float) -> tuple[str, int]:
        """Return the next robot of the route that is there, and its position; '' = none."""
        log, roster = self.token.log, self._me.roster
        lease = self._me.settings.run.lease
        for position in range(log.position + 1, len(log.route)):
            robot = log.route[position]
            lately = now - self.tried.get(robot, -math.inf) <= lease
            if robot != self._me.robot_id and roster.there(robot, now) and not lately:
                return robot, position
        return '', -1

    def _begin_cycle(self, now: float) -> list[Effect]:
        """Plan visits; the place is WAITING or OFFERING."""
        me, log = self._me, self.token.log
        lease = me.settings.run.lease
        if self.place is Place.OFFERING and len(me.roster.present(now)) + 1 < me.roster.majority:
            # Nobody could take it; training on here alone would favour the classes of one robot.
            return self._wait_for_company()
        sites = {
            robot: site
            for robot, site in me.roster.sites(me.site, now).items()
            if now - self.tried.get(robot, -math.inf) > lease
        }
        plan = plan_cycle(me.settings.tram, sites, log.class_usage, me.robot_id, me.token_bytes)
        here = bool(plan.route) and plan.route[0] == me.robot_id
        # Without anybody to go to it stays until somebody comes.
        log = dataclasses.replace(
            log, cycle=log.cycle + 1, route=plan.route, shares=plan.shares,
            position=0 if here else -1,
        )  # fmt: skip
        self.token = dataclasses.replace(self.token, log=log, trained=not here)
        if here:
            if self.place is Place.OFFERING:
                self._places.go('its turn again')
            return self.proceed(now)
        if self.place is Place.WAITING:
            return self._pass_on('nothing to train')
        receiver, position = self._next(now)
        if receiver:
            return self._offer(receiver, position, now)
        return self._wait_for_company()

    def _wait_for_company(self) -> list[Effect]:
        self._receiver = ''
        return [self._timer(_OFFER, _REPEAT * self._me.settings.run.lease)]

    def _trained_enough(self) -> bool:
        run, log = self._me.settings.run, self.token.log
        reached = self._me.accuracy >= run.target and run.target < 1.0
        return log.phase == TokenPhase.TRAINING and (log.updates >= run.updates or reached)

    def _plan_delivery(self, now: float) -> None:
        """Plan a last tour to every other robot that is there."""
        me = self._me
        others = tuple(me.roster.present(now)) if me.settings.tram.deliver else ()
        route = (me.robot_id, *others)
        log = dataclasses.replace(
            self.token.log, phase=TokenPhase.DELIVERING, route=route, shares=(0,) * len(route),
            position=0,
        )  # fmt: skip
        self.token = dataclasses.replace(self.token, log=log)

    def _offer(self, receiver: str, position: int, now: float) -> list[Effect]:
        me, token = self._me, self.token
        log = dataclasses.replace(token.log, position=position)
        self._parcel = Parcel.of(token.tensors, round=log.visits, model_version=self.token_id)
        self._receiver, self._offered_at = receiver, now
        self._offer_log = log
        return [
            Reach(TokenChunk, (receiver,)),
            self._offer_message(now),
            *self._chunks(now),
            self._timer(_OFFER, _REPEAT * me.settings.run.lease),
        ]

    def _offer_message(self, now: float) -> Publish:
        me, log = self._me, self._offer_log
        assert self._parcel is not None
        offer = TokenOffer(
            now, me.run_id, me.robot_id, self._receiver, self.token_id, self.fence,
            self._parcel.digest, log.phase, log.visits, log.updates,
            log.cycle, log.route, log.shares, log.position, log.class_usage,
        )  # fmt: skip
        return Publish(offer)

    def _chunks(self, now: float, wanted: tuple[int, ...] = ()) -> list[Effect]:
        me = self._me
        assert self._parcel is not None
        chunks = self._parcel.chunks(
            TokenChunk, run_id=me.run_id, sender_id=me.robot_id, stamp=now,
            first_sequence=me.sequence, wanted=wanted,
        )  # fmt: skip
        me.sequence += len(chunks)
        return [Publish(chunk, self._receiver) for chunk in chunks]

    def asked(self, request: ChunkRequest, now: float) -> list[Effect]:
        """Send pieces again that the next robot lacks; return nothing if it asks for others."""
        mine = self._parcel is not None and request.digest == self._parcel.digest
        if not mine or self.place is not Place.OFFERING or request.sender_id != self._receiver:
            return []
        return self._chunks(now, request.missing)

    # --- timers ---------------------------------------------------------------------------------

    def timer(self, kind: str, now: float) -> list[Effect]:
        """A timer of this seat ran out."""
        if kind == _OFFER and self.place is Place.OFFERING:
            return self._offer_again(now)
        if kind == _REPAIR and self.place is Place.RECEIVING:
            return self._ask_again(now)
        if kind == _CLAIM and self._candidacy is not None:
            if now >= self._candidacy.deadline:
                return self._give_way(now)
            again = self._timer(_CLAIM, _REPEAT * self._me.settings.run.lease)
            return [Publish(self._candidacy.claim), again]
        if kind == _CLAIM and self.place is Place.ELSEWHERE and self._may_claim(now):
            return self._claim_if_calm(now)
        return []

    def _offer_again(self, now: float) -> list[Effect]:
        """Repeat the offer, or turn to another robot if that one does not take it."""
        if not self._receiver:
            return self.onward(now)
        late = now - self._offered_at > self._me.settings.tram.offer_timeout
        if late or not self._me.roster.there(self._receiver, now):
            self.tried[self._receiver] = now
            skipped = self._me.row('skipped', self.token_id, now, receiver=self._receiver)
            return [skipped, *self.onward(now)]
        again = self._timer(_OFFER, _REPEAT * self._me.settings.run.lease)
        return [self._offer_message(now), again]

    def _ask_again(self, now: float) -> list[Effect]:
        offer, me = self._inbox.offer, self._me
        assert offer is not None
        if not me.roster.there(offer.sender_id, now):
            self._places.go('superseded')
            self._inbox.forget()
            return []
        missing = self._inbox.wanted()
        again = self._timer(_REPAIR, self._inbox.delay)
        if missing is None:
            return [again]
        request = ChunkRequest(now, me.run_id, me.robot_id, offer.sender_id, offer.digest, missing)
        return [Publish(request), again]

    # --- small things ---------------------------------------------------------------------------

    def _keep_promises(self, claim: TokenClaim) -> Effect:
        # Beside the training: a fleet must not wait for the vote of a robot that computes.
        return StartJob(KeepPromise(tuple(self._me.promises.made), claim), background=True)

    def _vote(self, claim: TokenClaim, granted: bool, now: float) -> Effect:
        me = self._me
        made = me.promises.made[self.token_id]
        vote = TokenVote(
            now, me.run_id, me.robot_id, claim.sender_id, self.token_id, claim.phase, claim.fence,
            int(granted), made.number,
        )  # fmt: skip
        return Publish(vote)

    def _timer(self, kind: str, delay: float) -> Effect:
        return SetTimer(f'{kind} {self.token_id}', delay)

    def _cancel(self, kind: str) -> Effect:
        return CancelTimer(f'{kind} {self.token_id}')
