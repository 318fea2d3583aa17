"""Training of a cut model by epochs that can be taken up again after a stop."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.errors import ConfigError, one_line
from iot_fl_ros.core.seeds import derive_seed, generator
from iot_fl_ros.core.store import Store
from iot_fl_ros.models.memory_format import use_channels_last

# (batch as the model takes it, indices of its samples) -> mean loss
Objective = Callable[[torch.Tensor, NDArray[np.int64]], torch.Tensor]
# indices -> batch of float32 [n, ...]
Batches = Callable[[NDArray[np.int64]], NDArray[np.float32]]
_SHIFT = 4  # pixels, as usual for CIFAR-10


@dataclass(frozen=True)
class TrainingSettings:
    """Schedule: SGD with momentum, one cycle of the learning rate over all epochs."""

    epochs: int = setting(10, 'Passes over the training samples.', minimum=1)
    batch_size: int = setting(128, 'Samples a step.', minimum=2)
    learning_rate: float = setting(0.1, 'Highest learning rate (SGD, one cycle).', minimum=0.0)
    weight_decay: float = setting(5e-4, 'Weight decay.', minimum=0.0)
    augment: str = setting(
        'none',
        'Changes to training images: flip_shift mirrors half of them and moves all by up to 4 '
        'pixels.',
        choices=('none', 'flip_shift'),
    )


@dataclass(frozen=True)
class Epoch:
    """Result of an epoch."""

    number: int
    of: int
    loss: float


def train(
    model: nn.Module, objective: Objective, batches: Batches, count: int,
    settings: TrainingSettings, seed: int, store: Store | None = None, identity: str = '',
    freeze_statistics: bool = False,
) -> Iterator[Epoch]:  # fmt: skip
    """Train `model` on `count` samples; yields after each epoch, and goes on when asked.

    With a store every epoch is kept, and a training of the same `identity`, seed and settings goes
    on behind the last kept one. Same seed, same result, interrupted or not. freeze_statistics:
    batch normalisation keeps its means and variances.
    """
    use_channels_last(model)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(
        parameters, settings.learning_rate, 0.9, weight_decay=settings.weight_decay, nesterov=True
    )
    steps = max(1, count // settings.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=steps * settings.epochs + 1, pct_start=0.3
    )
    kept = {'training': identity, 'seed': seed, 'count': count, 'settings': repr(settings)}
    done = _restore(model, optimizer, parameters, kept, store)
    with warnings.catch_warnings():
        # Nothing was trained yet: the schedule goes to where the kept training was.
        warnings.filterwarnings('ignore', message='Detected call of `lr_scheduler.step')
        for _ in range(done * steps):
            schedule.step()
    for number in range(done, settings.epochs):
        model.train()
        for module in model.modules() if freeze_statistics else ():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eval()
        rng = generator(seed, 'epoch', number)
        torch.manual_seed(derive_seed(seed, 'epoch', number))
        order = rng.permutation(count)
        total = 0.0
        for step in range(steps):
            indices = order[step * settings.batch_size : (step + 1) * settings.batch_size]
            images = batches(indices)
            if settings.augment == 'flip_shift':
                images = _flip_and_shift(images, rng)
            loss = objective(torch.from_numpy(images), indices)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        model.eval()
        if store:
            tensors = {f'model.{name}': t.numpy() for name, t in model.state_dict().items()}
            for index, parameter in enumerate(parameters):
                momentum = optimizer.state[parameter].get('momentum_buffer')
                if momentum is not None:  # it never had a gradient
                    tensors[f'momentum.{index}'] = momentum.contiguous().numpy()
            store.write({**kept, 'epochs': number + 1}, tensors)
        yield Epoch(number + 1, settings.epochs, total / steps)
    model.eval()


def _flip_and_shift(images: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return mirrored and moved copies of images [n, C, H, W]; what comes in is mirrored."""
    count, _, height, width = images.shape
    flipped = rng.random(count) < 0.5
    images = np.where(np.reshape(flipped, (-1, 1, 1, 1)), images[..., ::-1], images)
    edge = ((0, 0), (0, 0), (_SHIFT, _SHIFT), (_SHIFT, _SHIFT))
    padded = np.pad(images, edge, mode='reflect')
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    dy, dx = rng.integers(0, 2 * _SHIFT + 1, (2, count))
    return np.ascontiguousarray(windows[np.arange(count), :, dy, dx])


def _restore(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    parameters: list[nn.Parameter],
    identity: dict[str, Any],
    store: Store | None,
) -> int:
    """Bring back the last kept epoch of this very training; return how many are done."""
    kept = store.read() if store else None
    if kept is None or {name: kept[0].get(name) for name in identity} != identity:
        return 0
    manifest, arrays = kept
    state = {
        name.removeprefix('model.'): torch.from_numpy(array)
        for name, array in arrays.items()
        if name.startswith('model.')
    }
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ConfigError(f'the kept training is of another model: {one_line(error)}') from error
    for index, parameter in enumerate(parameters):
        momentum = arrays.get(f'momentum.{index}')
        if momentum is not None:
            optimizer.state[parameter]['momentum_buffer'] = torch.from_numpy(momentum)
    return int(manifest['epochs'])
