"""One model and what can be done with it: train, predict, measure, read and write its state."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.models.memory_format import use_channels_last
from iot_fl_ros.models.registry import input_dtype
from iot_fl_ros.training.saved_model import write_model
from iot_fl_ros.training.settings import samples_a_batch
from iot_fl_ros.training.state import ModelState, StateRole, as_real

_PREDICT_BATCH = 500

Parameters = list[nn.Parameter]
Gradients = tuple[torch.Tensor | None, ...]
Values = list[torch.Tensor]


@dataclass(frozen=True)
class Schedule:
    """Schedule of a training: epochs, samples a batch (see `samples_a_batch`), SGD learning rate.

    proximal: mu of the term mu/2 |w - w_start|^2 in the loss (FedProx). balance: tau of logit
    adjustment on private samples (Menon et al., arXiv 2007.07314, equation 10): a robot that has
    few classes, or unequally many samples of each, does not learn that the others are rare.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    proximal: float = 0.0
    balance: float = 0.0


class Trainer:
    """A model on a device with the private samples it may train on.

    The optimizer is plain SGD, made anew at each call: a trainer's state is its weights.
    """

    def __init__(self, model: nn.Module, device: str, private: Samples | None = None) -> None:
        self._device = torch.device(resolve_device(device))
        self._model = model.to(self._device)
        # Convolutions on CPU run about a third faster on channels-last weights.
        images = use_channels_last(self._model)
        self._format = torch.channels_last if images else torch.contiguous_format
        self._dtype = input_dtype(self._model)
        self.model_state = ModelState(self._model)
        self.private = private

    def train(
        self,
        samples: Samples,
        targets: NDArray,
        schedule: Schedule,
        seed: int,
        offset: NDArray[np.float32] | None = None,
    ) -> float:
        """Train by SGD on cross-entropy; return the mean loss, nats.

        targets: int64 labels [N] or float32 probabilities [N, C] (soft cross-entropy).
        seed: order of the samples. offset: added to the logits while training, float32 [C].
        """
        generator = torch.Generator().manual_seed(seed)
        parameters = [p for p in self._model.parameters() if p.requires_grad]
        wanted = torch.from_numpy(np.array(targets)).to(self._device)
        shift = 0.0 if offset is None else torch.from_numpy(offset).to(self._device)
        size = samples_a_batch(schedule.batch_size, len(samples))
        self._model.train()
        start = [p.detach().clone() for p in parameters] if schedule.proximal else []
        total = 0.0
        count = 0
        for _ in range(schedule.epochs):
            order = torch.randperm(len(samples), generator=generator)
            for batch in order.split(size):
                if len(batch) < 2:
                    continue  # BatchNorm cannot train on one sample
                logits = self._logits(samples, batch.numpy()) + shift
                loss = functional.cross_entropy(logits, wanted[batch])
                gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
                _step(parameters, gradients, start, schedule)
                total += loss.item() * len(batch)
                count += len(batch)
        return total / count if count else math.nan

    def train_with_momentum(
        self,
        batches: NDArray[np.int64],
        *,
        learning_rate: float,
        momentum: float,
        velocity: NDArray[np.float32],
        seed: int,
    ) -> tuple[float, NDArray[np.float32]]:
        """Train on mini-batches of private samples; return the mean loss, nats, and the momentum.

        v <- momentum v - learning_rate grad; w <- w + v (arXiv 2308.04762). batches: samples of
        each, [batches, size]. velocity: of the trained values, in their order. seed: of dropout.
        """
        private, private_labels = self.labelled()
        parameters = [p for p in self._model.parameters() if p.requires_grad]
        flat = torch.from_numpy(np.array(velocity)).to(self._device)
        values = [as_real(p.detach()) for p in parameters]
        parts = flat.split([v.numel() for v in values])
        speeds = [part.view(v.shape) for part, v in zip(parts, values, strict=True)]
        labels = torch.from_numpy(np.array(private_labels)).to(self._device)
        self._model.train()
        total = 0.0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for batch in batches:
                logits = self._logits(private, batch)
                loss = functional.cross_entropy(logits, labels[batch])
                gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
                _momentum_step(values, gradients, speeds, learning_rate, momentum)
                total += loss.item()
        return (total / len(batches) if len(batches) else math.nan), flat.cpu().numpy()

    def train_private(self, schedule: Schedule, seed: int) -> float:
        """Train on the private samples; return the mean loss, nats."""
        private, labels = self.labelled()
        offset = None
        if schedule.balance:
            offset = schedule.balance * log_prior(labels, len(private.class_names))
        return self.train(private, labels, schedule, seed, offset)

    def labelled(self) -> tuple[Samples, NDArray[np.int64]]:
        """Return the private samples and their labels [N]; ConfigError if there are none."""
        if self.private is None or self.private.labels is None:
            raise ConfigError('this trainer has no private samples: set data.private')
        return self.private, self.private.labels

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        """Return softmax outputs [N, C], the model in evaluation mode."""
        self._model.eval()
        with torch.no_grad():
            parts = [
                functional.softmax(self._logits(samples, indices), dim=1)
                for indices in np.array_split(
                    np.arange(len(samples)), max(1, math.ceil(len(samples) / _PREDICT_BATCH))
                )
            ]
        return torch.cat(parts).cpu().numpy()

    def features(self, samples: Samples) -> NDArray[np.float32]:
        """Return the inputs of the model's last linear layer, float32 [N, D], in evaluation mode.

        ConfigError if the model has no linear layer.
        """
        layers = [module for module in self._model.modules() if isinstance(module, nn.Linear)]
        if not layers:
            raise ConfigError('the model has no linear layer whose inputs could be its features')
        seen: list[torch.Tensor] = []
        handle = layers[-1].register_forward_pre_hook(
            lambda module, inputs: seen.append(inputs[0].flatten(1))
        )
        try:
            self.probabilities(samples)
        finally:
            handle.remove()
        return torch.cat(seen).float().cpu().numpy()

    def accuracy(self, samples: Samples) -> float:
        """Return the share of right answers on labelled samples, 0..1."""
        return float(np.mean(self.probabilities(samples).argmax(axis=1) == samples.labels))

    def state(self) -> NDArray[np.float32]:
        """Return the state of the model, see `training.state`."""
        return self.model_state.read()

    def set_state(self, state: NDArray[np.float32]) -> None:
        """Set the state of the model; ConfigError if it is one of another model."""
        self.model_state.write(state)

    def save(self, path: Path, facts: dict[str, str]) -> None:
        """Write the model with what is to be said of it, see `training.saved_model`."""
        write_model(self._model, facts, path)

    def trained_values(self) -> NDArray[np.bool_]:
        """Return which values of the state are trained by gradients."""
        return self.model_state.having(StateRole.TRAINED)

    @property
    def state_size(self) -> int:
        """Length of the state vector."""
        return self.model_state.size

    def _logits(self, samples: Samples, indices: NDArray[np.int64]) -> torch.Tensor:
        logits: torch.Tensor = self._model(self._batch(samples, indices))
        return logits.float()  # of a model of another precision; else they are as they are

    def _batch(self, samples: Samples, indices: NDArray[np.int64]) -> torch.Tensor:
        values = torch.from_numpy(samples.values[indices]).to(self._device)
        if values.dtype == torch.uint8:
            values = values.float().div_(255)
        values = values.to(self._dtype)
        return values.contiguous(memory_format=self._format) if values.ndim == 4 else values


