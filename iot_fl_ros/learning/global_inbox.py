"""The global tensors at a robot: what it holds, what is arriving, what to ask for again."""

from __future__ import annotations

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages import AGGREGATOR, NO_DIGEST, GlobalChunk
from iot_fl_ros.core.repair import Repair
from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.core.transfer import Assembly
from iot_fl_ros.learning.method import Method

# Tensors that arrive before the run info they belong to: latched topics come in any order.
_MAX_EARLY_CHUNKS = 256


class GlobalInbox:
    """Takes chunks one by one; `held` names the last whole set.

    fresh: the tensors of that set while a job may still need them, computed in round `round`.
    """

    def __init__(self) -> None:
        self._early: list[GlobalChunk] = []
        self.reset()

    def reset(self) -> None:
        """Forget everything of a former run."""
        self.held = NO_DIGEST
        self.version = 0
        self.round = 0
        self.fresh: Tensors | None = None
        self._assembly: Assembly | None = None
        self._expected = NO_DIGEST
        self._repair = Repair()

    def hold(self, digest: bytes, version: int) -> None:
        """Take note that the model has learned from these tensors already."""
        self.held, self.version = digest, version

    def keep_early(self, chunk: GlobalChunk) -> bool:
        """Keep a chunk that came before the run info, if there is room; return whether."""
        if len(self._early) >= _MAX_EARLY_CHUNKS:
            return False
        self._early.append(chunk)
        return True

    def take_early(self) -> list[GlobalChunk]:
        """Return and forget the chunks that came early."""
        early, self._early = self._early, []
        return early

    def take(self, chunk: GlobalChunk, method: Method, wanted: bytes) -> bool:
        """Place a chunk; return whether it completed a set, which is then held and fresh.

        wanted: digest that the plan names. MessageError says why a chunk or set is refused.
        """
        if chunk.sender_id != AGGREGATOR or chunk.specs != method.global_specs():
            raise MessageError('wrong tensors', f'{chunk.specs} is not what the method sends')
        if chunk.digest == self.held:
            return False  # sent again for another robot
        if self._assembly is None or self._assembly.digest != chunk.digest:
            self._check_worth(chunk, wanted)
            self._assembly = Assembly(chunk)
        self._assembly.add(chunk)
        if self._assembly.missing:
            return False
        whole, self._assembly = self._assembly, None
        tensors = whole.tensors()
        method.check_values(tensors)
        self.fresh = tensors
        self.held, self.version, self.round = whole.digest, whole.model_version, whole.round
        return True

    def expect(self, digest: bytes) -> float | None:
        """Watch for the set of that digest; return after how many s to look, None = no need."""
        if digest in (NO_DIGEST, self.held, self._expected):
            return None
        self._expected = digest
        self._repair = Repair()
        return self._repair.delay

    def look(self, digest: bytes) -> tuple[tuple[int, ...] | None, float | None]:
        """Return (chunks to ask for or None, s until the next look or None) for that set."""
        self._expected = NO_DIGEST
        if digest in (NO_DIGEST, self.held):
            return None, None
        self._expected = digest
        missing: tuple[int, ...] = ()
        if self._assembly and self._assembly.digest == digest:
            if self._assembly.progressed:
                self._assembly.progressed = False
                self._repair.progressed()
                return None, self._repair.delay
            missing = self._assembly.missing
        return self._repair.wanted(missing), self._repair.delay

    def _check_worth(self, chunk: GlobalChunk, wanted: bytes) -> None:
        """Raise MessageError unless a new set may replace the one in the making."""
        if chunk.digest == wanted:
            return
        making = self._assembly
        newer = chunk.model_version > max(self.version, making.model_version if making else 0)
        first = chunk.model_version == self.version == 0 and making is None and not self.held
        if (making and making.digest == wanted) or not (newer or first):
            raise MessageError('not wanted', f'tensors of version {chunk.model_version}')
