"""The base of the workers of all methods: a participant, and a place for its checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from iot_fl_ros.core.effects import SaveCheckpoint
from iot_fl_ros.core.errors import DataError
from iot_fl_ros.core.messages.federation import RunInfo
from iot_fl_ros.core.messages.fields import NO_DIGEST
from iot_fl_ros.core.store import Store
from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.methods.method import Participant
from iot_fl_ros.methods.registry import settings_text

_MODEL_STATE = 'model.state'
_MEMORY = 'memory.'


class ParticipantWorker:
    """Keeps the model and the memory of `participant` beside what the machine saves."""

    participant: Participant

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self.facts: dict[str, str] = {}  # of the model, once there is one

    def save_model(self, path: Path) -> None:
        """Write the model as it is now; DataError if there is none yet, OSError if it fails."""
        if not self.facts:
            raise DataError(
                'there is no model: no run has begun, or its method leaves this node without one'
            )
        self.participant.trainer.save(path, self.facts)

    @property
    def keeps(self) -> bool:
        """True if there is a place for checkpoints."""
        return self._store is not None

    def save(self, effect: SaveCheckpoint) -> None:
        """Write the checkpoint with the participant's state."""
        if self._store:
            memory = {_MEMORY + name: one for name, one in self.participant.memory.items()}
            own = {_MODEL_STATE: self.participant.trainer.state(), **memory}
            self._store.write(effect.manifest, {**effect.tensors, **own})

    def restore_if(self, key: str, value: str) -> tuple[dict[str, Any], Tensors] | None:
        """Give the participant back what was kept; return manifest and tensors of the machine.

        None if nothing is kept, or `key` of its manifest is not `value`.
        """
        kept = self._store.read() if self._store else None
        if kept is None or kept[0].get(key) != value:
            return None
        manifest, tensors = kept
        self.participant.trainer.set_state(tensors[_MODEL_STATE])
        others = {}
        for name, tensor in tensors.items():
            if name.startswith(_MEMORY):
                self.participant.memory[name.removeprefix(_MEMORY)] = np.array(tensor)
            elif name != _MODEL_STATE:
                others[name] = tensor
        return manifest, others


def run_info(participant: Participant, method: str, settings: Any, **constants: Any) -> RunInfo:
    """Return what is constant in a run; constants: the other fields of RunInfo."""
    open_set = participant.open_set
    return RunInfo(
        stamp=0.0,
        epoch=0,
        method=method,
        method_settings=settings_text(settings),
        state_size=participant.trainer.state_size,
        open_set_size=len(open_set) if open_set else 0,
        open_set_digest=open_set.digest() if open_set else NO_DIGEST,
        **constants,
    )
