"""The messages of split inference, besides feature packets: one dataclass per file in `msg/`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages import fields as wire
from iot_fl_ros.core.messages.delivery import Delivery, Role
from iot_fl_ros.core.messages.fields import WireMessage, check_digest, check_enum
from iot_fl_ros.core.names import check_robot_id

MAX_DEADLINE = 60.0
MAX_ANSWERS = 1_000
# Bundles become names of folders.
_FOLDER_NAME = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.\-]{0,63}')


class TailState(IntEnum):
    """Values of `SplitStatus.state`."""

    READY = 1
    REFUSED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitInfo(WireMessage):
    """Key to a robot's feature packets."""

    TOPIC: ClassVar[str] = 'split_info'
    DELIVERY: ClassVar[Delivery] = Delivery(
        (Role.HEAD,), (Role.TAIL,), latched=True, from_many=True
    )
    stamp: wire.Stamp
    robot_id: wire.Text
    session: wire.UInt32
    epoch: wire.UInt32
    bundle: wire.Text
    bundle_digest: wire.Digest
    split_point: wire.Text
    task: wire.Text
    class_names: wire.Texts
    bits: wire.UInt8
    packet_count: wire.UInt32
    packet_bytes: wire.UInt32
    permutation_seed: wire.UInt64
    layout_digest: wire.Digest
    deadline: wire.Float64

    def check(self) -> None:
        """Names are usable as such and the deadline is a possible one."""
        check_robot_id(self.robot_id)
        check_bundle_name(self.bundle)
        check_digest('bundle_digest', self.bundle_digest, True)
        check_digest('layout_digest', self.layout_digest, True)
        if not 0 < self.deadline <= MAX_DEADLINE:
            raise MessageError('out of range', f'deadline is {self.deadline} s')


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitStatus(WireMessage):
    """Answer of the tail to a SplitInfo."""

    TOPIC: ClassVar[str] = 'split_status'
    DELIVERY: ClassVar[Delivery] = Delivery((Role.TAIL,), (Role.HEAD,), latched=True, depth=100)
    stamp: wire.Stamp
    edge_id: wire.Text
    robot_id: wire.Text
    session: wire.UInt32
    epoch: wire.UInt32
    state: wire.UInt8
    reason: wire.Text

    @property
    def sender(self) -> str:
        """Id of the edge; `robot_id` is whom it is about."""
        return self.edge_id

    def check(self) -> None:
        """The state is known."""
        check_robot_id(self.robot_id)
        check_enum('state', self.state, TailState)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference(WireMessage):
    """The tail's answer about one frame; header is that of the picture."""

    TOPIC: ClassVar[str] = 'inference'
    DELIVERY: ClassVar[Delivery] = Delivery(
        (Role.TAIL,), (Role.HEAD,), robot_topic=True, reliable=False
    )
    header: wire.Header
    robot_id: wire.Text
    session: wire.UInt32
    epoch: wire.UInt32
    frame: wire.UInt32
    received: wire.Float64
    latency: wire.Float64
    class_ids: wire.UInt32s
    class_names: wire.Texts
    scores: wire.Float32s
    boxes: wire.Float32s

    def check(self) -> None:
        """Every class has a name and a score, every detection four numbers."""
        check_robot_id(self.robot_id)
        count = len(self.class_ids)
        if not count == len(self.class_names) == len(self.scores) or count > MAX_ANSWERS:
            raise MessageError('bad length', f'{count} classes, {len(self.scores)} scores')
        if len(self.boxes) not in (0, 4 * count):
            raise MessageError('bad length', f'{len(self.boxes)} box numbers for {count} classes')


def check_bundle_name(name: str) -> None:
    """Raise MessageError unless `name` can be that of a bundle: a folder, never a path."""
    if not _FOLDER_NAME.fullmatch(name):
        raise MessageError('bad bundle', f'bundle is {name!r}, not a plain name')
