"""Run ids of robots without a server: a digest of what they must agree on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

_DIGITS = 8


def agreed_run_id(name: str, facts: Mapping[str, Any]) -> str:
    """Return `<name>-<digest of the facts>`: the same wherever name and facts are the same.

    facts: plain values or settings dataclasses.
    """
    text = json.dumps(facts, sort_keys=True, default=dataclasses.asdict)
    return f'{name}-{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}'
