"""Numbers as text; `-` stands for what is not known."""

from __future__ import annotations

import math


def percent(value: float | None) -> str:
    """Return a share, 0..1, in percent."""
    return '-' if value is None or math.isnan(value) else f'{value:.1%}'


def size(value: float | None) -> str:
    """Return a number of bytes with its unit."""
    if value is None:
        return '-'
    for unit in ('B', 'kB', 'MB'):
        if value < 1000:
            return f'{value:.3g} {unit}'
        value /= 1000
    return f'{value:.3g} GB'


def plus_minus(mean: float, half: float, digits: int = 1) -> str:
    """Return a mean with half the width of its interval, which NaN leaves out."""
    text = f'{mean:,.{digits}f}'
    return text if math.isnan(half) else f'{text} ± {half:,.{digits}f}'
