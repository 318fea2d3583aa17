"""What the state machines ask of the worker: jobs as values, and the workers that do them.

A worker runs one job at a time, on a thread of its own in a node, inline in the in-memory fleet.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from iot_fl_ros.core.effects import SaveCheckpoint
from iot_fl_ros.core.errors import DataError
from iot_fl_ros.core.messages import AGGREGATOR, NO_DIGEST, RunInfo
from iot_fl_ros.core.seeds import derive_seed
from iot_fl_ros.core.store import Store
from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.data.split import open_samples, private_samples, test_samples
from iot_fl_ros.learning.learner import Learner
from iot_fl_ros.learning.method import GlobalSet, Method, Party, Update
from iot_fl_ros.learning.registry import METHODS, method_of, settings_text
from iot_fl_ros.learning.settings import AggregatorSettings, LearnerSettings
from iot_fl_ros.models.registry import MODELS, build_classifier

_MODEL_STATE = 'model.state'
_MEMORY = 'memory.'


@dataclass(frozen=True)
class Prepare:
    """Load data and model for a run. Result: Prepared."""

    info: RunInfo


@dataclass(frozen=True)
class Prepared:
    """A robot is ready; manifest and update are those of its checkpoint of this run, if any."""

    samples: int
    manifest: dict[str, Any] | None
    update: Tensors


@dataclass(frozen=True)
class TrainRound:
    """Adopt new global sets, oldest first, and, unless `last`, train. Result: Trained."""

    round: int
    model_version: int
    sets: tuple[GlobalSet, ...]
    last: bool = False


@dataclass(frozen=True)
class Trained:
    """What came out; accuracy was measured after adopting, before training."""

    update: Tensors
    loss: float
    accuracy: float
    seconds: float


@dataclass(frozen=True)
class Aggregate:
    """Aggregate the updates of a round. Result: Tensors."""

    round: int
    updates: Sequence[Update]


@dataclass(frozen=True)
class Assess:
    """Let the aggregator's own model adopt global tensors and measure it. Result: float."""

    round: int
    model_version: int
    tensors: Tensors


class RobotWorker:
    """Does the jobs of one robot."""

    def __init__(self, robot_id: str, settings: LearnerSettings, store: Store | None) -> None:
        self._robot_id = robot_id
        self._settings = settings
        self._store = store
        self._method: Method
        self._party: Party
        self._test: Samples | None = None

    def run(self, job: Prepare | TrainRound) -> Prepared | Trained:
        """Do `job`."""
        return self._prepare(job.info) if isinstance(job, Prepare) else self._train(job)

    @property
    def keeps(self) -> bool:
        """Whether there is a place for checkpoints."""
        return self._store is not None

    def save(self, effect: SaveCheckpoint) -> None:
        """Write the checkpoint with the model's state."""
        if self._store:
            self._store.write(effect.manifest, {**effect.tensors, **kept_of(self._party)})

    def _prepare(self, info: RunInfo) -> Prepared:
        data = self._settings.data
        self._method = method_of(info)
        shape = tuple(info.input_shape)
        private = private_samples(data, info.class_names, shape)
        if private.shape != shape:
            raise DataError(f'{data.private} has samples {private.shape}, the run has {shape}')
        model = self._settings.model.name or info.model
        if not self._settings.model.name:
            MODELS.check_remote(info.model, self._settings.robot.trusted)
        # One architecture starts from one point; another one, from its own.
        seed = derive_seed(info.seed, 'model')
        learner = Learner(
            build_classifier(model, shape, len(info.class_names), seed),
            self._settings.node.device,
            private,
        )
        if self._method.shares_state and learner.state_size != info.state_size:
            raise DataError(
                f'model {model!r} has {learner.state_size} values, the run needs '
                f'{info.state_size}: set model.name to {info.model!r}'
            )
        open_set = self._open_set(info)
        self._party = Party(self._robot_id, learner, open_set)
        self._method.prepare(self._party)
        if data.test:
            self._test = test_samples(data, data.robot_test_size, shape)
            self._test = self._test.with_classes(info.class_names)
        manifest, update = self._restore(info.run_id)
        return Prepared(len(private), manifest, update)

    def _open_set(self, info: RunInfo) -> Samples | None:
        if not self._method.needs_open_set:
            return None
        open_set = open_samples(self._settings.data, tuple(info.input_shape))
        if open_set.digest() != info.open_set_digest:
            raise DataError(
                f'open set {self._settings.data.open!r} differs from that of the aggregator: '
                'every robot needs the same files, sizes and data.seed'
            )
        return open_set

    def _restore(self, run_id: str) -> tuple[dict[str, Any] | None, Tensors]:
        kept = self._store.read() if self._store else None
        if kept is None or kept[0].get('run_id') != run_id:
            return None, {}
        manifest, tensors = kept
        return manifest, restore_party(self._party, tensors)

    def _train(self, job: TrainRound) -> Trained:
        start = time.perf_counter()
        if job.sets:
            self._method.adopt(self._party, job.sets)
        accuracy = self._party.learner.accuracy(self._test) if self._test else math.nan
        update: Tensors = {}
        loss = math.nan
        if not job.last:
            update, loss = self._method.train(self._party, job.round)
        return Trained(update, loss, accuracy, time.perf_counter() - start)


