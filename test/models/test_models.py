import pytest
import torch

from iot_fl_ros.core.errors import ConfigError, PluginError
from iot_fl_ros.models.registry import MODELS, build_classifier, build_model, parameter_count

DETECTORS = {'yolov3_tiny'}


@pytest.mark.parametrize(
    ('name', 'count'),
    [
        ('dsfl_mnist_cnn', 583_242), ('dsfl_fashion_cnn', 2_760_228), ('small_cnn', 55_338),
        ('tram_mnist_cnn', 1_199_882),
    ],
)  # fmt: skip
def test_parameter_counts(name, count):
    assert parameter_count(build_model(name, (1, 28, 28), 10, seed=0)) == count


def test_the_cifar_net_of_tram_fl_has_as_many_parameters_as_the_paper_says():
    assert parameter_count(build_model('tram_cifar_cnn', (3, 32, 32), 10, seed=0)) == 2_168_746


def test_every_model_takes_other_shapes():
    for name in sorted({*MODELS.names()} - DETECTORS):
        model = build_classifier(name, (3, 32, 32), 7, seed=0).eval()
        assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


class Net(torch.nn.Module):
    """A class in the place of a factory; it takes other samples than those of the run."""

    def __init__(self, channels=2):
        super().__init__()
        self.layer = torch.nn.Conv2d(channels, 4, 3)

    def forward(self, x):
        return self.layer(x)


def wrong_channels(shape, classes):
    return Net()


def no_model(shape, classes):
    return {'weights': classes}


@pytest.mark.parametrize(
    ('factory', 'said'),
    [
        ('Net', r'cannot be built for samples \(3, 8, 8\) and 4 classes: TypeError: '),
        ('no_model', 'is no factory of models: called .* it returned dict'),
        ('wrong_channels', r'does not take samples \(3, 8, 8\): RuntimeError: '),
    ],
)
def test_what_is_no_model_for_the_samples_is_named(factory, said):
    with pytest.raises(PluginError, match=f'^model .{__name__}:{factory}. {said}') as refused:
        build_classifier(f'{__name__}:{factory}', (3, 8, 8), 4, seed=0)
    assert '\n' not in str(refused.value)


@pytest.mark.parametrize('name', sorted(DETECTORS))
def test_a_detector_is_no_classifier(name):
    with pytest.raises(ConfigError, match='logits of 7 classes'):
        build_classifier(name, (3, 64, 64), 7, seed=0)


def test_weights_come_from_the_seed_alone():
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    first, again, other = (
        build_model('small_cnn', (1, 8, 8), 4, seed=s).state_dict()['0.weight'] for s in (5, 5, 6)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
