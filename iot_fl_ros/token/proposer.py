"""A robot as a proposer: its votes about one token, its claims to it, and when it may claim."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from iot_fl_ros.core.effects import CancelTimer, Effect, Publish, SetTimer, StartJob
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.token import ClaimPhase, TokenClaim, TokenVote
from iot_fl_ros.core.seeds import derive_seed
from iot_fl_ros.token.context import REPEAT, NodeContext
from iot_fl_ros.token.jobs import KeepPromise

CLAIM = 'claim'
# Part of a lease that a claim may take.
_PATIENCE = 0.25
# Part of a lease by which waiting after a failed claim grows, at random; and how often it grows.
_BACK_OFF = 0.1
_MOST_ATTEMPTS = 8
# Part of a lease over which robots spread their claims to a token that was lost.
_SPREAD = 0.25


@dataclass
class Ballot:
    """One claim. deadline: when votes are of no use any more."""

    claim: TokenClaim
    deadline: float
    votes: set[str] = field(default_factory=set)
    refusals: set[str] = field(default_factory=set)

    def take(self, vote: TokenVote) -> bool:
        """Take a vote; return whether it is for this claim."""
        claim = self.claim
        mine = (claim.sender_id, claim.fence, claim.phase)
        if (vote.candidate_id, vote.fence, vote.phase) != mine:
            return False
        (self.votes if vote.granted else self.refusals).add(vote.sender_id)
        return True

    def won(self, majority: int) -> bool:
        """Return whether enough robots promised, itself among them."""
        return self.claim.sender_id in self.votes and len(self.votes) >= majority

    def lost(self, robots: int, majority: int) -> bool:
        """Return whether too many robots refused."""
        return len(self.refusals - self.votes) > robots - majority


@dataclass(frozen=True)
class Step:
    """Effects of a step, and how a claim of this robot's own ended, if it did.

    won: the claim that a majority has accepted; lost: there is no majority for it.
    """

    effects: list[Effect]
    won: TokenClaim | None = None
    lost: bool = False


class Proposer:
    """Votes and claims about one token; `rest` forgets a claim that is open."""

    def __init__(self, token_id: int, context: NodeContext) -> None:
        self._token_id = token_id
        self._node = context
        self._ballot: Ballot | None = None
        self._calm_until = 0.0
        self._attempts = 0

    @property
    def number(self) -> int:
        """Fencing number of this robot's open claim; 0 = there is none."""
        return self._ballot.claim.fence if self._ballot else 0

    def calm(self, now: float) -> bool:
        """Return whether enough time has passed since a claim failed."""
        return now >= self._calm_until

    def rest(self) -> None:
        """Forget a claim that is open."""
        self._ballot = None

    # --- its own claims -------------------------------------------------------------------------

    def stand(self, base: int, now: float) -> Step:
        """Ask for the right to hold a copy with that base."""
        node = self._node
        number = max(node.acceptor.next_number(self._token_id), base + 1)
        claim = TokenClaim(
            **node.endpoint.head(now),
            token_id=self._token_id,
            phase=ClaimPhase.PREPARE,
            fence=number,
            base=base,
        )
        return self._begin(claim, now)

    def _begin(self, claim: TokenClaim, now: float) -> Step:
        """Begin a phase of a claim with this robot's own vote."""
        node = self._node
        if not node.recovery.may_vote(now) or node.acceptor.refusal(claim, now):
            return self._give_way(now)
        patience = _PATIENCE * node.settings.run.lease
        node.acceptor.grant(claim, now, patience)
        self._ballot = Ballot(claim, now + patience)
        # In case its disk is too slow for the claim.
        return Step([self._keep(claim), self._timer(patience)])

    def voted(self, vote: TokenVote, now: float) -> Step:
        """Take a vote, if it is for a claim of this robot."""
        node = self._node
        if vote.sender_id not in node.roster.robots:
            raise MessageError('not of the fleet', f'{vote.sender_id!r} has no vote')
        node.acceptor.note(self._token_id, vote.promised)
        if self._ballot is None or not self._ballot.take(vote):
            return Step([])
        if self._ballot.lost(len(node.roster.robots), node.roster.majority):
            return self._give_way(now)
        return self._go_on_if_majority(now) or Step([])

    def repeat(self, now: float) -> Step:
        """The timer of claims ran out: ask again those that did not answer, or give way."""
        if self._ballot is None:
            return Step([])
        if now >= self._ballot.deadline:
            return self._give_way(now)
        again = self._timer(REPEAT * self._node.settings.run.lease)
        # Before its own promise is on disk nobody may hear of the claim.
        promised = self._node.robot_id in self._ballot.votes
        return Step([Publish(self._ballot.claim), again] if promised else [again])

    def _go_on_if_majority(self, now: float) -> Step | None:
        if self._ballot is None or not self._ballot.won(self._node.roster.majority):
            return None
        claim = self._ballot.claim
        if claim.phase == ClaimPhase.PREPARE:
            return self._begin(dataclasses.replace(claim, phase=ClaimPhase.ACCEPT), now)
        self._ballot, self._attempts = None, 0
        return Step([CancelTimer(f'{CLAIM} {self._token_id}')], won=claim)

    def _give_way(self, now: float) -> Step:
        """The claim failed: leave it to others for a while, longer each time."""
        node = self._node
        self._ballot = None
        self._attempts = min(self._attempts + 1, _MOST_ATTEMPTS)
        # Differently long for each robot, or they would get in each other's way again.
        number = node.acceptor.next_number(self._token_id)
        chance = derive_seed(number, node.robot_id) / (1 << 63)
        wait = (REPEAT + _BACK_OFF * self._attempts * chance) * node.settings.run.lease
        self._calm_until = now + wait
        return Step([self._timer(wait)], lost=True)

    # --- votes ----------------------------------------------------------------------------------

    def answer(self, claim: TokenClaim, now: float) -> tuple[bool, Step]:
        """Answer the claim of another robot; return whether it is granted, too.

        A promise is kept on disk before the vote is sent. It ends a claim of this robot's own.
        """
        node = self._node
        node.acceptor.note(self._token_id, claim.fence)
        if not node.recovery.may_vote(now):
            return False, Step([])
        if node.acceptor.refusal(claim, now):
            return False, Step([self._vote(claim, False, now)])
        accepted = claim.phase == ClaimPhase.ACCEPT
        node.acceptor.grant(claim, now, (1.0 if accepted else _PATIENCE) * node.settings.run.lease)
        own = self._give_way(now) if self._ballot else Step([])
        return True, dataclasses.replace(own, effects=[*own.effects, self._keep(claim)])

    def promised(self, claim: TokenClaim, now: float) -> Step:
        """A promise is on disk: say so."""
        node = self._node
        if node.acceptor.promises[self._token_id].number != claim.fence:
            return Step([])  # a higher one was made meanwhile
        if claim.sender_id != node.robot_id:
            return Step([self._vote(claim, True, now)])
        if self._ballot is None or self._ballot.claim != claim:
            return Step([])
        self._ballot.votes.add(node.robot_id)
        again = self._timer(REPEAT * node.settings.run.lease)
        return self._go_on_if_majority(now) or Step([Publish(claim), again])

    def not_promised(self, claim: TokenClaim, now: float) -> Step:
        """A promise could not be kept on disk: no vote, no claim."""
        mine = self._ballot is not None and self._ballot.claim == claim
        return self._give_way(now) if mine else Step([])

    def _keep(self, claim: TokenClaim) -> Effect:
        # Beside the training: a fleet must not wait for the vote of a robot that computes.
        return StartJob(KeepPromise(tuple(self._node.acceptor.promises), claim), background=True)

    def _vote(self, claim: TokenClaim, granted: bool, now: float) -> Effect:
        node = self._node
        vote = TokenVote(
            **node.endpoint.head(now),
            candidate_id=claim.sender_id,
            token_id=self._token_id,
            phase=claim.phase,
            fence=claim.fence,
            granted=int(granted),
            promised=node.acceptor.promises[self._token_id].number,
        )
        return Publish(vote)

    def _timer(self, delay: float) -> Effect:
        return SetTimer(f'{CLAIM} {self._token_id}', delay)