class AggregatorWorker:
    """Does the jobs of the aggregator, and knows what there is to say about the run."""

    def __init__(
        self,
        settings: AggregatorSettings,
        method_name: str,
        method_settings: Any,
        store: Store | None,
    ) -> None:
        self._store = store
        self._run_name = settings.run.name
        data = settings.data
        self._test = test_samples(data, data.test_size) if data.test else None
        needs_open = METHODS.get(method_name).needs_open_set
        shape = self._test.shape if self._test else None
        open_set = open_samples(data, shape) if needs_open else None
        names = tuple(data.class_names) or (self._test.class_names if self._test else ())
        first = self._test or open_set
        if first is None or not names:
            raise DataError(
                'shape and classes of the samples are unknown: set data.test, or, for a method '
                'with an open set, data.class_names'
            )
        if self._test:
            self._test = self._test.with_classes(names)
        seed = settings.run.seed
        model = build_classifier(
            settings.model.name, first.shape, len(names), derive_seed(seed, 'model')
        )
        self._party = Party(AGGREGATOR, Learner(model, settings.node.device), open_set)
        self.info = RunInfo(
            stamp=0.0,
            run_id=f'{settings.run.name}-{secrets.token_hex(4)}',
            epoch=0,
            method=method_name,
            method_settings=settings_text(method_settings),
            model=settings.model.name,
            seed=seed,
            class_names=names,
            input_shape=first.shape,
            state_size=self._party.learner.state_size,
            open_set_size=len(open_set) if open_set else 0,
            open_set_digest=open_set.digest() if open_set else NO_DIGEST,
            rounds=settings.run.rounds,
            heartbeat_period=settings.run.heartbeat,
        )
        self._method = method_of(self.info)

    def initial_global(self) -> Tensors:
        """Return the tensors that robots need before round 1."""
        return self._method.initial_global(self._party.learner.state())

    def restore(self) -> tuple[dict[str, Any], Tensors] | None:
        """Return manifest and global tensors of this run's checkpoint, if there is one."""
        kept = self._store.read() if self._store else None
        if kept is None or kept[0].get('run_name') != self._run_name:
            return None
        manifest, tensors = kept
        return manifest, restore_party(self._party, tensors)

    def run(self, job: Aggregate | Assess) -> Any:
        """Do `job`; MessageError if what comes out of an aggregation could not be sent."""
        if isinstance(job, Aggregate):
            return self._aggregate(job)
        if not job.tensors:
            return math.nan  # the method leaves the aggregator without a model
        self._method.adopt(self._party, (GlobalSet(job.round, job.tensors),))
        if self._test is None or not self._method.aggregator_learns:
            return math.nan
        return self._party.learner.accuracy(self._test)

    def _aggregate(self, job: Aggregate) -> Tensors:
        """Aggregate; robots would refuse a result that fails its own check, and wait forever."""
        memory = dict(self._party.memory)
        try:
            tensors = self._method.aggregate(self._party, job.updates, job.round)
            self._method.check_values(tensors, job.round)
        except Exception:
            self._party.memory.clear()
            self._party.memory.update(memory)
            raise
        return tensors

    @property
    def keeps(self) -> bool:
        """Whether there is a place for checkpoints."""
        return self._store is not None

    def save(self, effect: SaveCheckpoint) -> None:
        """Write the checkpoint with the model's state."""
        if self._store:
            self._store.write(effect.manifest, {**effect.tensors, **kept_of(self._party)})


def kept_of(party: Party) -> Tensors:
    """Return what a checkpoint keeps of a party: its model and its memory."""
    memory = {_MEMORY + name: tensor for name, tensor in party.memory.items()}
    return {_MODEL_STATE: party.learner.state(), **memory}


def restore_party(party: Party, tensors: dict[str, Any]) -> Tensors:
    """Give a party back what its checkpoint kept; return the other tensors."""
    party.learner.set_state(tensors[_MODEL_STATE])
    for name, tensor in tensors.items():
        if name.startswith(_MEMORY):
            party.memory[name.removeprefix(_MEMORY)] = np.array(tensor)
    return {n: t for n, t in tensors.items() if n != _MODEL_STATE and not n.startswith(_MEMORY)}
