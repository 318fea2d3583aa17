"""The worker of a peer: it does the jobs of the machine, with torch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from iot_fl_ros.core.effects import SaveCheckpoint
from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.core.messages.federation import RunInfo
from iot_fl_ros.core.messages.fields import NO_DIGEST
from iot_fl_ros.core.seeds import derive_seed
from iot_fl_ros.core.store import Store
from iot_fl_ros.core.tensors import Tensors, digest_of
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.data.split import open_samples, private_samples, test_samples
from iot_fl_ros.federation.workers import kept_of, restore_participant
from iot_fl_ros.mesh.graph import LinkSource
from iot_fl_ros.mesh.jobs import Mix, Mixed, PeerReady, PeerTrained, PreparePeer, TrainPeer
from iot_fl_ros.mesh.settings import MeshRunSettings, PeerSettings
from iot_fl_ros.methods.method import MeshMethod, Participant
from iot_fl_ros.methods.registry import METHODS, settings_text
from iot_fl_ros.models.registry import build_classifier
from iot_fl_ros.training.trainer import Trainer

_PROBE = 200  # samples at most on which disagreement is measured


class PeerWorker:
    """Does the jobs of one peer."""

    def __init__(self, robot_id: str, settings: MeshRunSettings, store: Store | None) -> None:
        self._robot_id = robot_id
        self._settings = settings
        self._store = store
        self._links = LinkSource(settings.peer.mesh, robot_id, settings.peer.run.seed)
        self._method: MeshMethod
        self.participant: Participant
        self._test: Samples | None = None

    def run(self, job: PreparePeer | TrainPeer | Mix) -> PeerReady | PeerTrained | Mixed:
        """Do `job`."""
        if isinstance(job, PreparePeer):
            return self._prepare()
        if isinstance(job, TrainPeer):
            return PeerTrained(*self._method.train(self.participant, job.round))
        return self._mix(job)

    @property
    def keeps(self) -> bool:
        """Whether there is a place for checkpoints."""
        return self._store is not None

    def save(self, effect: SaveCheckpoint) -> None:
        """Write the checkpoint with the model's state."""
        if self._store:
            self._store.write(effect.manifest, {**effect.tensors, **kept_of(self.participant)})

    def _prepare(self) -> PeerReady:
        peer = self._settings.peer
        links, warning = self._links.read(), self._links.warning()
        needs_open = METHODS.get(self._settings.method_name).needs_open_set
        self._test = test_samples(peer.data, peer.data.robot_test_size) if peer.data.test else None
        shape = self._test.shape if self._test else None
        open_set = open_samples(peer.data, shape) if needs_open else None
        names = tuple(peer.data.class_names) or (self._test.class_names if self._test else ())
        if not names:
            raise DataError('classes are unknown: set data.class_names or data.test')
        private = private_samples(peer.data, names, shape)
        if shape and private.shape != shape:
            raise DataError(f'{peer.data.private} has samples {private.shape}, the test {shape}')
        if self._test:
            self._test = self._test.with_classes(names)
        # One architecture starts from one point; another one, from its own.
        seed = derive_seed(peer.run.seed, 'model')
        model = build_classifier(peer.model.name, private.shape, len(names), seed)
        trainer = Trainer(model, peer.node.device, private)
        probe = None
        if self._test:
            probe = self._test.unlabelled().take(np.arange(min(_PROBE, len(self._test))))
        self.participant = Participant(self._robot_id, trainer, open_set, probe=probe)
        info = run_info(self._settings, names, private.shape, trainer.state_size, open_set)
        self._method = METHODS.get(info.method)(self._settings.method, info)
        self._method.prepare(self.participant)
        manifest, update = self._restore(peer, info.run_id)
        return PeerReady(info, self._method, len(private), links, manifest, update, warning)

    def _restore(self, peer: PeerSettings, run_id: str) -> tuple[dict[str, Any] | None, Tensors]:
        kept = self._store.read() if self._store and peer.run.resume else None
        if kept is None or kept[0].get('run_id') != run_id:
            return None, {}
        manifest, tensors = kept
        return manifest, restore_participant(self.participant, tensors)

    def _mix(self, job: Mix) -> Mixed:
        measured = self._method.mix(
            self.participant, job.own, job.received, job.weights, job.round
        )
        accuracy = self.participant.trainer.accuracy(self._test) if self._test else math.nan
        try:
            return Mixed(accuracy, measured, self._links.changed())
        except ConfigError as error:
            return Mixed(accuracy, measured, warning=f'the graph stays as it is: {error}')


def run_info(
    settings: MeshRunSettings,
    class_names: tuple[str, ...],
    shape: tuple[int, ...],
    state_size: int,
    open_set: Samples | None,
) -> RunInfo:
    """Return what is constant in a run; its id is its name and a digest of what must agree."""
    run, mesh = settings.peer.run, settings.peer.mesh
    method, text = settings.method_name, settings_text(settings.method)
    shares = METHODS.get(method).shares_state
    digest = open_set.digest() if open_set else NO_DIGEST
    agreed = (
        method, text, run.seed, run.rounds, class_names, tuple(shape), digest.hex(),
        (mesh.weights, mesh.eps), (settings.peer.model.name, state_size) if shares else None,
    )  # fmt: skip
    return RunInfo(
        stamp=0.0,
        run_id=f'{run.name}-{digest_of(repr(agreed).encode()).hex()[:8]}',
        epoch=0,
        method=method,
        method_settings=text,
        model=settings.peer.model.name,
        seed=run.seed,
        class_names=class_names,
        input_shape=tuple(shape),
        state_size=state_size,
        open_set_size=len(open_set) if open_set else 0,
        open_set_digest=digest,
        rounds=run.rounds,
        heartbeat_period=run.heartbeat,
    )