class Takeover:
    """Watches one token from a robot that does not hold it. starter: who begins with it."""

    def __init__(self, token_id: int, context: NodeContext, starter: str) -> None:
        self._token_id = token_id
        self._node = context
        self._starter = starter
        self._since: float | None = None

    def calm(self) -> None:
        """The token has a holder."""
        self._since = None

    def may_claim(self, base: int, now: float) -> bool:
        """Return whether the token has no holder, and a copy with that base continues it."""
        node = self._node
        promise = node.acceptor.promises[self._token_id]
        seen = len(node.roster.present(now)) + 1
        held = node.roster.holder_of(self._token_id, promise.fence, now)
        if seen < node.roster.majority or held or not node.recovery.may_vote(now):
            self._since = None
            return False
        if not promise.fence:
            return self._may_begin(now, seen)
        mine = promise.holder == node.robot_id  # before a restart
        alive = node.acceptor.alive(self._token_id, now) and not mine
        if alive or not node.acceptor.useful(self._token_id, base, now):
            self._since = None
            return False
        place = node.roster.robots.index(node.robot_id) / len(node.roster.robots)
        return self._waited(now) >= _SPREAD * node.settings.run.lease * place

    def _may_begin(self, now: float, seen: int) -> bool:
        """The starter begins when all are there; if it does not come, others do, one by one."""
        node, run = self._node, self._node.settings.run
        robots = node.roster.robots
        waited = self._waited(now)
        if node.robot_id == self._starter:
            return seen == len(robots) or waited >= run.start_timeout
        rank = (robots.index(node.robot_id) - robots.index(self._starter)) % len(robots)
        return waited >= run.start_timeout + rank * run.lease

    def _waited(self, now: float) -> float:
        if self._since is None:
            self._since = now
        return now - self._since
