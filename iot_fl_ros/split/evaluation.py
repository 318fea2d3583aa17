"""Accuracy of a cut model over a lossy link, through the codec that the nodes use."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.link.link import Link, LinkSettings
from iot_fl_ros.link.loss import delivery_rounds
from iot_fl_ros.split.bundle import Bundle
from iot_fl_ros.split.codec import FeatureCodec
from iot_fl_ros.split.recipe import features_of, normalised

_BATCH = 250
# What one IP packet of Ethernet or Wi-Fi takes of a JPEG, B: 1,500 less IP, UDP and RTPS headers.
DATAGRAM_BYTES = 1_400


class LossEvaluation:
    """A bundle shown `samples`; the head runs once, then any link can be tried."""

    def __init__(self, bundle: Bundle, samples: Samples) -> None:
        if samples.labels is None:
            raise ConfigError('accuracy needs labels')
        self._bundle = bundle
        self._labels = samples.labels
        batches = (normalised(samples, i, bundle.input) for i in _batches(len(samples)))
        self._features = np.concatenate([features_of(bundle.cut, batch) for batch in batches])

    def accuracy(self, settings: LinkSettings, order: str = '') -> float:
        """Return the share of samples that the tail classifies rightly, all of them answered.

        Every frame is encoded, its packets go over a link of `settings` one frame after the
        other, and what arrives is decoded. order: of features in packets, '' = the bundle's.
        """
        codec = self._bundle.codec
        if order:
            codec = FeatureCodec(replace(codec.spec, order=order), codec.constants)
        link = Link(settings, 'evaluation')
        right = 0
        for indices in _batches(len(self._features)):
            payload, ranges = codec.encode(self._features[indices])
            arrived = link.arrivals(len(indices), codec.layout.packets)
            payload *= arrived[..., None].astype(np.uint8)
            answers = _answers(self._bundle, codec.decode(payload, arrived, ranges))
            right += int((answers == self._labels[indices]).sum())
        return right / len(self._features)


@dataclass(frozen=True)
class JpegBaseline:
    """A JPEG of each picture, sent whole; the whole model runs on the edge.

    quality: of all JPEGs; mean_bytes: of a JPEG; packets: datagrams of each, int64 [N]; right:
    whether the model is right about the decoded picture, bool [N].
    """

    quality: int
    mean_bytes: float
    packets: NDArray[np.int64]
    right: NDArray[np.bool_]

    def best_effort(self, loss: float) -> float:
        """Return the accuracy if a picture needs all of its datagrams; no picture, no answer."""
        return float(np.mean(self.right * (1 - loss) ** self.packets))

    def reliable(
        self, loss: float, deadline: float, repair_period: float, seed: int
    ) -> tuple[float, float]:
        """Return (accuracy of what is there by the deadline, mean time to the picture, s).

        Lost datagrams are sent again every `repair_period` s. Favours retransmission: requests
        never get lost and the time on air is nothing.
        """
        rng = np.random.default_rng(seed)
        attempts = np.empty(len(self.packets), np.int64)
        for count in np.unique(self.packets):
            which = self.packets == count
            attempts[which] = delivery_rounds(loss, int(count), int(which.sum()), rng)
        times = (attempts - 1) * repair_period
        return float(np.mean(self.right & (times <= deadline))), float(times.mean())


def jpeg_baseline(bundle: Bundle, samples: Samples, frame_bytes: float) -> JpegBaseline:
    """Return the baseline with the highest quality whose mean size is at most `frame_bytes`.

    Quality 1, the lowest, if even that is larger.
    """
    if samples.values.dtype != np.uint8:
        raise ConfigError('the JPEG baseline needs pictures of bytes')
    few = samples.values[:: max(1, len(samples) // 200)]
    low, high = 1, 95
    while low < high:
        middle = (low + high + 1) // 2
        if np.mean([len(_jpeg(image, middle)) for image in few]) <= frame_bytes:
            low = middle
        else:
            high = middle - 1
    files = [_jpeg(image, low) for image in samples.values]
    decoded = np.stack([_pixels(file, samples.shape[0]) for file in files])
    received = Samples(decoded, samples.labels, samples.class_names)
    right = np.zeros(len(samples), bool)
    for indices in _batches(len(samples)):
        features = features_of(bundle.cut, normalised(received, indices, bundle.input))
        right[indices] = _answers(bundle, features) == samples.labels[indices]  # type: ignore[index]
    sizes = np.array([len(file) for file in files])
    packets = np.array([math.ceil(size / DATAGRAM_BYTES) for size in sizes])
    return JpegBaseline(low, float(sizes.mean()), packets, right)


def _answers(bundle: Bundle, features: NDArray[np.float32]) -> NDArray[np.int64]:
    parts = [torch.from_numpy(part) for part in bundle.codec.parts(features)]
    with torch.no_grad():
        return np.asarray(bundle.cut.tail(*parts).argmax(dim=1).numpy())


def _batches(count: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, count, _BATCH):
        yield np.arange(start, min(start + _BATCH, count))


def _jpeg(image: NDArray[np.uint8], quality: int) -> bytes:
    picture = Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))
    file = io.BytesIO()
    picture.save(file, 'JPEG', quality=quality, optimize=True)
    return file.getvalue()


def _pixels(file: bytes, channels: int) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(file)) as picture:
        pixels = np.asarray(picture, np.uint8)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
