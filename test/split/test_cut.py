"""Cutting models behind named layers."""

from collections import OrderedDict

import pytest
import torch
from tiny_split import CLASSES, SHAPE, net, pictures, skip_net
from torch import nn

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.models.graph import INPUT, Layer, LayerGraph
from iot_fl_ros.split.cut import cut, split_points, start_from_principal_channels, with_bottleneck


@pytest.fixture
def x():
    return torch.from_numpy(pictures(20))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return net(SHAPE, len(CLASSES)).eval()


@pytest.fixture
def skipping():
    torch.manual_seed(0)
    return skip_net(SHAPE, len(CLASSES)).eval()


def test_layers_of_nested_sequentials_have_dotted_names():
    inner = nn.Sequential(OrderedDict(linear=nn.Linear(4, 4), relu=nn.ReLU()))
    model = nn.Sequential(OrderedDict(first=inner, second=nn.Sequential(nn.Linear(4, 2))))
    assert split_points(model) == ['first.linear', 'first.relu']
    parts = cut(model, 'first.linear')
    assert (parts.head.names, parts.tail.names) == (('first.linear',), ('first.relu', 'second.0'))
    x = torch.randn(3, 4)
    assert torch.equal(parts.tail(*parts.features(x)), model(x))


def test_an_unknown_layer_names_the_nearest(model):
    with pytest.raises(ConfigError, match="did you mean 'conv2'"):
        cut(model, 'conv_2')


def test_behind_the_last_layer_nothing_can_be_cut(model):
    with pytest.raises(ConfigError, match='nothing is left behind'):
        cut(model, 'linear')
    assert 'linear' not in split_points(model)


def test_a_skip_that_crosses_the_cut_is_sent_too(skipping, x):
    parts = cut(skipping, 'inner')
    assert parts.crossing == ('stem', 'inner')
    assert [tuple(f.shape) for f in parts.features(x)] == [(20, 4, 16, 16), (20, 2, 16, 16)]
    assert torch.equal(parts.tail(*parts.features(x)), skipping(x))
    assert cut(skipping, 'sum').crossing == ('sum',)


def test_where_the_tail_needs_the_input_itself_no_cut_is_possible():
    layers = [
        Layer('a', nn.Linear(2, 2), (INPUT,)),
        Layer('b', nn.Bilinear(2, 2, 2), ('a', INPUT)),
        Layer('c', nn.Linear(2, 2), ('b',)),
    ]
    graph = LayerGraph(layers, ('c',))
    with pytest.raises(ConfigError, match='takes its own input'):
        cut(graph, 'a')
    assert split_points(graph) == ['b']


def test_models_whose_data_flow_is_not_declared_are_refused():
    with pytest.raises(ConfigError, match='LayerGraph'):
        cut(nn.Bilinear(2, 2, 2), 'x')


def test_head_and_tail_are_the_model_and_no_copy(model, x):
    parts = cut(model, 'pool')
    before = model(x)
    with torch.no_grad():
        model.conv.weight.add_(1.0)
        model.linear.bias.add_(1.0)
    assert torch.equal(parts.tail(*parts.features(x)), model(x))
    assert not torch.equal(model(x), before)


def test_a_bottleneck_of_almost_all_principal_channels_changes_little(model, x):
    whole = cut(model, 'pool')
    with torch.no_grad():
        features = whole.features(x)[0]
        errors = []
        for kept in (1, 3, 7):
            narrow = with_bottleneck(whole, 8, kept)
            start_from_principal_channels(narrow, features.numpy())
            crossing = narrow.features(x)
            assert [tuple(f.shape) for f in crossing] == [(20, kept, 8, 8)]
            decoded = dict(zip(narrow.tail.names, narrow.tail.modules_in_order, strict=True))[
                'bottleneck.decode'
            ](crossing[0])
            errors.append(float((decoded - features).pow(2).mean() / features.var()))
            assert narrow.tail(*crossing).shape == (20, 5)
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.1
    # As good as linear can be: what is left is the smallest eigenvalue.
    rows = features.movedim(1, -1).reshape(-1, 8).double()
    smallest = torch.linalg.eigvalsh(torch.cov(rows.T))[0] / 8 / features.var()
    assert errors[2] == pytest.approx(float(smallest), rel=0.01)


@pytest.mark.parametrize('kept', [0, 8, 9, -1])
def test_a_bottleneck_has_less_channels_and_at_least_one(model, kept):
    with pytest.raises(ConfigError, match='bottleneck'):
        with_bottleneck(cut(model, 'pool'), 8, kept)


def test_several_tensors_do_not_fit_through_a_bottleneck(skipping):
    with pytest.raises(ConfigError, match='2 cross'):
        with_bottleneck(cut(skipping, 'inner'), 4, 1)
