"""The way of a token, at its holder: whose turn is next, and when it has been trained enough."""

from __future__ import annotations

import dataclasses
import math

from iot_fl_ros.core.messages.token import TokenPhase
from iot_fl_ros.token.context import NodeContext
from iot_fl_ros.token.routing import plan_cycle
from iot_fl_ros.token.token import Log


class Itinerary:
    """Plans for one token. `avoid` leaves a robot out of plans for a while."""

    def __init__(self, context: NodeContext) -> None:
        self._node = context
        self._avoided_until: dict[str, float] = {}

    def avoid(self, robot_id: str, seconds: float, now: float) -> None:
        """A robot did not take the token, which cost so many seconds."""
        # Longer than it takes to find out again, and no longer: one that was only restarted is
        # found missing within a lease, and may be back soon.
        settings = self._node.settings
        cost = min(seconds, settings.tram.offer_timeout)  # more: the clock was set, or all slept
        self._avoided_until[robot_id] = now + settings.run.lease + 2 * cost

    def next_stop(self, log: Log, after: int, now: float) -> tuple[str, int]:
        """Return the next robot of the route that is there, and its position; '' = none.

        after: position of the route that was offered to last.
        """
        node = self._node
        for position in range(after + 1, len(log.route)):
            robot = log.route[position]
            if robot != node.robot_id and node.roster.there(robot, now):
                return robot, position
        return '', -1

    def next_cycle(self, log: Log, now: float) -> Log:
        """Return the log with a new plan; its position is 0 if this robot comes first, else -1."""
        node = self._node
        sites = node.roster.sites(node.site, now)
        sites = {robot: sites[robot] for robot in sites if not self._avoided(robot, now)}
        tram, size = node.settings.tram, node.token_bytes
        plan = plan_cycle(tram, sites, log.class_usage, node.robot_id, size)
        here = bool(plan.route) and plan.route[0] == node.robot_id
        return dataclasses.replace(
            log, cycle=log.cycle + 1, route=plan.route, shares=plan.shares,
            position=0 if here else -1,
        )  # fmt: skip

    def delivery(self, log: Log, now: float) -> Log:
        """Return the log with a last tour to every other robot that is there."""
        node = self._node
        others = tuple(node.roster.present(now)) if node.settings.tram.deliver else ()
        route = (node.robot_id, *others)
        return dataclasses.replace(
            log, phase=TokenPhase.DELIVERING, route=route, shares=(0,) * len(route), position=0
        )

    def trained_enough(self, log: Log, accuracy: float) -> bool:
        """Return whether the training is over, and the last tour has not begun.

        accuracy: of this token's last test here, NaN = none.
        """
        run = self._node.settings.run
        reached = run.target < 1.0 and accuracy >= run.target
        return log.phase == TokenPhase.TRAINING and (log.updates >= run.updates or reached)

    def batches_here(self, log: Log) -> int:
        """Return how many mini-batches the plan has for this robot."""
        here = log.position >= 0 and log.route[log.position] == self._node.robot_id
        return log.shares[log.position] if here else 0

    def tests(self, log: Log, batches: int) -> bool:
        """Return whether the model is to be tested after so many more mini-batches."""
        run = self._node.settings.run
        after = log.updates + batches
        crossed = after // run.test_every > log.updates // run.test_every
        return crossed or after >= run.updates

    def _avoided(self, robot_id: str, now: float) -> bool:
        return now <= self._avoided_until.get(robot_id, -math.inf)
