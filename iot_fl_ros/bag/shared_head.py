"""The work of all heads of an evaluation, done once for a picture."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from iot_fl_ros.core.machine import Stateless
from iot_fl_ros.ros.images import to_rgb
from iot_fl_ros.split.answers import Answer, AnswerSettings, answers
from iot_fl_ros.split.bundle import Bundle, load_bundle
from iot_fl_ros.split.jobs import (
    Encoded,
    EncodeFrame,
    LoadBundle,
    encode_features,
    head_features,
    run_tail,
)


@dataclass
class Timing:
    """Measured seconds of this process; never a part of the results."""

    decode: float = 0.0
    head: float = 0.0
    whole: float = 0.0


class SharedHead(Stateless):
    """Does the work of all heads, once for a picture; also asks the unsplit model.

    unsplit: its answers, by the stamp of the picture. error: why a picture could not be used.
    """

    def __init__(self, folder: Path, answer_settings: AnswerSettings, timing: Timing) -> None:
        self._folder = folder
        self._settings = answer_settings
        self._timing = timing
        self._bundles: dict[int, Bundle] = {}
        self._number: int | None = None
        self._result: Encoded | Exception | None = None
        self.unsplit: dict[int, Answer] = {}
        self.error = ''

    def bundle(self, bits: int) -> Bundle:
        """Return the bundle with features of so many bits; 0 = its own."""
        if bits not in self._bundles:
            bundle = load_bundle(self._folder)
            self._bundles[bits] = bundle.with_bits(bits) if bits else bundle
        return self._bundles[bits]

    def run(self, job: Any) -> Any:
        """Do a job of a head."""
        if isinstance(job, LoadBundle):
            return self.bundle(job.bits)
        assert isinstance(job, EncodeFrame)
        if job.header.stamp != self._number:
            self._number = job.header.stamp
            try:
                self._result = self._encode(job)
            except Exception as error:  # the same for every head that asks
                self._result = error
                self.error = str(error)
        if isinstance(self._result, Exception):
            raise self._result
        assert self._result is not None
        return replace(self._result, header=job.header)

    def _encode(self, job: EncodeFrame) -> Encoded:
        start = time.perf_counter()
        rgb = to_rgb(job.image)
        decoded = time.perf_counter()
        size = rgb.shape[1], rgb.shape[0]
        features = head_features(job.bundle, rgb)
        encoded = encode_features(job, features, size)
        self._timing.decode += decoded - start
        self._timing.head += time.perf_counter() - decoded
        outputs = run_tail(job.bundle, features[None])
        (answer,) = answers(job.bundle, outputs, [size], self._settings)
        self.unsplit[job.header.stamp] = answer
        return encoded
