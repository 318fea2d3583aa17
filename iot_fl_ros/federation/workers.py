"""The workers of robot and aggregator: they do the jobs of the machines, with torch.

A worker runs one job at a time, on a thread of its own in a node, inline in the in-memory fleet.
"""

from __future__ import annotations

import math
import secrets
import time
from typing import Any

import numpy as np

from iot_fl_ros.core.effects import SaveCheckpoint
from iot_fl_ros.core.errors import DataError
from iot_fl_ros.core.messages.federation import AGGREGATOR, RunInfo
from iot_fl_ros.core.messages.fields import NO_DIGEST
from iot_fl_ros.core.seeds import derive_seed
from iot_fl_ros.core.store import Store
from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.data.split import open_samples, private_samples, test_samples
from iot_fl_ros.federation.jobs import Aggregate, Evaluate, Prepare, Prepared, Trained, TrainRound
from iot_fl_ros.federation.settings import AggregatorSettings, LearnerSettings
from iot_fl_ros.methods.method import GlobalSet, Participant, StarMethod
from iot_fl_ros.methods.registry import METHODS, method_of, settings_text
from iot_fl_ros.models.registry import MODELS, build_classifier
from iot_fl_ros.training.trainer import Trainer

_MODEL_STATE = 'model.state'
_MEMORY = 'memory.'


class RobotWorker:
    """Does the jobs of one robot."""

    def __init__(self, robot_id: str, settings: LearnerSettings, store: Store | None) -> None:
        self._robot_id = robot_id
        self._settings = settings
        self._store = store
        self._method: StarMethod
        self._participant: Participant
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
            self._store.write(effect.manifest, {**effect.tensors, **kept_of(self._participant)})

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
        trainer = Trainer(
            build_classifier(model, shape, len(info.class_names), seed),
            self._settings.node.device,
            private,
        )
        if self._method.shares_state and trainer.state_size != info.state_size:
            raise DataError(
                f'model {model!r} has {trainer.state_size} values, the run needs '
                f'{info.state_size}: set model.name to {info.model!r}'
            )
        open_set = self._open_set(info)
        self._participant = Participant(self._robot_id, trainer, open_set)
        self._method.prepare(self._participant)
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
        return manifest, restore_participant(self._participant, tensors)

    def _train(self, job: TrainRound) -> Trained:
        start = time.perf_counter()
        if job.sets:
            self._method.adopt(self._participant, job.sets)
        accuracy = self._participant.trainer.accuracy(self._test) if self._test else math.nan
        update: Tensors = {}
        loss = math.nan
        if not job.last:
            update, loss = self._method.train(self._participant, job.round)
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
        self._participant = Participant(AGGREGATOR, Trainer(model, settings.node.device), open_set)
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
            state_size=self._participant.trainer.state_size,
            open_set_size=len(open_set) if open_set else 0,
            open_set_digest=open_set.digest() if open_set else NO_DIGEST,
            rounds=settings.run.rounds,
            heartbeat_period=settings.run.heartbeat,
        )
        self._method = method_of(self.info)

    def initial_global(self) -> Tensors:
        """Return the tensors that robots need before round 1."""
        return self._method.initial_global(self._participant.trainer.state())

    def restore(self) -> tuple[dict[str, Any], Tensors] | None:
        """Return manifest and global tensors of this run's checkpoint, if there is one."""
        kept = self._store.read() if self._store else None
        if kept is None or kept[0].get('run_name') != self._run_name:
            return None
        manifest, tensors = kept
        return manifest, restore_participant(self._participant, tensors)

    def run(self, job: Aggregate | Evaluate) -> Any:
        """Do `job`; MessageError if what comes out of an aggregation could not be sent."""
        if isinstance(job, Aggregate):
            return self._aggregate(job)
        if not job.tensors:
            return math.nan  # the method leaves the aggregator without a model
        self._method.adopt(self._participant, (GlobalSet(job.round, job.tensors),))
        if self._test is None or not self._method.aggregator_learns:
            return math.nan
        return self._participant.trainer.accuracy(self._test)

    def _aggregate(self, job: Aggregate) -> Tensors:
        """Aggregate; robots would refuse a result that fails its own check, and wait forever."""
        memory = dict(self._participant.memory)
        try:
            tensors = self._method.aggregate(self._participant, job.updates, job.round)
            self._method.check_values(tensors, job.round)
        except Exception:
            self._participant.memory.clear()
            self._participant.memory.update(memory)
            raise
        return tensors

    @property
    def keeps(self) -> bool:
        """Whether there is a place for checkpoints."""
        return self._store is not None

    def save(self, effect: SaveCheckpoint) -> None:
        """Write the checkpoint with the model's state."""
        if self._store:
            self._store.write(effect.manifest, {**effect.tensors, **kept_of(self._participant)})


def kept_of(participant: Participant) -> Tensors:
    """Return what a checkpoint keeps of a participant: its model and its memory."""
    memory = {_MEMORY + name: tensor for name, tensor in participant.memory.items()}
    return {_MODEL_STATE: participant.trainer.state(), **memory}


def restore_participant(participant: Participant, tensors: dict[str, Any]) -> Tensors:
    """Give a participant back what its checkpoint kept; return the other tensors."""
    participant.trainer.set_state(tensors[_MODEL_STATE])
    for name, tensor in tensors.items():
        if name.startswith(_MEMORY):
            participant.memory[name.removeprefix(_MEMORY)] = np.array(tensor)
    return {n: t for n, t in tensors.items() if n != _MODEL_STATE and not n.startswith(_MEMORY)}
