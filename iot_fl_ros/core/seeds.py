"""Randomness: every random choice comes from (run seed, round, robot id, purpose)."""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, *parts: int | str) -> int:
    """Return a seed in 0..2^63-1 that depends on `seed` and all `parts`, on any machine alike."""
    text = '\0'.join((str(seed), *(f'{type(part).__name__}:{part}' for part in parts)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), 'big') >> 1


def generator(seed: int, *parts: int | str) -> np.random.Generator:
    """Return a NumPy generator seeded by `derive_seed`."""
    return np.random.default_rng(derive_seed(seed, *parts))
