"""What of a model is exchanged: odd models keep what they are."""

import numpy as np
import pytest
import torch
from torch import nn

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.training.state import ModelState, StateRole
from iot_fl_ros.training.trainer import Schedule, Trainer


class Tied(nn.Module):
    """Two layers that share one weight."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(self.first(x).relu())


class Fourier(nn.Module):
    """A layer of complex weights."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4, dtype=torch.cfloat))

    def forward(self, x):
        return (x.to(torch.cfloat) @ self.weight).abs()


class Masked(nn.Module):
    """A layer with a constant buffer."""

    def __init__(self, value, persistent=True):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.register_buffer('mask', torch.full((4,), value), persistent=persistent)

    def forward(self, x):
        return self.layer(x) + self.mask.clamp(-1, 1)


def roles(state):
    return {one.names: one.role.value for one in state.tensors}


def test_a_tensor_with_two_names_is_there_once():
    state = ModelState(Tied())
    assert roles(state) == {
        ('first.weight', 'second.weight'): 'trained',
        ('first.bias',): 'trained',
        ('second.bias',): 'trained',
    }
    assert state.size == 16 + 4 + 4
    state.write(np.arange(24, dtype=np.float32))
    np.testing.assert_array_equal(state.read(), np.arange(24))


def test_roles_are_those_of_gradients():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    model[0].weight.requires_grad = False
    state = ModelState(model)
    assert roles(state) == {
        ('0.weight',): 'frozen',
        ('0.bias',): 'trained',
        ('1.weight',): 'trained',
        ('1.bias',): 'trained',
        ('1.running_mean',): 'statistics',
        ('1.running_var',): 'statistics',
    }
    assert state.having(StateRole.FROZEN).sum() == 6
    assert state.having(StateRole.FROZEN, StateRole.STATISTICS).sum() == 12


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_come_back_as_they_were(dtype):
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2).to(dtype))
    state = ModelState(model)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    values = state.read()
    assert values.dtype == np.float32
    state.write(np.zeros_like(values))
    state.write(values)
    for name, tensor in model.state_dict().items():
        assert tensor.dtype == before[name].dtype
        torch.testing.assert_close(tensor, before[name], rtol=1e-6, atol=0)


def test_a_half_does_not_overflow():
    model = nn.Linear(1, 1).half()
    ModelState(model).write(np.array([7e4, -7e4], np.float32))
    assert model.weight.item() == 65504
    assert model.bias.item() == -65504


@pytest.mark.parametrize('model', [Fourier, Tied, lambda: nn.Linear(4, 4).double()])
@pytest.mark.parametrize('how', ['plain', 'proximal', 'momentum'])
def test_what_is_trained_is_in_the_state(model, how):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 40)
    values = np.eye(4, dtype=np.float32)[labels]
    samples = Samples(values, labels, tuple('abcd'))
    torch.manual_seed(1)
    trainer = Trainer(model(), 'cpu', samples)
    before = trainer.state()
    if how == 'momentum':
        velocity = np.zeros(trainer.trained_values().sum(), np.float32)
        loss, velocity = trainer.train_with_momentum(
            np.arange(40).reshape(8, 5), learning_rate=0.1, momentum=0.9, velocity=velocity, seed=0
        )
        assert np.abs(velocity).max() > 0
    else:
        loss = trainer.train_private(Schedule(3, 8, 0.1, 0.1 * (how == 'proximal')), 0)
    assert np.isfinite(loss)
    after = trainer.state()
    assert (after != before).mean() > 0.3
    other = Trainer(model(), 'cpu')
    other.set_state(after)
    mine, others = trainer.probabilities(samples), other.probabilities(samples)
    np.testing.assert_allclose(others, mine, atol=1e-6)


def test_complex_momentum_is_that_of_pairs():
    torch.manual_seed(0)
    model = Fourier()
    samples = Samples(np.eye(4, dtype=np.float32), np.arange(4), tuple('abcd'))
    trainer = Trainer(model, 'cpu', samples)
    start = torch.view_as_real(model.weight.detach().clone())
    trainer.train_with_momentum(
        np.array([[0, 1, 2, 3]]), learning_rate=0.5, momentum=0.0,
        velocity=np.zeros(32, np.float32), seed=0,
    )  # fmt: skip
    pairs = start.clone().requires_grad_()
    logits = (torch.eye(4).to(torch.cfloat) @ torch.view_as_complex(pairs)).abs()
    loss = nn.functional.cross_entropy(logits, torch.arange(4))
    (gradient,) = torch.autograd.grad(loss, [pairs])
    torch.testing.assert_close(torch.view_as_real(model.weight.detach()), start - 0.5 * gradient)


@pytest.mark.parametrize(
    ('value', 'said'), [(-np.inf, '-inf'), (np.nan, 'nan'), (-1e9, '-1e[+]09')]
)
def test_a_constant_that_nobody_takes_is_named_with_its_remedy(value, said):
    match = f"model 'own:causal': buffer 'mask' holds {said}.*persistent=False"
    with pytest.raises(ConfigError, match=match):
        ModelState(Masked(value)).check('own:causal')
    ModelState(Masked(value, persistent=False)).check('own:causal')
    ModelState(Masked(1e8)).check('own:causal')


def test_a_parameter_that_is_not_finite_is_named():
    model = nn.Linear(2, 2)
    nn.init.constant_(model.bias, np.nan)
    with pytest.raises(ConfigError, match="parameter 'bias' holds nan"):
        ModelState(model).check('own')


def test_a_model_without_values_has_an_empty_state():
    state = ModelState(nn.ReLU())
    assert state.size == len(state.read()) == len(state.having(StateRole.TRAINED)) == 0
