"""A split model judged on the pictures of a bag, without playing it.

Every picture goes through the head's machine, an emulated link and the tail's machine, the same as
in the nodes, in virtual time whose clock is the pictures' stamps. All loss rates are tried side by
side, so that a picture is read, decoded and put through the head once. The same bag, bundle and
settings give the same answers, bit for bit, on the same machine.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from iot_fl_ros.bag.pictures import image_topic, pictures
from iot_fl_ros.bag.reader import Bag, check_own_types
from iot_fl_ros.core.config import setting
from iot_fl_ros.core.errors import ConfigError, DataError, MessageError
from iot_fl_ros.core.machine import Stateless
from iot_fl_ros.core.messages.fields import SourceHeader
from iot_fl_ros.core.messages.split import Inference, check_bundle_name
from iot_fl_ros.link.link import LinkSettings
from iot_fl_ros.memory.split import SplitSimulation, WorkTimes
from iot_fl_ros.ros.convert import decode
from iot_fl_ros.ros.images import to_rgb
from iot_fl_ros.split.bundle import Bundle, load_bundle
from iot_fl_ros.split.jobs import (
    Answer,
    AnswerSettings,
    Encoded,
    EncodeFrame,
    LoadBundle,
    TailWorker,
    answers,
    encode_features,
    head_features,
    run_tail,
)

ROBOT = 'robot_0'
LABELS = '/labels'
_START = 1_000_000_000  # ns; a stamp of zero would mean no time at all
_LEAST_GAP = 1_000_000  # ns
_NANO = 1e-9


@dataclass
class Timing:
    """Measured seconds of this process; never a part of the results."""

    decode: float = 0.0
    head: float = 0.0
    whole: float = 0.0


class SharedHead(Stateless):
    """Does the work of all heads, once for a picture; also asks the unsplit model.

    bits: of a feature; 0 = those of the bundle. unsplit: its answers, by the stamp of the picture.
    error: why a picture could not be used.
    """

    def __init__(
        self, folder: Path, bits: int, answer_settings: AnswerSettings, timing: Timing
    ) -> None:
        bundle = load_bundle(folder)
        self.bundle = bundle.with_bits(bits) if bits else bundle
        self._settings = answer_settings
        self._timing = timing
        self._number: int | None = None
        self._result: Encoded | Exception | None = None
        self.unsplit: dict[int, Answer] = {}
        self.error = ''

    def run(self, job: Any) -> Any:
        """Do a job of a head."""
        if isinstance(job, LoadBundle):
            return self.bundle
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
        if job.image is None:
            raise MessageError('bad picture', 'the message cannot be read')
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


@dataclass(frozen=True)
class EvaluationSettings:
    """Settings of the way from head to tail."""

    bits: int = setting(0, 'Bits of a feature; 0 = those of the bundle.', minimum=0, maximum=32)
    deadline: float = setting(
        0.2, 'Time from the stamp of a picture to its answer, s.', minimum=0.001, maximum=60.0
    )
    quiet_time: float = setting(
        0.0, 'Answer a frame that got no packet for so long, s; 0 = wait for the deadline.',
        minimum=0.0, maximum=60.0,
    )  # fmt: skip
    head_seconds: float = setting(0.0, 'Time the head takes, in the latencies, s.', minimum=0.0)
    tail_seconds: float = setting(0.0, 'Time the tail takes, in the latencies, s.', minimum=0.0)
    max_answers: int = setting(5, 'Classes in an answer of a classifier.', minimum=1)
    score_threshold: float = setting(
        0.5, 'Smallest score of a detection.', minimum=0.0, maximum=1.0
    )
    link: LinkSettings = field(default_factory=LinkSettings)


@dataclass(frozen=True)
class Shown:
    """A picture that was shown. stamp: of receiving, in the bag, ns; at: since the first one, ns.

    label: -1 = not known.
    """

    stamp: int
    at: int
    header: SourceHeader
    label: int


@dataclass
class LossRun:
    """Outcome at one loss rate. answers: by number of the picture; None = not counted."""

    loss: float
    answers: dict[int, Inference]
    packets_sent: int | None
    packets_arrived: int | None
    bytes_sent: int


@dataclass
class Evaluation:
    """All that is known after the last picture.

    unsplit: what head and tail say with nothing in between; None = the picture is unusable.
    strange: names of labels that are no classes of the bundle, with their numbers.
    """

    bundle: Bundle
    topic: str
    shown: list[Shown]
    unsplit: list[Answer | None]
    runs: list[LossRun]
    timing: Timing
    strange: Mapping[str, int]


def evaluate(
    bag: Bag,
    folder: Path,
    losses: Sequence[float],
    settings: EvaluationSettings,
    *,
    topic: str = '',
    labels: str = '',
    progress: Any = None,
) -> Evaluation:
    """Show every picture of a topic at every loss rate.

    folder: of the bundle. topic: '' = the only one with pictures. labels: topic with labels, '' =
    `<topic>/labels` where there is one. progress: called after each picture with their number.
    """
    if not losses or any(not 0 <= loss <= 1 for loss in losses):
        raise ConfigError(f'--loss is {list(losses)}: shares of packets, 0 to 1, are needed')
    check_bundle_name(folder.name)
    topic = image_topic(bag, topic)
    timing = Timing()
    start = time.perf_counter()
    answer_settings = AnswerSettings(settings.max_answers, settings.score_threshold)
    head = SharedHead(folder, settings.bits, answer_settings, timing)
    truth, strange = _labels(bag, topic, labels, head.bundle.class_names)
    simulations = [
        SplitSimulation(
            folder.parent, [ROBOT], folder.name, replace(settings.link, loss=loss),
            bits=settings.bits, deadline=settings.deadline, quiet_time=settings.quiet_time,
            times=WorkTimes(settings.head_seconds, settings.tail_seconds),
            head_worker=head, tail_worker=TailWorker(folder.parent, answer_settings),
        )
        for loss in losses
    ]  # fmt: skip
    shown: list[Shown] = []
    numbers: dict[int, int] = {}  # by virtual time
    gap = _LEAST_GAP + round((settings.head_seconds + settings.tail_seconds) / _NANO)
    last = 0
    for picture in pictures(bag, topic):
        at = last = max(_START + picture.at, last + gap)
        numbers[at] = len(shown)
        header = SourceHeader(at, picture.header.frame_id)
        for simulation in simulations:
            simulation.picture(at * _NANO, header, picture.message)
        label = truth.get(picture.header.stamp, -1)
        shown.append(Shown(picture.stamp, picture.at, picture.header, label))
        if progress:
            progress(len(shown))
    if not shown:
        raise DataError(f'{bag.path} holds no pictures on {topic}')
    runs = []
    for loss, simulation in zip(losses, simulations, strict=True):
        simulation.finish()
        found = {numbers[answer.header.stamp]: answer for answer in simulation.answers}
        sent, arrived = simulation.sent, simulation.arrived
        runs.append(LossRun(loss, found, sent.packets, arrived.packets, sent.size))
    if shown and not any(run.packets_sent for run in runs):
        raise DataError(f'no picture of {topic} can be used: {head.error or "frame_id too long"}')
    timing.whole = time.perf_counter() - start
    unsplit = [head.unsplit.get(at) for at in numbers]
    return Evaluation(head.bundle, topic, shown, unsplit, runs, timing, strange)


def _labels(
    bag: Bag, topic: str, wanted: str, class_names: Sequence[str]
) -> tuple[Mapping[int, int], Mapping[str, int]]:
    """Return stamp -> class of the pictures whose class is known, and names that are no classes.

    A label counts by its name, as whoever made it may have the classes in another order; a name
    that is the number itself says nothing.
    """
    name = wanted or topic.removesuffix('/compressed') + LABELS
    if name not in bag.topics or bag.topics[name].ros_type != 'iot_fl_ros/msg/Inference':
        if wanted:
            raise ConfigError(f'{bag.path} has no labels (iot_fl_ros/msg/Inference) on {wanted}')
        return {}, {}
    check_own_types(bag, [name])
    found: dict[int, int] = {}
    strange: Counter[str] = Counter()
    for message in bag.messages((name,)):
        try:
            label = decode(Inference, message.raw)
        except MessageError:
            continue
        assert isinstance(label, Inference)
        if not label.class_ids:
            continue
        number, kind = label.class_ids[0], label.class_names[0]
        if kind in class_names:
            number = class_names.index(kind)
        elif kind != str(number) or number >= len(class_names):
            strange[kind] += 1
            continue
        found[label.header.stamp] = number
    return found, strange
