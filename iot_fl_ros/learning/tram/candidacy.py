"""A robot's own claim to a token, and the votes for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from iot_fl_ros.core.tram_messages import TokenClaim, TokenVote


@dataclass
class Candidacy:
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
