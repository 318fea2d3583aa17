"""The pretrained models without their weights: what is fed to them, and what they compute.

Random weights under the published names go through the models and, layer by layer, through
formulas that are written here once more.
"""

import numpy as np
import pytest
import torch
from torch.nn import functional

from iot_fl_ros.models.efficientnet_lite import load_published
from iot_fl_ros.models.registry import build_model
from iot_fl_ros.models.yolo import decode, load_darknet
from iot_fl_ros.split import pretrained
from iot_fl_ros.split.cut import cut

# EfficientNet-Lite0, table 1 of the paper: kernel, stride, expansion, channels of each block.
BLOCKS = (
    [(3, 1, 1, 16)]
    + [(3, 2, 6, 24), (3, 1, 6, 24)]
    + [(5, 2, 6, 40), (5, 1, 6, 40)]
    + [(3, 2, 6, 80), (3, 1, 6, 80), (3, 1, 6, 80)]
    + [(5, 1, 6, 112)] * 3
    + [(5, 2, 6, 192)] + [(5, 1, 6, 192)] * 3
    + [(3, 1, 6, 320)]
)  # fmt: skip


class Weights:
    """Random weights by name, made when they are asked for."""

    def __init__(self):
        self.rng = torch.Generator().manual_seed(0)
        self.made = {}

    def __call__(self, name, *shape, around=0.0):
        self.made[name] = around + 0.3 * torch.rand(shape, generator=self.rng)
        return self.made[name]

    def conv(self, name, out, inside, kernel):
        weight = self(f'{name}.weight', out, inside, kernel, kernel)
        weight -= weight.mean()
        weight *= 4 / (inside * kernel * kernel) ** 0.5 / weight.std() / 2
        return weight

    def norm(self, name, channels):
        self.made[f'{name}.num_batches_tracked'] = torch.tensor(1)
        return {
            'weight': self(f'{name}.weight', channels, around=0.8),
            'bias': self(f'{name}.bias', channels),
            'running_mean': self(f'{name}.running_mean', channels),
            'running_var': self(f'{name}.running_var', channels, around=0.7),
        }


