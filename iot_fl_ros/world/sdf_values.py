"""Numbers, booleans and directions as SDFormat writes them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

# float() also takes `1_0`, digits of every script, and words.
_NUMBER = re.compile(r'[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?', re.ASCII)
_ENDLESS = re.compile('[-+]?inf(inity)?', re.ASCII | re.IGNORECASE)
_HEXADECIMAL = re.compile('0x0*[0-9a-f]{1,8}', re.ASCII | re.IGNORECASE)
_BOOLEANS = {'true': True, '1': True, 'false': False, '0': False}


def numbers(text: str) -> tuple[float, ...]:
    """Return the numbers of a text; none at all if one word of it is no finite number."""
    words = text.split()
    values = tuple(float(word) for word in words if _NUMBER.fullmatch(word))
    return values if len(values) == len(words) and all(map(math.isfinite, values)) else ()


def infinity(text: str) -> float | None:
    """Return plus or minus infinity, in any case of letters; None if the text is neither."""
    return float(text) if _ENDLESS.fullmatch(text) else None


def hexadecimal(text: str) -> float | None:
    """Return a whole number that is written as `0x...`; None if the text is none."""
    return float(int(text, 16)) if _HEXADECIMAL.fullmatch(text) else None


def boolean(text: str) -> bool | None:
    """Return a boolean, in any case of letters; None if the text is none."""
    return _BOOLEANS.get(text.strip().lower())


def unit(values: Sequence[float]) -> tuple[float, ...]:
    """Return a vector at length 1, however short or long it is; nothing for one of length 0."""
    largest = max(map(abs, values))
    if largest == 0:
        return ()
    scaled = [value / largest for value in values]  # whose squares are neither 0 nor infinite
    length = math.hypot(*scaled)
    return tuple(value / length for value in scaled)
