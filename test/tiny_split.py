"""A tiny cut model with its bundle and packets, for tests of split inference."""

from collections import OrderedDict
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from iot_fl_ros.core.feature_packet import FramePackets, read_packet
from iot_fl_ros.core.split_messages import SplitInfo
from iot_fl_ros.data.pictures import ImageInput
from iot_fl_ros.models.graph import INPUT, Layer, LayerGraph
from iot_fl_ros.split.bundle import (
    Architecture,
    Bundle,
    feature_shapes,
    load_bundle,
    save_bundle,
)
from iot_fl_ros.split.codec import CodecSpec, fit_codec
from iot_fl_ros.split.recipe import features_of

SHAPE = (3, 16, 16)
CLASSES = ('ant', 'bee', 'cat', 'dog', 'eel')


def net(shape, classes):
    """Cut behind `pool`, 8x8x8 numbers cross."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(shape[0], 8, 3, padding=1), bn=_bn(8), relu=nn.ReLU(),
            pool=nn.MaxPool2d(2), conv2=nn.Conv2d(8, 8, 3, padding=1), bn2=_bn(8),
            relu2=nn.ReLU(), flatten=nn.Flatten(),
            linear=nn.Linear(8 * (shape[1] // 2) * (shape[2] // 2), classes),
        )
    )  # fmt: skip


def skip_net(shape, classes):
    """Cut behind `inner`, two tensors cross: its own and that which skips it."""
    sides = shape[1] * shape[2]
    layers = [
        Layer('stem', nn.Conv2d(shape[0], 4, 1), (INPUT,)),
        Layer('inner', nn.Conv2d(4, 2, 1), ('stem',)),
        Layer('outer', nn.Conv2d(2, 4, 1), ('inner',)),
        Layer('sum', Sum(), ('stem', 'outer')),
        Layer('flatten', nn.Flatten(), ('sum',)),
        Layer('linear', nn.Linear(4 * sides, classes), ('flatten',)),
    ]
    return LayerGraph(layers, ('linear',))


class Sum(nn.Module):
    """Adds what it is given."""

    def forward(self, *values):
        return sum(values)


def _bn(channels):
    """A batch normalisation that looks trained."""
    bn = nn.BatchNorm2d(channels)
    bn.running_mean.normal_(0, 0.2)
    bn.running_var.uniform_(0.5, 1.5)
    return bn


def pictures(count, seed=0):
    """Inputs of the model, float32 [count, 3, 16, 16]."""
    return np.random.default_rng(seed).normal(size=(count, *SHAPE)).astype(np.float32)


def tiny_bundle(folder, model='net', point='pool', seed=0, **codec):
    """Make a bundle, write it, and return what is read again."""
    architecture = Architecture(f'tiny_split:{model}', len(CLASSES), point)
    parts = architecture.build(SHAPE, seed)
    spec = CodecSpec(feature_shapes(parts, SHAPE), **{'bits': 2, **codec})
    fitted = fit_codec(spec, features_of(parts, pictures(50)))
    image = ImageInput(SHAPE, 'stretch', (0.5,) * 3, (0.25,) * 3)
    bundle = Bundle('x', architecture, image, 'classification', CLASSES, parts, fitted)
    save_bundle(bundle, folder)
    return load_bundle(folder)


class Sender:
    """What a head sends: its SplitInfo and frames of packets."""

    def __init__(self, bundle, robot_id='robot_1', session=7, epoch=1, deadline=0.2):
        self.bundle, self.robot_id = bundle, robot_id
        self.session, self.epoch, self.deadline = session, epoch, deadline
        self.sequence = 0

    def other(self, bits=None, **change):
        """A sender of the same robot with something changed."""
        bundle = self.bundle.with_bits(bits) if bits else self.bundle
        fields = {name: getattr(self, name) for name in ('robot_id', 'session', 'epoch')}
        return Sender(bundle, **{**fields, 'deadline': self.deadline, **change})

    def info(self, now):
        """The announcement."""
        codec, layout = self.bundle.codec, self.bundle.codec.layout
        return SplitInfo(
            now, self.robot_id, self.session, self.epoch, self.bundle.name, self.bundle.digest,
            'pool', 'classification', CLASSES, codec.spec.bits, layout.packets,
            layout.packet_bytes, codec.spec.seed, layout.digest, self.deadline,
        )  # fmt: skip

    def frame(self, number, stamp, seed=None):
        """Packets of a frame, as they come from the wire."""
        features = features_of(self.bundle.cut, pictures(1, number if seed is None else seed))
        payload, ranges = self.bundle.codec.encode(features[0])
        frame = FramePackets(
            round(stamp * 1e9), 'camera', self.robot_id, self.session, self.epoch, self.sequence,
            number, (640, 480), self.bundle.codec.layout.elements, ranges, payload,
        )  # fmt: skip
        self.sequence += len(payload)
        return [read_packet(raw) for raw in frame.to_bytes()]

    def answer(self, packets):
        """The classes, best first, and scores that these packets of one frame should give."""
        codec = self.bundle.codec
        payload = np.zeros((codec.layout.packets, codec.layout.packet_bytes), np.uint8)
        arrived = np.zeros(codec.layout.packets, bool)
        for packet in packets:
            payload[packet.packet_index] = np.frombuffer(packet.data, np.uint8)
            arrived[packet.packet_index] = True
        ranges = np.array(packets[0].ranges, np.float32)
        features = codec.decode(payload, arrived, ranges)[None]
        with torch.inference_mode():
            logits = self.bundle.cut.tail(*map(torch.from_numpy, codec.parts(features)))
        best = logits.softmax(1)[0].topk(5)
        return tuple(best.indices.tolist()), tuple(best.values.tolist())


def renamed(bundle, name):
    """The same bundle under another name, as another folder would have it."""
    return replace(bundle, name=name)
