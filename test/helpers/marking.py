"""A method and workers without training, whose tensors tell where they come from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.messages.federation import RunInfo
from iot_fl_ros.core.messages.fields import NO_DIGEST
from iot_fl_ros.core.tensors import TensorSpec
from iot_fl_ros.federation.jobs import Aggregate, Evaluate, Prepare, Prepared, Trained
from iot_fl_ros.memory.federation import Simulation
from iot_fl_ros.methods.method import StarMethod
from iot_fl_ros.methods.registry import method_of, settings_text

SIZE = 40


@dataclass(frozen=True)
class MarkingSettings:
    """Nothing that matters."""

    unused: int = setting(0, 'Not used.')


class Marking(StarMethod):
    """Updates are filled with their round; global tensors with the round and who took part."""

    Settings = MarkingSettings

    def update_specs(self, round):
        return (TensorSpec('mark', 'int64', (SIZE,)),)

    def global_specs(self, round):
        return (TensorSpec('mark', 'int64', (SIZE,)),)

    def check_values(self, tensors, round):
        pass

    def aggregate(self, participant, updates, round):
        rounds = {int(value) for update in updates for value in update.tensors['mark']}
        if len(rounds) != 1:
            raise AssertionError(f'a set mixes rounds {rounds}')
        robots = sum(hash_of(update.robot_id) for update in updates)
        mark = np.full(SIZE, rounds.pop(), np.int64)
        mark[1:] += robots
        return {'mark': mark}

    def adopt(self, participant, sets):
        raise NotImplementedError

    def train(self, participant, round):
        raise NotImplementedError


class Chained(Marking):
    """Marking, whose global sets build upon those of the three rounds before."""

    chained = True

    def needs_since(self, round):
        return max(1, round - 3)


def hash_of(robot_id: str) -> int:
    return sum(ord(c) << (i % 8) for i, c in enumerate(robot_id))


class MarkingRobotWorker:
    """A robot that marks its update with the round it was asked for."""

    def __init__(self, store, made, errors):
        self._store = store
        self._made = made
        self._errors = errors
        self._learned: set[int] = set()
        self._method = None

    def run(self, job):
        if isinstance(job, Prepare):
            self._method = method_of(job.info)
            kept = self._store.read()
            if kept is None or kept[0]['run_id'] != job.info.run_id:
                return Prepared(10, None, {})
            self._learned = set(kept[1]['learned'].tolist())
            return Prepared(10, kept[0], {'mark': kept[1]['mark']})
        if job.sets:
            self._learn([content.round for content in job.sets])
        return Trained({'mark': np.full(SIZE, job.round, np.int64)}, 0.5, 0.5, 1.0)

    keeps = True

    def save(self, effect):
        learned = {'learned': np.array(sorted(self._learned), np.int64)}
        self._store.write(effect.manifest, {**effect.tensors, **learned})

    def _learn(self, rounds):
        """Notice a set without those that it builds upon."""
        if rounds != sorted(rounds) or (len(rounds) > 1 and not self._method.chained):
            self._errors.append(f'adopts {rounds}')
        self._learned |= set(rounds)
        needed = {
            r for r in self._made - {0} if self._method.needs_since(rounds[-1]) <= r <= rounds[-1]
        }
        if needed - self._learned:
            self._errors.append(f'{rounds} adopted without {needed - self._learned}')


class MarkingAggregatorWorker:
    """An aggregator whose aggregation notices a mixture of rounds."""

    errors: list[str]

    def __init__(self, settings, store, made, errors):
        self._store = store
        self._made = made
        self.errors = errors
        run = settings.aggregator.run
        self.info = RunInfo(
            stamp=0.0,
            run_id=run.name,
            epoch=0,
            method=settings.method_name,
            method_settings=settings_text(MarkingSettings()),
            model='none',
            seed=run.seed,
            class_names=('a', 'b'),
            input_shape=(1,),
            state_size=0,
            open_set_size=0,
            open_set_digest=NO_DIGEST,
            rounds=run.rounds,
            heartbeat_period=run.heartbeat,
        )
        self._method = method_of(self.info)

    def initial_global(self):
        return {}

    def restore(self):
        return self._store.read()

    def run(self, job):
        if isinstance(job, Evaluate):
            return 0.5
        assert isinstance(job, Aggregate)
        try:
            return self._method.aggregate(None, job.updates, job.round)
        except AssertionError as error:
            self.errors.append(str(error))
            raise

    keeps = True

    def save(self, effect):
        self._made.add(effect.manifest['sets'][-1]['round'])
        self._store.write(effect.manifest, effect.tensors)


class MarkingSimulation(Simulation):
    """A simulation of the marking method; `errors` lists mixtures of rounds."""

    def __init__(self, *args, **kwargs):
        self.errors: list[str] = []
        self.made: set[int] = set()  # rounds with a result, and 0
        super().__init__(*args, **kwargs)

    def make_aggregator_worker(self, store):
        return MarkingAggregatorWorker(self.settings, store, self.made, self.errors)

    def make_robot_worker(self, robot_id, index, store):
        return MarkingRobotWorker(store, self.made, self.errors)
