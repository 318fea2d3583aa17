"""What showing pictures to a head gave: the answer to each, and accuracy, latency and loss."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass
class Answered:
    """One picture that was shown.

    latency: None = never answered; received: share of features; record: the whole answer.
    """

    label: int
    answer: int = -1
    latency: float | None = None
    received: float = 0.0
    record: Mapping[str, Any] | None = None


def write_answers(path: Path, shown: Sequence[Answered], tail: Mapping[str, str]) -> None:
    """Write accuracy, latency and loss. A picture without an answer counts as wrong.

    tail: the last diagnostics of the tail about this robot.
    """
    answered = [one for one in shown if one.latency is not None]
    latencies = [one.latency or 0.0 for one in answered]
    labelled = [one for one in shown if one.label >= 0]
    sure = [one.answer == one.label for one in labelled if one.latency is not None]
    right = sum(one.answer == one.label for one in labelled)
    sent = int(tail.get('packets received', 0)) + int(tail.get('packets lost', 0))
    result: dict[str, Any] = {
        'pictures': len(shown),
        'answered': len(answered) / max(1, len(shown)),
        'accuracy': right / len(labelled) if labelled else None,
        'accuracy_of_answered': sum(sure) / len(sure) if sure else None,
        'features_received': float(np.mean([one.received for one in answered] or [0.0])),
        'packets_received': int(tail['packets received']) / sent if sent else None,
        'latency_p50': float(np.quantile(latencies, 0.5)) if latencies else None,
        'latency_p99': float(np.quantile(latencies, 0.99)) if latencies else None,
        'tail': dict(tail),
    }
    if any(one.record for one in shown):
        result['answers'] = [one.record for one in shown]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1))
