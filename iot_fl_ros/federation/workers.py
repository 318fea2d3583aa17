"""The workers of robot and aggregator: they do the jobs of the machines, with torch.

A worker runs one job at a time, on a thread of its own in a node, inline in the in-memory fleet.
"""

from __future__ import annotations

import math
import secrets
import time
from typing import Any

import numpy as np

from iot_fl_ros.core.errors import ConfigError, DataError, MessageError
from iot_fl_ros.core.messages.federation import AGGREGATOR, RunInfo
from iot_fl_ros.core.store import Store
from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.data.parts import open_samples, private_samples, test_samples
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.federation.jobs import Aggregate, Evaluate, Prepare, Prepared, Trained, TrainRound
from iot_fl_ros.federation.settings import AggregatorSettings, LearnerSettings
from iot_fl_ros.methods.contract import as_declared, as_loss
from iot_fl_ros.methods.method import GlobalSet, Participant, StarMethod
from iot_fl_ros.methods.registry import METHODS, method_of, settings_of_today
from iot_fl_ros.methods.worker import ParticipantWorker, run_info
from iot_fl_ros.models.registry import MODELS
from iot_fl_ros.training.preparation import new_trainer
from iot_fl_ros.training.saved_model import model_facts

_SETTINGS = 'method settings'  # among the constants of a run


class RobotWorker(ParticipantWorker):
    """Does the jobs of one robot."""

    def __init__(self, robot_id: str, settings: LearnerSettings, store: Store | None) -> None:
        super().__init__(store)
        self._robot_id = robot_id
        self._settings = settings
        self._method: StarMethod
        self._test: Samples | None = None

    def run(self, job: Prepare | TrainRound) -> Prepared | Trained:
        """Do `job`."""
        return self._prepare(job.info) if isinstance(job, Prepare) else self._train(job)

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
        trainer = new_trainer(
            model, shape, len(info.class_names), info.seed, self._settings.node.device, private
        )
        if self._method.shares_state and trainer.state_size != info.state_size:
            raise DataError(
                f'model {model!r} has {trainer.state_size} values, the run needs '
                f'{info.state_size}: set model.name to {info.model!r}'
            )
        if self._method.shares_state:
            trainer.model_state.check(model)
        open_set = self._open_set(info)
        self.participant = Participant(self._robot_id, trainer, open_set)
        self._method.prepare(self.participant)
        if data.test:
            test = test_samples(data, data.robot_test_size, shape)
            self._test = test.with_classes(info.class_names)
        self.facts = model_facts(model, shape, info.class_names, info.run_id)
        manifest, update = self.restore_if('run_id', info.run_id) or (None, {})
        counts = np.bincount(trainer.labelled()[1], minlength=len(info.class_names))
        return Prepared(len(private), manifest, update, tuple(counts.tolist()))

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

    def _train(self, job: TrainRound) -> Trained:
        start = time.perf_counter()
        if job.sets:
            self._method.adopt(self.participant, job.sets)
        accuracy = self.participant.trainer.accuracy(self._test) if self._test else math.nan
        update: Tensors = {}
        loss = math.nan
        if not job.last:
            trained, nats = self._method.train(self.participant, job.round)
            specs = self._method.update_specs(job.round)
            update = as_declared(trained, specs, 'train', 'update_specs')
            loss = as_loss(nats)
            self._check_update(update, job.round)
        return Trained(update, loss, accuracy, time.perf_counter() - start)

    def _check_update(self, update: Tensors, round: int) -> None:
        """Raise DataError for what the aggregator would refuse."""
        try:
            self._method.check_values(update, round)
        except MessageError as error:
            remedy = 'if training diverges, lower method.learning_rate'
            raise DataError(f'the update cannot be sent, {error}; {remedy}') from error


