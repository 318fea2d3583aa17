"""QoS profiles as bags keep them, and what a recorder must ask for to get everything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

_NANO = 1_000_000_000
# rclpy reports no limit as the largest duration; files of rosbag2 have it so.
_NO_LIMIT = {'sec': 9223372036, 'nsec': 854775807}
_BEST_EFFORT_DEPTH = 1_000


def qos_text(profiles: Sequence[QoSProfile]) -> str:
    """Return offered profiles as the YAML text that rosbag2 stores (metadata version 9)."""
    return yaml.safe_dump(qos_tree(profiles), sort_keys=False) if profiles else ''


def qos_tree(profiles: Sequence[QoSProfile]) -> list[dict[str, Any]]:
    """Return offered profiles as the mappings of a metadata.yaml."""
    return [
        {
            'history': profile.history.name.lower(),
            'depth': profile.depth,
            'reliability': profile.reliability.name.lower(),
            'durability': profile.durability.name.lower(),
            'deadline': _duration(profile.deadline),
            'lifespan': _duration(profile.lifespan),
            'liveliness': profile.liveliness.name.lower(),
            'liveliness_lease_duration': _duration(profile.liveliness_lease_duration),
            'avoid_ros_namespace_conventions': profile.avoid_ros_namespace_conventions,
        }
        for profile in profiles
    ]


def subscription_for(offered: Sequence[QoSProfile]) -> QoSProfile:
    """Return the strongest profile that matches all publishers of a topic.

    A subscription that asks for more than one of them offers would get nothing from that one.
    """
    reliable = bool(offered) and all(p.reliability is ReliabilityPolicy.RELIABLE for p in offered)
    latched = bool(offered) and all(
        p.durability is DurabilityPolicy.TRANSIENT_LOCAL for p in offered
    )
    return QoSProfile(
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        # What came reliably must not be pushed out of our own queue.
        history=HistoryPolicy.KEEP_ALL if reliable else HistoryPolicy.KEEP_LAST,
        depth=_BEST_EFFORT_DEPTH,
    )


def _duration(duration: Duration) -> dict[str, int]:
    seconds, nanoseconds = divmod(duration.nanoseconds, _NANO)
    return {'sec': seconds, 'nsec': nanoseconds} if duration.nanoseconds else dict(_NO_LIMIT)
