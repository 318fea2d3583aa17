"""The worker of a peer: it does the jobs of the machine, with torch."""

from __future__ import annotations

import math

import numpy as np

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.messages.federation import RunInfo
from iot_fl_ros.core.names import agreed_run_id
from iot_fl_ros.core.store import Store, read_of_run
from iot_fl_ros.data.parts import open_samples
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.mesh.graph import LinkSource
from iot_fl_ros.mesh.jobs import Mix, Mixed, PeerReady, PeerTrained, PreparePeer, TrainPeer
from iot_fl_ros.mesh.settings import MeshRunSettings
from iot_fl_ros.methods.contract import as_declared, as_loss
from iot_fl_ros.methods.method import MeshMethod, Participant
from iot_fl_ros.methods.registry import METHODS
from iot_fl_ros.methods.worker import ParticipantWorker, run_info
from iot_fl_ros.training.preparation import new_trainer, own_data
from iot_fl_ros.training.saved_model import model_facts

_PROBE = 200  # samples at most on which disagreement is measured


class PeerWorker(ParticipantWorker):
    """Does the jobs of one peer."""

    def __init__(self, robot_id: str, settings: MeshRunSettings, store: Store | None) -> None:
        super().__init__(store)
        self._robot_id = robot_id
        self._settings = settings
        self._links = LinkSource(settings.peer.mesh, robot_id, settings.peer.run.seed)
        self._method: MeshMethod
        self._test: Samples | None = None

    def run(self, job: PreparePeer | TrainPeer | Mix) -> PeerReady | PeerTrained | Mixed:
        """Do `job`."""
        if isinstance(job, PreparePeer):
            return self._prepare()
        if isinstance(job, TrainPeer):
            update, loss = self._method.train(self.participant, job.round)
            specs = self._method.update_specs(job.round)
            return PeerTrained(as_declared(update, specs, 'train', 'update_specs'), as_loss(loss))
        return self._mix(job)

    def _prepare(self) -> PeerReady:
        peer = self._settings.peer
        links, warning = self._links.read(), self._links.warning()
        names, private, self._test = own_data(peer.data, peer.data.robot_test_size)
        shape, method = private.shape, METHODS.get(self._settings.method_name)
        trainer = new_trainer(
            peer.model.name, shape, len(names), peer.run.seed, peer.node.device, private
        )
        if method.shares_state:
            trainer.model_state.check(peer.model.name)
        probe = None
        if self._test:
            probe = self._test.unlabelled().take(np.arange(min(_PROBE, len(self._test))))
        open_set = open_samples(peer.data, shape) if method.needs_open_set else None
        self.participant = Participant(self._robot_id, trainer, open_set, probe=probe)
        info = self._info(names, shape)
        self._method = method(self._settings.method, info)
        self._method.prepare(self.participant)
        self.facts = model_facts(peer.model.name, shape, names, info.run_id)
        if peer.run.resume and self._store:
            read_of_run(self._store, info.run_id)  # or it is another run's
        kept = self.restore_if('run_id', info.run_id) if peer.run.resume else None
        manifest, update = kept or (None, {})
        return PeerReady(info, self._method, len(private), links, manifest, update, warning)

    def _info(self, names: tuple[str, ...], shape: tuple[int, ...]) -> RunInfo:
        """Return what is constant in the run; its id is a digest of what peers must agree upon."""
        peer = self._settings.peer
        run, mesh, model = peer.run, peer.mesh, peer.model.name
        name, settings = self._settings.method_name, self._settings.method
        open_set, state_size = self.participant.open_set, self.participant.trainer.state_size
        shares = METHODS.get(name).shares_state
        facts = {
            'method': name,
            'settings': settings,
            'seed': run.seed,
            'rounds': run.rounds,
            'classes': names,
            'shape': shape,
            'open set': open_set.digest().hex() if open_set else '',
            'weights': (mesh.weights, mesh.eps),
            'model': (model, state_size) if shares else None,
        }
        return run_info(
            self.participant,
            name,
            settings,
            run_id=agreed_run_id(run.name, facts),
            model=model,
            seed=run.seed,
            class_names=names,
            input_shape=shape,
            rounds=run.rounds,
            heartbeat_period=run.heartbeat,
        )

    def _mix(self, job: Mix) -> Mixed:
        measured = self._method.mix(
            self.participant, job.own, job.received, job.weights, job.round
        )
        accuracy = self.participant.trainer.accuracy(self._test) if self._test else math.nan
        try:
            return Mixed(accuracy, measured, self._links.changed())
        except ConfigError as error:
            return Mixed(accuracy, measured, warning=f'the graph stays as it is: {error}')
