"""A Tram-FL worker without training, whose models tell which visits they went through."""

from __future__ import annotations

import dataclasses

import numpy as np

from iot_fl_ros.token.jobs import KeepPromise, KeepToken, Merge, Prepare, Prepared, Visit, Visited
from iot_fl_ros.token.token import Log, Token, token_specs
from iot_fl_ros.token.worker import TramWorker

# Fencing numbers that a run may use; a model has a place for each, of each token.
FENCES = 500
TOKENS = 2
CLASSES = 4


class MarkingWorker(TramWorker):
    """Marks each visit in the model by its fencing number; keeps things as the real one does."""

    def __init__(self, robot_id, settings, stores, index):
        super().__init__(robot_id, settings, stores)
        self._index = index

    def run(self, job):
        match job:
            case Prepare():
                return self._prepare_marks()
            case Visit():
                return self._mark(job)
            case KeepPromise() | KeepToken() | Merge():
                return super().run(job)

    def _prepare_marks(self):
        self._run_id = 'marks'
        blank = {
            'model': np.zeros(FENCES * TOKENS, np.float32),
            'velocity': np.zeros(2, np.uint8),
            'velocity_range': np.zeros(2, np.float32),
        }
        tokens = []
        for token_id in range(self._settings.tram.tokens):
            kept = self._read(f'token_{token_id}', 'marks')
            if kept is None:
                tokens.append(Token(token_id, 0, False, Log((0,) * CLASSES), blank))
            else:
                tokens.append(self._kept_token(token_id, *kept))
        counts = [0] * CLASSES
        counts[self._index % CLASSES] = 500
        counts[(self._index + 1) % CLASSES] = 500
        specs = token_specs(FENCES * TOKENS, 2, 8)
        return Prepared('marks', tuple(counts), specs, tuple(tokens), self._kept_promises('marks'))

    def _mark(self, job):
        model = np.array(job.token.model)
        model[job.token.token_id * FENCES + job.fence] = 1.0
        log = job.token.log
        log = dataclasses.replace(
            log,
            visits=log.visits + 1,
            updates=log.updates + job.batches,
            class_usage=tuple(n + 25 * job.batches for n in log.class_usage),
        )
        tensors = {**job.token.tensors, 'model': model}
        token = Token(job.token.token_id, job.fence, True, log, tensors)
        return Visited(token, 0.5, float('nan'), 0.1, (25 * job.batches,) * CLASSES)


def marks_of(token):
    """Return the visits that a token went through, as numbers made of token and fence."""
    return {int(mark) for mark in np.flatnonzero(token.model)}
