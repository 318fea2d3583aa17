"""Bytes of the soft labels of 1,000 samples under every coding, as training goes on.

A compact_cnn learns Fashion-MNIST, 1,000 samples at a time, and labels the same 1,000 others
after each step. Prints a line a step to stderr, and the bytes by coding after the last one as one
JSON line. zlib and bz2 are not used by the package; they show why LZMA is.
"""

from __future__ import annotations

import bz2
import json
import sys
import zlib

import numpy as np
import torch

from iot_fl_ros.data.registry import load_samples
from iot_fl_ros.methods.labels.codec import LabelCodec
from iot_fl_ros.models.registry import build_model
from iot_fl_ros.training.trainer import Schedule, Trainer

STEPS = 8
SAMPLES = 1_000


def sizes(labels: np.ndarray, former: np.ndarray | None) -> dict[str, int]:
    """Return the bytes of `labels` [N, C] by coding."""
    classes = labels.shape[1]
    plain = LabelCodec('uint8', classes)
    packed = LabelCodec('uint8', classes, packed=True)
    symbols = plain.symbols(labels)
    result = {
        'float32': labels.nbytes,
        '8 bits': symbols.nbytes,
        '8 bits, zlib': len(zlib.compress(symbols.tobytes(), 9)),
        '8 bits, bz2': len(bz2.compress(symbols.tobytes())),
        '8 bits, packed': packed.encode(labels).nbytes,
        'votes': LabelCodec('vote', classes).encode(labels).nbytes,
        'votes, packed': LabelCodec('vote', classes, packed=True).encode(labels).nbytes,
    }
    if former is not None:
        reference = plain.symbols(former)
        result['8 bits, differences, packed'] = packed.encode(labels, reference).nbytes
    return result


def main() -> None:
    """Train, label, print."""
    torch.set_num_threads(1)
    samples = load_samples('fashion-mnist', 'train')
    trainer = Trainer(build_model('compact_cnn', samples.shape, 10, 0), 'cpu')
    order = np.random.default_rng(0).permutation(len(samples))
    others = samples.take(order[:SAMPLES])
    former: np.ndarray | None = None
    result: dict[str, int] = {}
    for step in range(1, STEPS + 1):
        part = samples.take(order[step * SAMPLES : (step + 1) * SAMPLES])
        assert part.labels is not None
        trainer.train(part, part.labels, Schedule(2, 50, 0.1), step)
        labels = trainer.probabilities(others)
        result = sizes(labels, former)
        print(f'step {step}:', result, file=sys.stderr, flush=True)
        former = labels
    print(json.dumps(result))


if __name__ == '__main__':
    main()