def _step(parameters: Parameters, gradients: Gradients, start: Values, schedule: Schedule) -> None:
    """Take one step of SGD, with the gradient of proximal/2 |w - start|^2 if start is not empty.

    As torch.optim.SGD bit for bit; without its bookkeeping small models train a sixth faster, and
    no gradients stay in memory, of which a fleet has none to spare.
    """
    with torch.no_grad():
        for number, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            if gradient is None:
                continue
            if start:
                gradient = gradient.add(parameter - start[number], alpha=schedule.proximal)
            parameter.add_(gradient, alpha=-schedule.learning_rate)


def _momentum_step(
    values: Values, gradients: Gradients, speeds: Values, rate: float, momentum: float
) -> None:
    """Take one step of SGD with momentum; `values` and `speeds` are changed in place."""
    with torch.no_grad():
        for value, gradient, speed in zip(values, gradients, speeds, strict=True):
            speed.mul_(momentum)
            if gradient is not None:
                speed.sub_(as_real(gradient), alpha=rate)
            value.add_(speed)


def log_prior(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Return the logarithm of the share of each class, one sample added to each, float32 [C]."""
    counts = np.bincount(labels, minlength=classes) + 1.0
    return np.log(counts / counts.sum()).astype(np.float32)


def resolve_device(device: str) -> str:
    """Return `cpu` or `cuda` for `auto`; ConfigError if cuda is asked for and not there."""
    if device == 'cuda' and not torch.cuda.is_available():
        raise ConfigError('device is cuda, but torch sees no GPU: use cpu or auto')
    return ('cuda' if torch.cuda.is_available() else 'cpu') if device == 'auto' else device
