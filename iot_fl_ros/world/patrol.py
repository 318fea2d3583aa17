"""Drives a robot along waypoints: a state machine, poses in, velocities out, no I/O.

TURN towards a waypoint, DRIVE there, LOOK around once if the waypoint says so; who does not get on
goes BACK a little and tries again; END when there is no waypoint left.
"""

from __future__ import annotations

import enum
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from iot_fl_ros.core.config import setting
from iot_fl_ros.world.poses import turn_between
from iot_fl_ros.world.routes import Waypoint

_ARRIVED = 0.08  # m
_ALIGNED = 0.12  # rad
_ASTRAY = 0.6  # rad off course, from which on it stops to turn
_STEERING = 1.6  # rad/s of turn for each rad off course; more would sway when commands come late
_BRAKING = 1.2  # m/s of speed for each m to go
_SLOWEST = 0.08  # m/s
_SLOWEST_TURN = 0.15  # rad/s
_BACK_SPEED, _BACK_TIME = 0.15, 1.5  # m/s, s
_STUCK_TIME, _STUCK_WAY, _STUCK_TURN = 3.0, 0.05, 0.1  # s, m, rad
_FAILURES = 2  # times of being stuck on the way to a waypoint until something else is tried


@dataclass(frozen=True)
class PatrolSettings:
    """Settings of a patrol."""

    route: list[str] = setting(
        [], 'Rooms to visit in order, 0 to 3; empty = the one where the robot is.'
    )
    loops: int = setting(1, 'How many times to do the route; 0 = for ever.', minimum=0)
    speed: float = setting(0.6, 'Speed, m/s.', minimum=0.05, maximum=0.6)
    turn_rate: float = setting(1.4, 'Turn rate, rad/s.', minimum=0.2, maximum=3.0)
    pose_topic: str = setting('ground_truth', 'Where the robot is in the world: Odometry.')
    wait_for: str = setting(
        '', 'Latched Bool topic that must become true before the robot drives; empty = none.'
    )
    exit_when_finished: bool = setting(True, 'End the process at the end of the route.')


class State(enum.Enum):
    """States of a patrol."""

    TURN = 'turn'
    DRIVE = 'drive'
    LOOK = 'look'
    BACK = 'back'
    END = 'end'


@dataclass(frozen=True)
class Velocity:
    """A command: speed ahead, m/s, and turn rate, rad/s."""

    linear: float
    angular: float


STOP = Velocity(0.0, 0.0)
# From x, y to a waypoint in another way than straight.
Detour = Callable[[float, float, Waypoint], Iterable[Waypoint]]


class Patrol:
    """One robot on its way. Give it each pose that arrives; it says how to drive on.

    Who is stuck backs off and tries again, then takes the detour (another robot may have pushed it
    through a door), and at last gives the waypoint up.
    """

    def __init__(
        self, waypoints: Iterator[Waypoint], speed: float, turn_rate: float, detour: Detour
    ) -> None:
        self._waypoints = waypoints
        self._detour = detour
        self._failures = 0  # on the way to the goal
        self._detoured: Waypoint | None = None
        self._speed, self._turn_rate = speed, turn_rate
        self._goal: Waypoint | None = None
        self.state = State.TURN
        self._since = 0.0  # when this state began
        self._now = -math.inf
        self._yaw = self._turned = 0.0
        self._mark: tuple[float, float, float, float] | None = None  # where and when it got on

    @property
    def finished(self) -> bool:
        """True if there is nowhere left to go."""
        return self.state is State.END

    def handle(self, x: float, y: float, yaw: float, now: float) -> Velocity:
        """Return the command for a pose: x, y in m, yaw in rad, now in s."""
        if self._goal is None and not self.finished:
            self._next(now)
        if now < self._now:  # the clock was set back, as by a simulator that begins anew
            self._enter(self.state, now)
        self._now = now
        if self._stuck(x, y, yaw, now):
            self._fail(x, y, now)
        match self.state:
            case State.TURN | State.DRIVE:
                return self._go(x, y, yaw, now)
            case State.LOOK:
                return self._look(yaw, now)
            case State.BACK:
                return self._back(now)
        return STOP

    def _go(self, x: float, y: float, yaw: float, now: float) -> Velocity:
        """Turn towards the goal, or drive there."""
        assert self._goal is not None
        ahead_x, ahead_y = self._goal.x - x, self._goal.y - y
        distance = math.hypot(ahead_x, ahead_y)
        off = turn_between(yaw, math.atan2(ahead_y, ahead_x))  # course, rad
        if distance < _ARRIVED:
            return self._arrive(yaw, now)
        if self.state is State.TURN and abs(off) < _ALIGNED:
            self._enter(State.DRIVE, now)
        elif self.state is State.DRIVE and abs(off) > _ASTRAY:
            self._enter(State.TURN, now)
        if self.state is State.TURN:
            rate = min(max(_STEERING * abs(off), _SLOWEST_TURN), self._turn_rate)
            return Velocity(0.0, math.copysign(rate, off))
        speed = min(max(_BRAKING * distance, _SLOWEST), self._speed) * math.cos(off)
        rate = max(-self._turn_rate, min(_STEERING * off, self._turn_rate))
        return Velocity(speed, rate)

    def _look(self, yaw: float, now: float) -> Velocity:
        self._turned += turn_between(self._yaw, yaw)
        self._yaw = yaw
        if self._turned >= 2 * math.pi:
            self._next(now)
            return STOP
        return Velocity(0.0, self._turn_rate)

    def _back(self, now: float) -> Velocity:
        if now - self._since >= _BACK_TIME:
            self._enter(State.TURN, now)
            return STOP
        return Velocity(-_BACK_SPEED, 0.0)

    def _arrive(self, yaw: float, now: float) -> Velocity:
        if self._goal is not None and self._goal.look:
            self._yaw, self._turned = yaw, 0.0
            self._enter(State.LOOK, now)
            return Velocity(0.0, self._turn_rate)
        self._next(now)
        return STOP

    def _fail(self, x: float, y: float, now: float) -> None:
        """Make the best of being stuck."""
        assert self._goal is not None
        self._failures += 1
        if self._failures >= _FAILURES and self._goal == self._detoured:
            self._next(now)
        elif self._failures >= _FAILURES:
            self._detoured = self._goal
            self._waypoints = itertools.chain(self._detour(x, y, self._goal), self._waypoints)
            self._next(now)
        if not self.finished:
            self._enter(State.BACK, now)

    def _next(self, now: float) -> None:
        self._failures = 0
        self._goal = next(self._waypoints, None)
        self._enter(State.END if self._goal is None else State.TURN, now)

    def _enter(self, state: State, now: float) -> None:
        self.state, self._since, self._mark = state, now, None

    def _stuck(self, x: float, y: float, yaw: float, now: float) -> bool:
        """Return whether it has neither moved nor turned for a while, although it should."""
        if self.state in (State.BACK, State.END):
            return False
        if self._mark is None or (
            math.dist(self._mark[:2], (x, y)) > _STUCK_WAY
            or abs(turn_between(self._mark[2], yaw)) > _STUCK_TURN
        ):
            self._mark = x, y, yaw, now
        return now - self._mark[3] > _STUCK_TIME
