"""The aggregator's worker for a run that is over: with the data it had, or with none.

To aggregate needs no data. Without any, the aggregator's model adopts what came out (methods that
average weights need that), but neither learns from the open set nor is measured.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.core.messages.federation import AGGREGATOR, RunInfo
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.federation.settings import AggregatorSettings
from iot_fl_ros.federation.workers import AggregatorWorker
from iot_fl_ros.methods.method import Participant, StarMethod
from iot_fl_ros.methods.registry import METHODS, method_of
from iot_fl_ros.models.registry import MODELS
from iot_fl_ros.training.preparation import new_trainer
from iot_fl_ros.training.settings import ModelSettings

# Epochs on the open set, where a method has them.
_LEARNING = 'aggregator_epochs'


class ReplayWorker(AggregatorWorker):
    """Does the jobs of the aggregator of a recorded run.

    info: of the run, perhaps with another method. settings: where the data is, None = nowhere.
    trusted: methods and models by dotted path that the bag may name.
    """

    def __init__(
        self, info: RunInfo, settings: AggregatorSettings | None, trusted: Sequence[str] = ()
    ) -> None:
        METHODS.check_remote(info.method, trusted)
        MODELS.check_remote(info.model, trusted)
        method = method_of(info)
        if settings is None:
            self._without_data(info, method)
            return
        run = dataclasses.replace(settings.run, seed=info.seed, rounds=info.rounds)
        settings = dataclasses.replace(settings, run=run, model=ModelSettings(info.model))
        super().__init__(settings, info.method, method.settings, None)
        found = self.info
        if found.open_set_size and found.open_set_digest != info.open_set_digest:
            raise DataError(
                f'open set {settings.data.open!r} is not that of the run: --params must name the '
                'same data, sizes and data.seed'
            )
        if (found.class_names, found.input_shape) != (info.class_names, info.input_shape):
            raise DataError(f'test set {settings.data.test!r} is not that of the run')
        self.info, self._method = info, method

    @property
    def method(self) -> StarMethod:
        """The method that aggregates."""
        return self._method

    def _without_data(self, info: RunInfo, method: StarMethod) -> None:
        names = {field.name for field in dataclasses.fields(method.settings)}
        if _LEARNING in names:
            method.settings = dataclasses.replace(method.settings, **{_LEARNING: 0})
        classes, shape = len(info.class_names), tuple(info.input_shape)
        trainer = new_trainer(info.model, shape, classes, run_seed=info.seed, device='cpu')
        # As large as that of the run, and takes no memory.
        blank = np.broadcast_to(np.zeros((), np.float32), (info.open_set_size, *shape))
        open_set = Samples(blank, None) if info.open_set_size else None
        self._store = None
        self._test = None
        self.participant = Participant(AGGREGATOR, trainer, open_set)
        self._method = method
        self.info = info
