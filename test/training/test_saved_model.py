"""A model as a file: what is loaded is what was saved, ties and statistics too."""

import json
import os

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, load_model
from torch import nn

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.training.saved_model import model_facts, write_model


def odd():
    """Return a model with statistics, a tied layer, complex weights and convolutions."""
    model = nn.Module()
    model.conv = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    model.norm = nn.BatchNorm2d(4)
    model.first, model.second = nn.Linear(4, 4), nn.Linear(4, 4)
    model.second.weight = model.first.weight
    model.register_buffer('part', model.first.bias.detach()[:3])
    model.phase = nn.Parameter(torch.randn(4, dtype=torch.cfloat))
    return model


def test_what_is_loaded_is_what_was_saved(tmp_path):
    model, other = odd(), odd()
    model.norm.running_var.fill_(3.0)
    facts = model_facts('odd', (3, 8, 8), ('shoe', 'hat'), 'run-1')
    write_model(model, facts, tmp_path / 'new/model.safetensors')
    load_model(other, tmp_path / 'new/model.safetensors')
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name
    with safe_open(tmp_path / 'new/model.safetensors', 'pt') as file:
        said = file.metadata()
    assert json.loads(said['class_names']) == ['shoe', 'hat']
    assert (said['model'], json.loads(said['input_shape'])) == ('odd', [3, 8, 8])


def views():
    """Return a model whose buffers are parts of what it does not have, or of one another."""
    model = nn.Module()
    model.linear = nn.Linear(3, 2)
    both, many_of = torch.arange(20.0), torch.arange(4.0)
    many = {
        'part': torch.arange(10.0)[:5], 'wide': torch.ones(1).expand(4),
        'low': both[:10], 'high': both[10:], 'turned': model.linear.weight.detach().t(),
        'some': many_of[:1].expand(4), 'all': many_of, 'none': torch.zeros(0),
        'nothing': torch.zeros(0), 'one': torch.tensor(3),
    }  # fmt: skip
    for name, tensor in many.items():
        model.register_buffer(name, tensor)
    return model


def test_parts_of_other_memory_are_saved_too(tmp_path):
    model = views()
    write_model(model, {}, tmp_path / 'model.safetensors')
    saved = load_file(tmp_path / 'model.safetensors')
    state = model.state_dict()
    assert state.keys() - saved.keys() == {'some', 'turned'}, 'in the memory of others'
    for name, tensor in saved.items():
        assert torch.equal(state[name], tensor), name
    with safe_open(tmp_path / 'model.safetensors', 'pt') as file:
        assert file.metadata()['turned'] == 'linear.weight'


@pytest.mark.parametrize('odd', ['sparse', 'meta', 'lazy'])
def test_what_no_file_holds_is_told(odd, tmp_path):
    model = nn.LazyLinear(2) if odd == 'lazy' else nn.Module()
    if odd != 'lazy':
        values = torch.eye(2).to_sparse() if odd == 'sparse' else torch.zeros(2, device='meta')
        model.register_buffer('values', values)
    with pytest.raises(DataError, match='cannot be saved'):
        write_model(model, {}, tmp_path / 'model.safetensors')
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_leaves_the_former_file(tmp_path, monkeypatch):
    path = tmp_path / 'model.safetensors'
    write_model(odd(), {}, path)
    before = path.read_bytes()

    def full(*names):
        raise OSError('no space left')

    monkeypatch.setattr(os, 'replace', full)
    with pytest.raises(OSError, match='no space'):
        write_model(odd(), {}, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


class Strange(nn.Module):
    """A model with a state that is no tensor."""

    def __init__(self, dtype):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, dtype=dtype))

    def get_extra_state(self):
        return {'version': 1}


def test_what_is_no_tensor_is_left_out_and_what_no_file_holds_is_told(tmp_path):
    path = tmp_path / 'model.safetensors'
    write_model(Strange(torch.float32), {}, path)
    with safe_open(path, 'pt') as file:
        assert set(file.keys()) == {'weight'}
    with pytest.raises(DataError, match='complex128'):
        write_model(Strange(torch.complex128), {}, path)