def same(x, weight, stride, groups=1):
    """Convolve as TensorFlow's SAME: what is odd of the padding goes right and below."""
    kernel = weight.shape[-1]
    total = max((-(-x.shape[-1] // stride) - 1) * stride + kernel - x.shape[-1], 0)
    before, after = total // 2, total - total // 2
    x = functional.pad(x, (before, after, before, after))
    return functional.conv2d(x, weight, stride=stride, groups=groups)


def normalised(x, norm, eps):
    shape = (1, -1, 1, 1)
    scale = norm['weight'] / (norm['running_var'] + eps).sqrt()
    return (x - norm['running_mean'].view(shape)) * scale.view(shape) + norm['bias'].view(shape)


def efficientnet(x, classes):
    """Return the logits of EfficientNet-Lite0, and the weights that made them."""
    weights = Weights()

    def step(x, conv, norm, out, kernel, stride=1, *, active=True, grouped=False):
        inside = 1 if grouped else x.shape[1]
        groups = x.shape[1] if grouped else 1
        x = same(x, weights.conv(conv, out, inside, kernel), stride, groups)
        x = normalised(x, weights.norm(norm, out), 1e-3)
        return x.clamp(0, 6) if active else x

    x = step(x, '_conv_stem', '_bn0', 32, 3, 2)
    for number, (kernel, stride, expansion, channels) in enumerate(BLOCKS):
        own, skip = f'_blocks.{number}.', x
        inner = x.shape[1] * expansion
        if expansion > 1:
            x = step(x, own + '_expand_conv', own + '_bn0', inner, 1)
        x = step(x, own + '_depthwise_conv', own + '_bn1', inner, kernel, stride, grouped=True)
        x = step(x, own + '_project_conv', own + '_bn2', channels, 1, active=False)
        if stride == 1 and channels == skip.shape[1]:
            x = x + skip
    x = step(x, '_conv_head', '_bn1', 1280, 1).mean(dim=(2, 3))
    logits = x @ weights('_fc.weight', classes, 1280).T + weights('_fc.bias', classes)
    return logits, weights.made


def numbers(shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize('side', [64, 75], ids=['even', 'odd'])
def test_efficientnet_computes_what_was_published(side):
    x = numbers((1, 3, side, side))
    expected, weights = efficientnet(x, 7)
    model = build_model('efficientnet_lite0', (3, side, side), 7, seed=0).eval()
    load_published(model, {name: value.numpy() for name, value in weights.items()})
    with torch.no_grad():
        torch.testing.assert_close(model(x), expected, rtol=1e-3, atol=1e-3)
    assert expected.std() > 0.01


class Darknet:
    """Layers of Darknet that take their weights from one list of numbers, in its order."""

    def __init__(self, values):
        self.values, self.at = torch.from_numpy(values), 0

    def take(self, *shape):
        count = int(np.prod(shape))
        self.at += count
        return self.values[self.at - count : self.at].reshape(shape)

    def conv(self, x, out, kernel, *, normalise=True):
        names = ('bias', 'weight', 'running_mean', 'running_var') if normalise else ('bias',)
        norm = {name: self.take(out) for name in names}
        x_out = functional.conv2d(
            x, self.take(out, x.shape[1], kernel, kernel), padding=kernel // 2
        )
        if not normalise:
            return x_out + norm['bias'].view(1, -1, 1, 1)
        x_out = normalised(x_out, norm, 1e-5)
        return torch.where(x_out > 0, x_out, 0.1 * x_out)


def yolo(x, values, outputs):
    """Return both maps of YOLOv3-tiny."""
    net = Darknet(values)
    for channels in (16, 32, 64, 128):
        x = functional.max_pool2d(net.conv(x, channels, 3), 2)
    layer8 = net.conv(x, 256, 3)
    x = net.conv(functional.max_pool2d(layer8, 2), 512, 3)
    # Stride 1, same size: the last row and column have no neighbour right and below.
    padded = functional.pad(x, (0, 1, 0, 1), value=float('-inf'))
    x = net.conv(functional.max_pool2d(padded, 2, stride=1), 1024, 3)
    layer13 = net.conv(x, 256, 1)
    coarse = net.conv(net.conv(layer13, 512, 3), outputs, 1, normalise=False)
    x = net.conv(layer13, 128, 1).repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    x = net.conv(torch.cat([x, layer8], dim=1), 256, 3)
    fine = net.conv(x, outputs, 1, normalise=False)
    assert net.at == len(values)
    return coarse, fine


def darknet_weights(model, seed=2):
    """Random weights of the model's length that keep what goes through it of one size."""
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    rng = np.random.default_rng(seed)
    parts = []
    for layer in layers:
        out = layer.out_channels
        parts.append(rng.normal(0, 0.2, out))
        if layer.bias is None:
            parts += [rng.uniform(0.8, 1.2, out), rng.normal(0, 0.2, out),
                      rng.uniform(0.5, 1.5, out)]  # fmt: skip
        parts.append(rng.normal(0, layer.weight[0].numel() ** -0.5, layer.weight.numel()))
    return np.concatenate(parts).astype(np.float32)


def test_yolo_computes_what_was_published():
    model = build_model('yolov3_tiny', (3, 64, 64), 4, seed=0).eval()
    values = darknet_weights(model)
    load_darknet(model, values)
    x = numbers((1, 3, 64, 64))
    with torch.no_grad():
        for found, expected in zip(model(x), yolo(x, values, 3 * 9), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
            assert expected.std() > 0.01


# --- what belongs to the models -----------------------------------------------------------------


def picture(left, right):
    """Two colours side by side, 60 x 30."""
    image = np.empty((30, 60, 3), np.uint8)
    image[:, :30], image[:, 30:] = left, right
    return image


def test_the_classifier_is_fed_as_it_was_trained(monkeypatch):
    names = tuple(f'class {n}' for n in range(1000))
    model = build_model('efficientnet_lite0', (3, 224, 224), 1000, seed=3)
    monkeypatch.setattr(pretrained, 'imagenet_class_names', lambda: names)
    monkeypatch.setattr(pretrained, 'efficientnet_lite0_weights', dict)
    taken = []
    monkeypatch.setattr(pretrained, 'load_published', lambda model, weights: taken.append(weights))
    trained = pretrained.load_pretrained('efficientnet_lite0')
    assert taken == [{}]
    assert (trained.task, trained.class_names) == ('classification', names)
    assert not trained.model.training
    # TensorFlow's (value - 127) / 128, of the largest square in the middle.
    wide = np.pad(picture((255, 127, 0), (0, 255, 127))[:, 15:45], ((0, 0), (20, 20), (0, 0)))
    values = trained.input.prepare(wide)
    assert values.shape == (3, 224, 224)
    np.testing.assert_allclose(values[:, 100, 3], [1.0, 0.0, -127 / 128], atol=1e-6)
    np.testing.assert_allclose(values[:, 100, 220], [-127 / 128, 1.0, 0.0], atol=1e-6)
    assert len(model.state_dict()) == len(trained.model.state_dict())
    with torch.no_grad():
        (features,) = cut(trained.model, trained.split_point).features(numbers((1, 3, 224, 224)))
    assert features.shape == (1, 80, 14, 14)


def test_the_detector_is_fed_as_it_was_trained(monkeypatch):
    values = darknet_weights(build_model('yolov3_tiny', (3, 416, 416), 80, seed=0))
    monkeypatch.setattr(pretrained, 'yolov3_tiny_weights', lambda: {'darknet': values})
    trained = pretrained.load_pretrained('yolov3_tiny')
    assert (trained.task, len(trained.class_names)) == ('detection', 80)
    assert trained.class_names[::79] == ('person', 'toothbrush')
    assert not trained.model.training
    first = next(m for m in trained.model.modules() if isinstance(m, torch.nn.BatchNorm2d))
    np.testing.assert_array_equal(first.bias.detach(), values[:16])
    # RGB / 255, all of the picture, grey above and below.
    fed = trained.input.prepare(picture((255, 51, 0), (0, 255, 102)))
    assert fed.shape == (3, 416, 416)
    np.testing.assert_allclose(fed[:, 208, 3], [1.0, 0.2, 0.0], atol=1e-6)
    np.testing.assert_allclose(fed[:, 208, 412], [0.0, 1.0, 0.4], atol=1e-6)
    np.testing.assert_allclose(fed[:, [50, 365], 208], 128 / 255, atol=1e-6)
    with torch.no_grad():
        (features,) = cut(trained.model, trained.split_point).features(torch.from_numpy(fed)[None])
        maps = trained.model(torch.from_numpy(fed)[None])
    assert features.shape == (1, 128, 26, 26)
    assert [tuple(one.shape) for one in maps] == [(1, 255, 13, 13), (1, 255, 26, 26)]


ANCHORS = [[(81, 82), (135, 169), (344, 319)], [(23, 27), (37, 58), (81, 82)]]


@pytest.mark.parametrize('which', [0, 1], ids=['coarse', 'fine'])
@pytest.mark.parametrize('anchor', [0, 1, 2])
def test_each_anchor_of_each_map_has_its_size(which, anchor):
    side, cells = 1024, (4, 8)
    maps = [torch.full((1, 3 * 7, n, n), -100.0) for n in cells]
    # Offsets 0.5, the size of the anchor, a certain object of class 0; row 1, column 2.
    maps[which][0, 7 * anchor : 7 * anchor + 7, 1, 2] = torch.tensor([0, 0, 0, 0, 99, 99, -99.0])
    found = decode(maps, side)
    x, y = 2.5 / cells[which], 1.5 / cells[which]
    w, h = (pixels / side for pixels in ANCHORS[which][anchor])
    box = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
    np.testing.assert_allclose(found.boxes, [np.clip(box, 0, 1)], atol=1e-6)
    assert found.classes.tolist() == [0]
    np.testing.assert_allclose(found.scores, [1.0])
