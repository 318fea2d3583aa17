"""A robot's votes about one token, and its own claims to it."""

from __future__ import annotations

import dataclasses

from iot_fl_ros.core.effects import CancelTimer, Effect, Publish, SetTimer, StartJob
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.seeds import derive_seed
from iot_fl_ros.core.tram_messages import ClaimPhase, TokenClaim, TokenVote
from iot_fl_ros.learning.tram.candidacy import Candidacy
from iot_fl_ros.learning.tram.context import REPEAT, Context
from iot_fl_ros.learning.tram.jobs import KeepPromise

CLAIM = 'claim'
# Part of a lease that a claim may take.
_PATIENCE = 0.25
# Part of a lease by which waiting after a failed claim grows, at random; and how often it grows.
_BACK_OFF = 0.1
_MOST_ATTEMPTS = 8


class Claimant:
    """Votes and claims. `won` and `lost` tell how a claim of its own ended; `rest` forgets it."""

    def __init__(self, token_id: int, context: Context) -> None:
        self.won: TokenClaim | None = None
        self.lost = False
        self._token_id = token_id
        self._me = context
        self._candidacy: Candidacy | None = None
        self._calm_until = 0.0
        self._attempts = 0

    @property
    def number(self) -> int:
        """Fencing number of this robot's open claim; 0 = there is none."""
        return self._candidacy.claim.fence if self._candidacy else 0

    def calm(self, now: float) -> bool:
        """Return whether enough time has passed since a claim failed."""
        return now >= self._calm_until

    def rest(self) -> None:
        """Forget how the last claim ended, and one that is open."""
        self._candidacy, self.won, self.lost = None, None, False

    # --- its own claims -------------------------------------------------------------------------

    def stand(self, base: int, now: float) -> list[Effect]:
        """Ask for the right to hold a copy with that base."""
        me = self._me
        number = max(me.promises.next_number(self._token_id), base + 1)
        claim = TokenClaim(
            now, me.run_id, me.robot_id, self._token_id, ClaimPhase.ASK, number, base
        )
        return self._begin(claim, now)

    def _begin(self, claim: TokenClaim, now: float) -> list[Effect]:
        """Begin a phase of a claim with this robot's own vote."""
        me = self._me
        if not me.recollection.may_vote(now) or me.promises.refusal(claim, now):
            return self._give_way(now)
        patience = _PATIENCE * me.settings.run.lease
        me.promises.grant(claim, now, patience)
        self._candidacy = Candidacy(claim, now + patience)
        # In case its disk is too slow for the claim.
        return [self._keep(claim), self._timer(patience)]

    def voted(self, vote: TokenVote, now: float) -> list[Effect]:
        """Take a vote, if it is for a claim of this robot."""
        me = self._me
        if vote.sender_id not in me.roster.robots:
            raise MessageError('not of the fleet', f'{vote.sender_id!r} has no vote')
        me.promises.note(self._token_id, vote.promised)
        if self._candidacy is None or not self._candidacy.take(vote):
            return []
        if self._candidacy.lost(len(me.roster.robots), me.roster.majority):
            return self._give_way(now)
        return self._go_on_if_majority(now)

    def repeat(self, now: float) -> list[Effect]:
        """The timer of claims ran out: ask again those that did not answer, or give way."""
        if self._candidacy is None:
            return []
        if now >= self._candidacy.deadline:
            return self._give_way(now)
        again = self._timer(REPEAT * self._me.settings.run.lease)
        # Before its own promise is on disk nobody may hear of the claim.
        promised = self._me.robot_id in self._candidacy.votes
        return [Publish(self._candidacy.claim), again] if promised else [again]

    def _go_on_if_majority(self, now: float) -> list[Effect]:
        if self._candidacy is None or not self._candidacy.won(self._me.roster.majority):
            return []
        claim = self._candidacy.claim
        if claim.phase == ClaimPhase.ASK:
            return self._begin(dataclasses.replace(claim, phase=ClaimPhase.TAKE), now)
        self._candidacy, self.won = None, claim
        self._attempts = 0
        return [CancelTimer(f'{CLAIM} {self._token_id}')]

    def _give_way(self, now: float) -> list[Effect]:
        """The claim failed: leave it to others for a while, longer each time."""
        me = self._me
        self._candidacy, self.lost = None, True
        self._attempts = min(self._attempts + 1, _MOST_ATTEMPTS)
        # Differently long for each robot, or they would get in each other's way again.
        number = me.promises.next_number(self._token_id)
        chance = derive_seed(number, me.robot_id) / (1 << 63)
        wait = (REPEAT + _BACK_OFF * self._attempts * chance) * me.settings.run.lease
        self._calm_until = now + wait
        return [self._timer(wait)]

    # --- votes ----------------------------------------------------------------------------------

    def answer(self, claim: TokenClaim, now: float) -> tuple[bool, list[Effect]]:
        """Answer the claim of another robot; return whether it is granted, too.

        A promise is kept on disk before the vote is sent. It ends a claim of this robot's own.
        """
        me = self._me
        me.promises.note(self._token_id, claim.fence)
        if not me.recollection.may_vote(now):
            return False, []
        if me.promises.refusal(claim, now):
            return False, [self._vote(claim, False, now)]
        takes = claim.phase == ClaimPhase.TAKE
        me.promises.grant(claim, now, (1.0 if takes else _PATIENCE) * me.settings.run.lease)
        effects = self._give_way(now) if self._candidacy else []
        return True, [*effects, self._keep(claim)]

    def promised(self, claim: TokenClaim, now: float) -> list[Effect]:
        """A promise is on disk: say so."""
        me = self._me
        if me.promises.made[self._token_id].number != claim.fence:
            return []  # a higher one was made meanwhile
        if claim.sender_id != me.robot_id:
            return [self._vote(claim, True, now)]
        if self._candidacy is None or self._candidacy.claim != claim:
            return []
        self._candidacy.votes.add(me.robot_id)
        again = self._timer(REPEAT * me.settings.run.lease)
        return self._go_on_if_majority(now) or [Publish(claim), again]

    def not_promised(self, claim: TokenClaim, now: float) -> list[Effect]:
        """A promise could not be kept on disk: no vote, no claim."""
        mine = self._candidacy is not None and self._candidacy.claim == claim
        return self._give_way(now) if mine else []

    def _keep(self, claim: TokenClaim) -> Effect:
        # Beside the training: a fleet must not wait for the vote of a robot that computes.
        return StartJob(KeepPromise(tuple(self._me.promises.made), claim), background=True)

    def _vote(self, claim: TokenClaim, granted: bool, now: float) -> Effect:
        me = self._me
        vote = TokenVote(
            now, me.run_id, me.robot_id, claim.sender_id, self._token_id, claim.phase,
            claim.fence, int(granted), me.promises.made[self._token_id].number,
        )  # fmt: skip
        return Publish(vote)

    def _timer(self, delay: float) -> Effect:
        return SetTimer(f'{CLAIM} {self._token_id}', delay)