class AggregatorWorker(ParticipantWorker):
    """Does the jobs of the aggregator, and knows what there is to say about the run."""

    def __init__(
        self, settings: AggregatorSettings, method_name: str, method: Any, store: Store | None
    ) -> None:
        super().__init__(store)
        run, data = settings.run, settings.data
        self._run_name = run.name
        self._test = test_samples(data, data.test_size) if data.test else None
        shape = self._test.shape if self._test else None
        needs_open = METHODS.get(method_name).needs_open_set
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
        model = settings.model.name
        trainer = new_trainer(model, first.shape, len(names), run.seed, settings.node.device)
        if METHODS.get(method_name).shares_state:
            trainer.model_state.check(model)
        self.participant = Participant(AGGREGATOR, trainer, open_set)
        self.info = run_info(
            self.participant,
            method_name,
            method,
            run_id=f'{run.name}-{secrets.token_hex(4)}',
            model=model,
            seed=run.seed,
            class_names=names,
            input_shape=first.shape,
            rounds=run.rounds,
            heartbeat_period=run.heartbeat,
        )
        self._method = method_of(self.info)
        if self._method.aggregator_learns:
            self.facts = model_facts(model, first.shape, names, self.info.run_id)

    def initial_global(self) -> Tensors:
        """Return the tensors that robots need before round 1."""
        tensors = self._method.initial_global(self.participant.trainer.state())
        if not tensors:
            return {}
        specs = self._method.global_specs(1)
        return as_declared(tensors, specs, 'initial_global', 'global_specs')

    def restore(self) -> tuple[dict[str, Any], Tensors] | None:
        """Return manifest and global tensors of this run's checkpoint, if there is one.

        ConfigError, which names what differs, if it is one of another run; nothing has changed
        then.
        """
        kept = self._store.read() if self._store else None
        if kept is None:
            return None
        if 'constants' not in kept[0]:
            raise ConfigError(
                'the checkpoint was written by another version of this package: choose another '
                'run.output, or delete the folder'
            )
        now = {'run.name': self._run_name, **self.info.constants()}
        constants = dict(kept[0]['constants'])
        constants[_SETTINGS] = settings_of_today(
            str(constants.get('method')), str(constants.get(_SETTINGS, ''))
        )
        before = {'run.name': kept[0].get('run_name'), **constants}
        differing = [name for name, value in now.items() if before.get(name) != value]
        if differing:
            shown = '; '.join(_difference(name, before.get(name), now[name]) for name in differing)
            raise ConfigError(
                f'the checkpoint is one of another run: {shown}; choose another run.output, or '
                'delete the folder'
            )
        return self.restore_if('run_name', self._run_name)

    def run(self, job: Aggregate | Evaluate) -> Any:
        """Do `job`; MessageError if what comes out of an aggregation could not be sent."""
        if isinstance(job, Aggregate):
            return self._aggregate(job)
        if not job.tensors:
            return math.nan  # the method leaves the aggregator without a model
        self._method.adopt(self.participant, (GlobalSet(job.round, job.tensors),))
        if self._test is None or not self._method.aggregator_learns:
            return math.nan
        return self.participant.trainer.accuracy(self._test)

    def _aggregate(self, job: Aggregate) -> Tensors:
        """Aggregate; robots would refuse a result that fails its own check, and wait forever."""
        memory = dict(self.participant.memory)
        try:
            tensors = as_declared(
                self._method.aggregate(self.participant, job.updates, job.round),
                self._method.global_specs(job.round), 'aggregate', 'global_specs',
            )  # fmt: skip
            self._method.check_values(tensors, job.round)
        except Exception:
            self.participant.memory.clear()
            self.participant.memory.update(memory)
            raise
        return tensors


def _difference(name: str, before: Any, now: Any) -> str:
    """Return what differs in a line; long values, such as digests, by their name alone."""
    texts = [str(value) for value in (before, now)]
    if max(map(len, texts)) > 200:
        return f'{name} differs'
    return f'{name} was {texts[0]}, is {texts[1]}'
