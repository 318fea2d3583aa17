"""One emulated link per robot, for a tail that is told to have bad ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from iot_fl_ros.link.link import Link
from iot_fl_ros.link.settings import LinkSettings

_MAX_LINKS = 1_000


class EmulatedLinks:
    """Decides when a packet of a robot arrives; every robot has losses of its own."""

    def __init__(self, settings: LinkSettings) -> None:
        self._make: Callable[[str], Link] = lambda name: Link(settings, name)
        self._links: dict[str, Link] = {}

    def __call__(self, robot_id: str, now: float, size: int) -> float:
        """Return when a packet of `size` bytes, sent at `now`, arrives, s; infinity: never."""
        link = self._links.get(robot_id)
        if link is None:
            if len(self._links) >= _MAX_LINKS:
                self._links.clear()
            link = self._links[robot_id] = self._make(robot_id)
        return float(link.send(now, np.array([size]))[0])
