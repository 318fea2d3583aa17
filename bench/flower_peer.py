"""The work of bench/simulate.py in Flower's simulation; run with the Python that has Flower.

As Flower's PyTorch quickstart does it: each client call builds its net and a DataLoader. With
--tuned, what can be kept in a Ray actor from call to call is kept, batches are indexed without a
DataLoader, and the net is in channels-last memory format, as in our learner. Prints the seconds of
every round but the first as JSON.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation
from torch.utils.data import DataLoader, TensorDataset

SAMPLES = 200
BATCH = 50
LEARNING_RATE = 0.05
ENDS: list[float] = []


@cache
def models() -> ModuleType:
    """Return our models: the same net on both sides; the file needs nothing but torch."""
    path = Path(__file__).resolve().parents[1] / 'iot_fl_ros' / 'models' / 'cnn.py'
    spec = importlib.util.spec_from_file_location('cnn', path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def new_model() -> torch.nn.Module:
    """Return a net of a client."""
    torch.set_num_threads(1)
    return models().small_cnn((1, 28, 28), 10)


@cache
def kept_model() -> torch.nn.Module:
    """Return the net that a tuned client uses again and again."""
    model = new_model()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


@cache
def data(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Return all images and labels, mapped."""
    return np.load(f'{path}.x.npy', mmap_mode='r'), np.load(f'{path}.y.npy')


def plain_batches(images: np.ndarray, labels: torch.Tensor) -> Iterable:
    """Return batches as the quickstart makes them."""
    dataset = TensorDataset(torch.from_numpy(images).float().div_(255), labels)
    return DataLoader(dataset, batch_size=BATCH, shuffle=True)


def tuned_batches(images: np.ndarray, labels: torch.Tensor) -> Iterable:
    """Return batches with as little work as we know."""
    for batch in torch.randperm(SAMPLES).split(BATCH):
        values = torch.from_numpy(images[batch.numpy()]).float().div_(255)
        yield values.contiguous(memory_format=torch.channels_last), labels[batch]


def client_app(path: str, tuned: bool) -> ClientApp:
    """Return the client: one local epoch on its 200 images."""
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        x, y = data(path)
        part = slice(*(SAMPLES * (int(context.node_config['partition-id']) + i) for i in (0, 1)))
        images, labels = np.array(x[part]), torch.from_numpy(y[part].astype(np.int64))
        net = kept_model() if tuned else new_model()
        net.load_state_dict(message.content['arrays'].to_torch_state_dict())
        net.train()
        optimizer = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE)
        for values, wanted in (tuned_batches if tuned else plain_batches)(images, labels):
            loss = torch.nn.functional.cross_entropy(net(values), wanted)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        content = {
            'arrays': ArrayRecord(net.state_dict()),
            'metrics': MetricRecord({'num-examples': SAMPLES}),
        }
        return Message(content=RecordDict(content), reply_to=message)

    return app


def server_app(robots: int, rounds: int) -> ServerApp:
    """Return the server: FedAvg over all clients."""
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        strategy = FedAvg(
            fraction_train=1.0, fraction_evaluate=0.0, min_train_nodes=robots,
            min_available_nodes=robots,
        )  # fmt: skip

        def evaluate(server_round: int, arrays: Any) -> MetricRecord:
            ENDS.append(time.perf_counter())
            return MetricRecord({})

        strategy.start(
            grid=grid,
            initial_arrays=ArrayRecord(new_model().state_dict()),
            num_rounds=rounds,
            evaluate_fn=evaluate,
        )

    return app


def main() -> None:
    """Run the simulation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('path')
    parser.add_argument('--robots', type=int)
    parser.add_argument('--rounds', type=int)
    parser.add_argument('--threads', type=int)
    parser.add_argument('--tuned', action='store_true')
    arguments = parser.parse_args()
    with np.load(arguments.path) as archive:
        np.save(f'{arguments.path}.x.npy', archive['x_train'])
        np.save(f'{arguments.path}.y.npy', archive['y_train'])
    run_simulation(
        server_app(arguments.robots, arguments.rounds),
        client_app(arguments.path, arguments.tuned),
        num_supernodes=arguments.robots,
        backend_config={
            'client_resources': {'num_cpus': 1, 'num_gpus': 0.0},
            'init_args': {'num_cpus': arguments.threads, 'include_dashboard': False},
        },
    )
    ends = ENDS[1:]  # the first evaluation is that of the initial model
    print(json.dumps([b - a for a, b in pairwise(ends)]))


if __name__ == '__main__':
    main()
