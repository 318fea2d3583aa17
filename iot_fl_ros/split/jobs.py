"""The heavy work of heads and tails, done on a worker thread; what a tail answers."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.machine import Stateless
from iot_fl_ros.core.messages.fields import SourceHeader
from iot_fl_ros.core.messages.split import SplitInfo
from iot_fl_ros.models.yolo import decode
from iot_fl_ros.split.bundle import Bundle, load_bundle
from iot_fl_ros.split.codec import FeatureCodec
from iot_fl_ros.split.open_frame import ReceivedFrame

_MAX_DETECTIONS = 300
ToRgb = Callable[[Any], NDArray[np.uint8]]
_MAX_BUNDLES = 4


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """Contents of an answer: classes of a classifier, smallest score of a detection."""

    classes: int = 5
    threshold: float = 0.5


@dataclass(frozen=True, slots=True)
class Answer:
    """Best first. boxes: float32 [n, 4], shares 0..1 of the picture; [0, 4] for a classifier."""

    class_ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    boxes: NDArray[np.float32]

    def fields(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the fields of an Inference that tell it; names: of all classes."""
        ids = [int(i) for i in self.class_ids]
        return {
            'class_ids': tuple(ids),
            'class_names': tuple(names[i] if i < len(names) else str(i) for i in ids),
            'scores': tuple(float(s) for s in self.scores),
            'boxes': tuple(float(v) for v in self.boxes.reshape(-1)),
        }


def answers(
    bundle: Bundle,
    outputs: tuple[torch.Tensor, ...],
    sizes: Sequence[tuple[int, int]],
    settings: AnswerSettings,
) -> list[Answer]:
    """Return the answer for each frame of a batch.

    sizes: width and height of each picture as the camera took it.
    """
    if bundle.task == 'classification':
        return _classes(outputs[0], settings.classes)
    return [
        _detections(bundle, tuple(o[i : i + 1] for o in outputs), size, settings.threshold)
        for i, size in enumerate(sizes)
    ]


def _classes(logits: torch.Tensor, count: int) -> list[Answer]:
    best = logits.softmax(1).nan_to_num(0.0).topk(min(count, logits.shape[1]), dim=1)
    no_boxes = np.zeros((0, 4), np.float32)
    return [
        Answer(ids, scores, no_boxes)
        for ids, scores in zip(best.indices.numpy(), best.values.numpy(), strict=True)
    ]


def _detections(
    bundle: Bundle, outputs: tuple[torch.Tensor, ...], size: tuple[int, int], threshold: float
) -> Answer:
    found = decode(outputs, bundle.input.shape[1], threshold)
    boxes = bundle.input.to_source(found.boxes[:_MAX_DETECTIONS], *(max(1, n) for n in size))
    return Answer(found.classes[:_MAX_DETECTIONS], found.scores[:_MAX_DETECTIONS], boxes)


@dataclass(frozen=True, slots=True)
class LoadBundle:
    """Read a bundle by name; bits 0 = its own. Gives a Bundle."""

    name: str
    bits: int


@dataclass(frozen=True, slots=True)
class EncodeFrame:
    """Run the head on a picture. Gives Encoded."""

    header: SourceHeader
    image: Any
    bundle: Bundle
    epoch: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """A frame's features as packets. image_size: width, height; seconds: of work."""

    header: SourceHeader
    epoch: int
    payload: NDArray[np.uint8]
    ranges: NDArray[np.float32]
    elements: int
    image_size: tuple[int, int]
    seconds: float


@dataclass(frozen=True, slots=True)
class PrepareTail:
    """Get ready for what a SplitInfo announces. Gives PreparedTail."""

    info: SplitInfo


@dataclass(frozen=True, slots=True)
class PreparedTail:
    """A tail that is ready. seconds: a frame takes so long."""

    bundle: Bundle
    codec: FeatureCodec
    seconds: float


@dataclass(frozen=True, slots=True)
class InferFrames:
    """Run tails on frames. Gives Inferred."""

    frames: tuple[ReceivedFrame, ...]


@dataclass(frozen=True, slots=True)
class Inferred:
    """One answer per frame, in order."""

    answers: tuple[Answer, ...]
    seconds: float


class HeadWorker(Stateless):
    """Loads bundles and encodes pictures. to_rgb: picture -> uint8 [height, width, 3]."""

    def __init__(self, bundle_dir: Path, to_rgb: ToRgb) -> None:
        self._bundle_dir = bundle_dir
        self._to_rgb = to_rgb

    def run(self, job: Any) -> Any:
        """Do a job."""
        match job:
            case LoadBundle(name, bits):
                bundle = load_bundle(self._bundle_dir / name)
                return bundle.with_bits(bits) if bits else bundle
            case EncodeFrame():
                return self._encode(job)
        raise TypeError(f'no job of a head: {job!r}')

    def _encode(self, job: EncodeFrame) -> Encoded:
        start = time.perf_counter()
        rgb = self._to_rgb(job.image)
        features = head_features(job.bundle, rgb)
        encoded = encode_features(job, features, (rgb.shape[1], rgb.shape[0]))
        return replace(encoded, seconds=time.perf_counter() - start)


