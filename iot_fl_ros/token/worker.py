"""The worker of a Tram-FL robot: it does the jobs of the machine, with torch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.core.machine import Stateless
from iot_fl_ros.core.names import agreed_run_id
from iot_fl_ros.core.seeds import derive_seed, generator
from iot_fl_ros.core.store import Store, read_of_run
from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.token import jobs
from iot_fl_ros.token.acceptor import Promise
from iot_fl_ros.token.settings import TramNodeSettings
from iot_fl_ros.token.token import Log, Token, merged, token_specs, token_tensors
from iot_fl_ros.training.preparation import new_trainer, own_data
from iot_fl_ros.training.saved_model import model_facts
from iot_fl_ros.training.trainer import Trainer

# Where a robot keeps things: a store for its promises, and one for its copy of each token.
Stores = Callable[[str], Store | None]
_PROMISES = 'promises'


class TramWorker(Stateless):
    """Does the jobs of one robot, and keeps things by jobs. stores: None = it keeps nothing."""

    def __init__(self, robot_id: str, settings: TramNodeSettings, stores: Stores) -> None:
        self._robot_id = robot_id
        self._settings = settings
        self._stores = stores
        self._trainer: Trainer
        self._test: Samples | None = None
        self._facts: dict[str, str] = {}

    def save_model(self, path: Path) -> None:
        """Write the model of the last visit; DataError if there is none, OSError if it fails."""
        if not self._facts:
            raise DataError('there is no model yet: no run has begun')
        self._trainer.save(path, self._facts)

    def run(self, job: jobs.Job) -> Any:
        """Do `job`."""
        match job:
            case jobs.Prepare():
                return self._prepare()
            case jobs.KeepPromise(promises):
                return self._keep_promises(promises)
            case jobs.KeepToken():
                return self._keep_token(job.token)
            case jobs.Visit():
                return self._visit(job)
            case jobs.Merge():
                return self._merge(job)

    def _prepare(self) -> jobs.Prepared:
        settings = self._settings
        names, private, self._test = own_data(settings.data, settings.data.test_size)
        model, seed, device = settings.model.name, settings.run.seed, settings.node.device
        self._trainer = new_trainer(model, private.shape, len(names), seed, device, private)
        self._trainer.model_state.check(model)
        trained = int(self._trainer.trained_values().sum())
        specs = token_specs(self._trainer.state_size, trained, settings.tram.momentum_bits)
        run_id = agreed_run_id(
            settings.run.name,
            {
                'seed': seed,
                'updates': settings.run.updates,
                'target': settings.run.target,
                'lease': settings.run.lease,
                'tram': replace(settings.tram, robots=[], count=0),
                'robots': settings.tram.ids,
                'model': model,
                'state_size': self._trainer.state_size,
                'classes': names,
                'shape': private.shape,
            },
        )
        counts = tuple(np.bincount(self._trainer.labelled()[1], minlength=len(names)).tolist())
        tokens, promises = self._restore(run_id, len(names), trained)
        self._run_id = run_id
        self._facts = model_facts(model, private.shape, names, run_id)
        return jobs.Prepared(run_id, counts, specs, tokens, promises)

    def _restore(
        self, run_id: str, classes: int, trained: int
    ) -> tuple[tuple[Token, ...], tuple[Promise, ...] | None]:
        """Return the copies and promises that were kept, else the initial ones."""
        tram = self._settings.tram
        velocity = np.zeros(trained, np.float32)
        initial = token_tensors(self._trainer.state(), velocity, tram.momentum_bits)
        tokens = []
        for token_id in range(tram.tokens):
            kept = self._read(_token_name(token_id), run_id)
            new = Token(token_id, 0, False, Log((0,) * classes), initial)
            tokens.append(self._kept_token(token_id, *kept) if kept else new)
        return tuple(tokens), self._kept_promises(run_id)

    def _kept_token(self, token_id: int, manifest: Mapping[str, Any], tensors: Tensors) -> Token:
        log = Log.of_manifest(manifest['log'])
        return Token(token_id, manifest['base'], manifest['trained'], log, tensors)

    def _kept_promises(self, run_id: str) -> tuple[Promise, ...] | None:
        """Return the promises kept; none made, if a store is empty; None if there is no store."""
        if self._stores(_PROMISES) is None:
            return None
        kept = self._read(_PROMISES, run_id)
        if kept is None:
            return tuple(Promise() for _ in range(self._settings.tram.tokens))
        return tuple(Promise(*entry) for entry in kept[0]['promises'])

    def _read(self, name: str, run_id: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
        store = self._stores(name)
        return read_of_run(store, run_id) if store else None

    def _keep_promises(self, promises: tuple[Promise, ...]) -> None:
        store = self._stores(_PROMISES)
        if store:
            entries = [list(astuple(promise)) for promise in promises]
            store.write({'run_id': self._run_id, 'promises': entries}, {})

    def _keep_token(self, token: Token) -> None:
        store = self._stores(_token_name(token.token_id))
        if store:
            manifest = {
                'run_id': self._run_id,
                'base': token.base,
                'trained': token.trained,
                'log': asdict(token.log),
            }
            store.write(manifest, token.tensors)

    def _visit(self, job: jobs.Visit) -> jobs.Visited:
        """Train with mini-batches drawn at random, arXiv 2610.07859, algorithm of a cycle."""
        token, tram = job.token, self._settings.tram
        trainer = self._trainer
        private, labels = trainer.labelled()
        start = time.perf_counter()
        seed = self._settings.run.seed
        parts = ('tram', token.token_id, token.log.visits, self._robot_id)
        batches = _draw(len(private), job.batches, tram.batch_size, generator(seed, *parts))
        trainer.set_state(token.model)
        loss, velocity = trainer.train_with_momentum(
            batches,
            learning_rate=tram.learning_rate,
            momentum=tram.momentum,
            velocity=token.velocity,
            seed=derive_seed(seed, 'dropout', *parts),
        )
        seconds = time.perf_counter() - start
        state = trainer.state()
        if not (math.isfinite(loss) and np.isfinite(state).all() and np.isfinite(velocity).all()):
            raise DataError('training diverged: lower tram.learning_rate')
        used = np.bincount(labels[batches].ravel(), minlength=len(token.log.class_usage))
        tensors = token_tensors(state, velocity, tram.momentum_bits)
        accuracy = trainer.accuracy(self._test) if job.test and self._test else math.nan
        counts = tuple(used.tolist())
        log = _after(token.log, job.batches, counts)
        trained = Token(token.token_id, job.fence, True, log, tensors)
        return jobs.Visited(trained, loss, accuracy, seconds, counts)

    def _merge(self, job: jobs.Merge) -> tuple[Token, Token]:
        bits = self._settings.tram.momentum_bits
        tensors, usage = merged(job.first, job.second, bits)
        first, second = (
            replace(token, tensors=tensors, log=replace(token.log, class_usage=usage))
            for token in (job.first, job.second)
        )
        return first, second


def _token_name(token_id: int) -> str:
    return f'token_{token_id}'


def _draw(
    samples: int, batches: int, batch_size: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the samples of each mini-batch, [batches, size]; different ones within each."""
    size = min(batch_size, samples)
    drawn = [rng.choice(samples, size, replace=False) for _ in range(batches)]
    return np.array(drawn, np.int64).reshape(batches, size)


def _after(log: Log, batches: int, counts: tuple[int, ...]) -> Log:
    """Return the log after a visit, with the classes that were really drawn."""
    usage = tuple(a + b for a, b in zip(log.class_usage, counts, strict=True))
    return replace(log, class_usage=usage, visits=log.visits + 1, updates=log.updates + batches)
