"""Parties and run infos for the tests of methods: tiny, without files."""

import numpy as np
from torch import nn

from iot_fl_ros.core.messages.federation import RunInfo
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.exchange.open_round import Update
from iot_fl_ros.methods.method import Participant
from iot_fl_ros.methods.registry import method_of, method_settings, settings_text
from iot_fl_ros.training.trainer import Trainer

RNG = np.random.default_rng(0)
OPEN = Samples(RNG.normal(size=(40, 4)).astype(np.float32), None)
PRIVATE = Samples(RNG.normal(size=(20, 4)).astype(np.float32), np.arange(20) % 2, ('a', 'b', 'c'))


def info_of(name, rounds=50, **settings):
    _, values = method_settings({'name': name, **settings})
    state_size = sum(p.numel() for p in model().parameters())
    return RunInfo(
        stamp=0.0,
        run_id='r-1',
        epoch=0,
        method=name,
        method_settings=settings_text(values),
        model='none',
        seed=7,
        class_names=('a', 'b', 'c'),
        input_shape=(4,),
        state_size=state_size,
        open_set_size=len(OPEN),
        open_set_digest=bytes(32),
        rounds=rounds,
        heartbeat_period=1.0,
    )


def method(name, **settings):
    return method_of(info_of(name, **settings))


def model():
    return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3))


def robot(name='r1', private=PRIVATE):
    return Participant(name, Trainer(model(), 'cpu', private), OPEN)


def aggregator():
    return Participant('aggregator', Trainer(model(), 'cpu'), OPEN)


def update(robot_id, samples=10, **tensors):
    return Update(robot_id, tensors, samples)