def head_features(bundle: Bundle, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what crosses the cut for a picture uint8 [height, width, 3]: float32 [elements]."""
    inputs = torch.from_numpy(bundle.input.prepare(rgb)[None])
    with torch.inference_mode():
        parts = bundle.cut.features(inputs)
        flat = parts[0] if len(parts) == 1 else torch.cat([p.flatten(1) for p in parts], 1)
    return np.asarray(flat.flatten().numpy())


def encode_features(
    job: EncodeFrame, features: NDArray[np.float32], size: tuple[int, int]
) -> Encoded:
    """Return the features of a picture of `size` (width, height) as packets, in no time."""
    codec = job.bundle.codec
    payload, ranges = codec.encode(features)
    return Encoded(job.header, job.epoch, payload, ranges, codec.layout.elements, size, 0.0)


class TailWorker(Stateless):
    """Prepares tails and answers frames, those of one model in one batch."""

    def __init__(self, bundle_dir: Path, settings: AnswerSettings) -> None:
        self._bundle_dir = bundle_dir
        self._settings = settings
        self._bundles: dict[bytes, Bundle] = {}

    def run(self, job: Any) -> Any:
        """Do a job."""
        match job:
            case PrepareTail(info):
                return self._prepare(info)
            case InferFrames(frames):
                return self._infer(frames)
        raise TypeError(f'no job of a tail: {job!r}')

    def _prepare(self, info: SplitInfo) -> PreparedTail:
        bundle = self._bundles.get(info.bundle_digest)
        if bundle is None:
            bundle = load_bundle(self._bundle_dir / info.bundle)
            if bundle.digest != info.bundle_digest:
                raise ConfigError(
                    f'bundle {info.bundle!r} has digest {bundle.digest.hex()[:8]} here and '
                    f'{info.bundle_digest.hex()[:8]} on the robot: copy the same one to both'
                )
            while len(self._bundles) >= _MAX_BUNDLES:
                self._bundles.pop(next(iter(self._bundles)))
            self._bundles[bundle.digest] = bundle
        codec = bundle.with_bits(info.bits).codec
        layout = codec.layout
        if (layout.packets, layout.packet_bytes) != (info.packet_count, info.packet_bytes):
            raise ConfigError('packets of another size than the bundle says')
        if layout.digest != info.layout_digest:
            raise ConfigError(
                'the interleaving differs from that of the robot: use the same release of NumPy'
            )
        return PreparedTail(bundle, codec, self._warm_up(bundle, codec))

    def _warm_up(self, bundle: Bundle, codec: FeatureCodec) -> float:
        """Return how long the second of two empty frames takes: the first one is slow."""
        seconds = 0.0
        for _ in range(2):
            start = time.perf_counter()
            features = np.zeros((1, codec.spec.elements), np.float32)
            answers(bundle, run_tail(bundle, features), [(1, 1)], self._settings)
            seconds = time.perf_counter() - start
        return seconds

    def _infer(self, frames: Sequence[ReceivedFrame]) -> Inferred:
        start = time.perf_counter()
        groups: dict[bytes, list[int]] = defaultdict(list)
        for index, frame in enumerate(frames):
            groups[frame.bundle.digest].append(index)
        results: dict[int, Answer] = {}
        for indices in groups.values():
            bundle = frames[indices[0]].bundle
            received = [frames[index] for index in indices]
            features = np.stack([f.codec.decode(f.payload, f.arrived, f.ranges) for f in received])
            sizes = [(f.packet.image_width, f.packet.image_height) for f in received]
            outputs = run_tail(bundle, features)
            found = answers(bundle, outputs, sizes, self._settings)
            results |= zip(indices, found, strict=True)
        done = tuple(results[index] for index in range(len(frames)))
        return Inferred(done, time.perf_counter() - start)


def run_tail(bundle: Bundle, features: NDArray[np.float32]) -> tuple[torch.Tensor, ...]:
    """Return the model's outputs for features [N, elements], each a tensor [N, ...]."""
    parts = [torch.from_numpy(part) for part in bundle.codec.parts(features)]
    with torch.inference_mode():
        outputs = bundle.cut.tail(*parts)
    return outputs if isinstance(outputs, tuple) else (outputs,)
