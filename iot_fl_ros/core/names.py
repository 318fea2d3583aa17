"""Names of robots, as parts of topics and of paths, and of runs without a server."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from iot_fl_ros.core.errors import MessageError

_TOPIC_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]{0,63}')


def check_robot_id(robot_id: str) -> None:
    """Raise MessageError unless the id can be a part of a topic's name."""
    if not _TOPIC_NAME.fullmatch(robot_id):
        raise MessageError(
            'bad robot id',
            f'{robot_id!r} is no robot id: letters, digits and _ only, at most 64, a letter first',
        )


def robot_ids(count: int) -> list[str]:
    """Return robot_0 .. robot_<count-1>, padded so that they sort by number."""
    width = len(str(count - 1))
    return [f'robot_{i:0{width}d}' for i in range(count)]


def agreed_run_id(name: str, facts: Mapping[str, Any]) -> str:
    """Return `<name>-<digest of the facts>`: the same wherever name and facts are the same.

    facts: plain values or settings dataclasses.
    """
    text = json.dumps(facts, sort_keys=True, default=dataclasses.asdict)
    return f'{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}'
