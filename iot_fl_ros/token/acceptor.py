"""Promises of a robot about each token: the rules that keep a token from being forked.

They are those of Paxos (Lamport, 2001), with a majority of all robots of the fleet.

To hold a token with a fencing number a robot first asks for it (PREPARE): each robot promises a
number to one robot only, and takes part in no lower one afterwards. Who has the promises of more
than half then takes the token (ACCEPT): each robot accepts that unless it has promised a higher
number, and who is accepted by more than half acts. Two majorities share a robot, so nobody else
can act with the same number, and who held with a lower one cannot pass its token on any more.

A copy of a token is the result of the holder with fencing number `base` (0 = the initial model).
Having accepted (fence, base) a robot takes two kinds of copies only: the same result again (the
holder died), or the result of that holder or of a later one. Whatever a forgotten holder still
makes of an older copy is neither, and is refused for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.token import ClaimPhase, TokenClaim

# Nobody who claims again and again gets so far ahead of the others.
_MOST_AHEAD = 1 << 40


@dataclass(frozen=True)
class Promise:
    """About one token: the highest number promised, and to whom; the holder accepted last.

    Fence 0 = the token has not begun.
    """

    number: int = 0
    to: str = ''
    fence: int = 0
    base: int = 0
    holder: str = ''

    def allows(self, base: int) -> bool:
        """Return whether a copy with that base continues the token."""
        return base == self.base or base >= self.fence


class Acceptor:
    """The promises of one robot, and when it last heard of each token's holder.

    give_up: time without a holder after which any copy will do, s; 0 = never.
    """

    def __init__(self, tokens: int, lease: float, give_up: float) -> None:
        self._lease = lease
        self._give_up = give_up
        self.promises = [Promise() for _ in range(tokens)]
        self._heard = [0.0] * tokens
        self._alive_until = [0.0] * tokens
        self._highest = [0] * tokens

    def start(self, now: float) -> None:
        """Begin: whoever holds a token has a lease to show it."""
        self._heard = [now] * len(self.promises)
        self._alive_until = [now + self._lease] * len(self.promises)

    def refusal(self, claim: TokenClaim, now: float) -> str:
        """Return why the claim cannot be granted; empty = it can."""
        mine = self.promises[claim.token_id]
        promised = (mine.number, mine.to) == (claim.fence, claim.sender_id)
        if claim.fence < mine.number or (claim.fence == mine.number and not promised):
            return f'{mine.number} is promised to {mine.to}'
        if claim.phase == ClaimPhase.ACCEPT or promised:
            return ''
        if not (mine.allows(claim.base) or self._given_up(claim.token_id, now)):
            return f'base {claim.base} does not continue ({mine.fence}, {mine.base})'
        handed_over = claim.base >= mine.fence
        if not handed_over and claim.sender_id != mine.holder and self.alive(claim.token_id, now):
            return f'{mine.holder} holds the token'
        return ''

    def grant(self, claim: TokenClaim, now: float, patience: float) -> None:
        """Promise or accept what was claimed; the robot has `patience` s to go on."""
        token_id = claim.token_id
        mine = replace(self.promises[token_id], number=claim.fence, to=claim.sender_id)
        if claim.phase == ClaimPhase.ACCEPT:
            mine = replace(mine, fence=claim.fence, base=claim.base, holder=claim.sender_id)
            self._heard[token_id] = now
        self.promises[token_id] = mine
        self.note(token_id, claim.fence)
        self._alive_until[token_id] = max(self._alive_until[token_id], now + patience)

    def hold(self, token_id: int, fence: int, base: int, holder: str, now: float) -> bool:
        """Take note of a holder that a majority has accepted; return False if it is an old one."""
        mine = self.promises[token_id]
        self.note(token_id, fence)
        if fence < mine.fence:
            return False
        self.promises[token_id] = replace(mine, fence=fence, base=base, holder=holder)
        self._heard[token_id] = now
        self._alive_until[token_id] = now + self._lease
        return True

    def learn(self, token_id: int, number: int, fence: int, base: int) -> None:
        """Take over what another robot has promised and accepted; for one that has forgotten."""
        mine = self.promises[token_id]
        if number > mine.number:
            mine = replace(mine, number=number, to='')
        if fence > mine.fence:
            mine = replace(mine, fence=fence, base=base, holder='')
        self.promises[token_id] = mine

    def note(self, token_id: int, number: int) -> None:
        """Take note of a number that somebody has promised; MessageError for an absurd one."""
        if number > self._highest[token_id] + _MOST_AHEAD:
            raise MessageError('out of range', f'number {number} is far ahead of all others')
        self._highest[token_id] = max(self._highest[token_id], number)

    def next_number(self, token_id: int) -> int:
        """Return a fencing number above all that were heard of."""
        return max(self._highest[token_id], self.promises[token_id].number) + 1

    def alive(self, token_id: int, now: float) -> bool:
        """Return whether the token has a holder as far as this robot can know."""
        return now <= self._alive_until[token_id]

    def useful(self, token_id: int, base: int, now: float) -> bool:
        """Return whether a copy with that base may become the token."""
        return self.promises[token_id].allows(base) or self._given_up(token_id, now)

    def _given_up(self, token_id: int, now: float) -> bool:
        return bool(self._give_up) and now - self._heard[token_id] > self._give_up


class Recovery:
    """A robot with a record on disk may vote at once. One without waits for a lease, and listens.

    What it then knows of at least half of the fleet tells every promise that it can have made
    before, if messages take less than a quarter of a lease and the others have not forgotten too:
    claims that it voted for are void or known to one of those it heard.
    """

    def __init__(self, robot_id: str, robots: tuple[str, ...], lease: float) -> None:
        self._others = set(robots) - {robot_id}
        # Smallest set that meets every majority this robot can have voted in.
        self._enough = min(len(robots) - len(robots) // 2, len(self._others))
        self._lease = lease
        self._heard: set[str] = set()
        self._started = 0.0
        self.remembers = False

    def start(self, now: float, *, remembers: bool) -> None:
        """Begin; remembers: there is a record of former promises."""
        self._started = now
        self.remembers = remembers

    def hear(self, robot_id: str, now: float) -> None:
        """Take note of a status; early ones may have been sent before this robot started."""
        if robot_id in self._others and now - self._started > self._lease / 2:
            self._heard.add(robot_id)

    def may_vote(self, now: float) -> bool:
        """Return whether a vote of this robot cannot contradict one that it forgot."""
        if now - self._started > self._lease and len(self._heard) >= self._enough:
            self.remembers = True
        return self.remembers
