import cv2
import numpy as np
import pytest
import torch

from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.data.packages import cache_folder
from iot_fl_ros.data.pictures import photographs, vtest_video
from iot_fl_ros.models.efficientnet_lite import load_published
from iot_fl_ros.models.registry import build_model, parameter_count
from iot_fl_ros.models.resnet import cifar_resnet
from iot_fl_ros.models.yolo import decode, load_darknet
from iot_fl_ros.split.cut import cut, split_points
from iot_fl_ros.split.pretrained import load_pretrained

SMALL = ('comtune_small', 'comtune_vgg', 'resnet8', 'resnet20', 'efficientnet_lite0')


def trained_looking(name, shape, classes):
    """A model whose batch normalisation does not pass its input through."""
    model = build_model(name, shape, classes, seed=1).eval()
    rng = torch.Generator().manual_seed(2)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=rng)
            module.running_var.uniform_(0.5, 1.5, generator=rng)
    return model


def picture(shape, batch=2):
    return torch.randn(batch, *shape, generator=torch.Generator().manual_seed(3))


def needs_cached(*names):
    """Skip a test whose downloads, of 18 to 100 MB, are not in the cache."""
    missing = [name for name in names if not (cache_folder('') / name).is_file()]
    return pytest.mark.skipif(bool(missing), reason=f'not in the cache: {", ".join(missing)}')


@pytest.mark.parametrize(
    ('name', 'shape', 'classes', 'count'),
    [
        ('comtune_vgg', (3, 32, 32), 10, 14_884_170),
        ('comtune_small', (3, 32, 32), 10, 768_298),
        ('resnet8', (3, 32, 32), 10, 75_290),
        ('resnet20', (3, 32, 32), 10, 269_722),
        ('efficientnet_lite0', (3, 224, 224), 1000, 4_652_008),
        ('yolov3_tiny', (3, 416, 416), 80, 8_852_366),
    ],
)
def test_parameter_counts(name, shape, classes, count):
    assert parameter_count(build_model(name, shape, classes, seed=0)) == count


@pytest.mark.parametrize('shape', [(3, 32, 32), (1, 28, 28)])
@pytest.mark.parametrize('name', SMALL)
def test_every_cut_computes_what_the_model_computes(name, shape):
    model, x = trained_looking(name, shape, 7), picture(shape)
    with torch.no_grad():
        whole = model(x)
        assert whole.shape == (2, 7)
        for point in split_points(model):
            parts = cut(model, point)
            assert torch.equal(parts.tail(*parts.features(x)), whole), point


def test_every_cut_of_the_detector_computes_what_it_computes():
    model, x = trained_looking('yolov3_tiny', (3, 64, 64), 4), picture((3, 64, 64), batch=1)
    with torch.no_grad():
        whole = model(x)
        assert [tuple(output.shape) for output in whole] == [(1, 27, 2, 2), (1, 27, 4, 4)]
        for point in split_points(model):
            parts = cut(model, point)
            for result, expected in zip(parts.tail(*parts.features(x)), whole, strict=True):
                assert torch.equal(result, expected), point


@pytest.mark.parametrize(
    ('name', 'shape', 'features'),
    [
        ('comtune_small', (3, 32, 32), (64, 8, 8)),
        ('comtune_small', (1, 28, 28), (64, 7, 7)),
        ('comtune_vgg', (3, 32, 32), (128, 8, 8)),
        ('comtune_vgg', (1, 28, 28), (128, 7, 7)),
    ],
)
def test_the_published_split_sends_what_was_published(name, shape, features):
    parts = cut(build_model(name, shape, 10, seed=0).eval(), 'block2.pool')
    assert [tuple(f.shape) for f in parts.features(torch.zeros(1, *shape))] == [(1, *features)]


def test_a_cut_inside_a_residual_block_sends_the_skip_too():
    model = build_model('resnet8', (3, 32, 32), 10, seed=0)
    assert cut(model, 'stage1.block1.conv2').crossing == ('stem.relu', 'stage1.block1.conv2')
    inside = ('stage2.block1.shortcut', 'stage2.block1.bn1')
    assert cut(model, 'stage2.block1.bn1').crossing == inside
    assert cut(model, 'stage2.block1.relu2').crossing == ('stage2.block1.relu2',)


def test_a_resnet_of_an_impossible_depth_is_refused():
    assert len(cifar_resnet(14, (1, 8, 8), 3).names) == 3 + 6 * 7 + 2 + 3
    with pytest.raises(ConfigError, match='6n \\+ 2'):
        cifar_resnet(18, (3, 32, 32), 10)


def test_between_layer_8_and_its_second_use_the_detector_sends_two_tensors():
    model = build_model('yolov3_tiny', (3, 64, 64), 80, seed=0)
    assert cut(model, 'layer7').crossing == ('layer7',)
    for number in (9, 10, 11, 12, 13):
        assert cut(model, f'layer{number}').crossing == ('layer8', f'layer{number}')
    # Behind a map the map itself is sent: it is a result.
    assert cut(model, 'layer19').crossing == ('layer8', 'layer15', 'layer19')


def test_darknet_weights_are_taken_in_its_order():
    model = build_model('yolov3_tiny', (3, 32, 32), 1, seed=0)
    numbers = parameter_count(model) + sum(
        m.running_mean.numel() * 2 for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)
    )
    load_darknet(model, np.arange(numbers, dtype=np.float32))
    first = model.modules_in_order[0]
    assert first.bn.bias.tolist() == list(range(16))
    assert first.bn.weight[0] == 16
    assert first.bn.running_mean[0] == 32
    assert first.bn.running_var[0] == 48
    assert first.conv.weight.flatten()[:2].tolist() == [64, 65]
    last = model.modules_in_order[-1]
    assert last.weight.flatten()[-1] == numbers - 1
    assert last.bias[0] == numbers - last.weight.numel() - len(last.bias)
    with pytest.raises(DataError, match='numbers'):
        load_darknet(model, np.zeros(numbers + 1, np.float32))


def test_foreign_weights_are_refused():
    model = build_model('efficientnet_lite0', (3, 32, 32), 2, seed=0)
    with pytest.raises(DataError, match='not of EfficientNet-Lite0'):
        load_published(model, {'_fc.bias': np.zeros(2, np.float32)})


def maps_of(side, classes=2):
    """Two maps that show nothing: every objectness is 0."""
    return [torch.full((1, 3 * (5 + classes), s, s), -100.0) for s in (side, 2 * side)]


def test_a_box_is_decoded_as_computed_by_hand():
    maps = maps_of(2)
    # Second anchor of the coarse map, 135x169 px of 400; row 1, column 0; class 1.
    maps[0][0, 7:14, 1, 0] = torch.tensor([0.0, np.log(3), np.log(0.5), 0.0, 100, -100, np.log(4)])
    found = decode(maps, input_side=400)
    # Centre (.5 + 0) / 2, (.75 + 1) / 2; width 135 * .5 / 400, height 169 / 400; score 4/5.
    x, y, w, h = 0.25, 0.875, 0.16875, 0.4225
    box = [x - w / 2, y - h / 2, x + w / 2, 1.0]  # its lower edge is outside
    np.testing.assert_allclose(found.boxes, [box], atol=1e-6)
    np.testing.assert_allclose(found.scores, [0.8], atol=1e-6)
    assert found.classes.tolist() == [1]
    assert (found.boxes.dtype, found.scores.dtype) == (np.float32, np.float32)
    assert found.classes.dtype == np.int64
    assert not len(decode(maps, 400, threshold=0.81).boxes)


def test_of_boxes_that_overlap_the_best_of_each_class_stays():
    maps = maps_of(4)
    for column, (objectness, first, second) in enumerate(((1, 9, -9), (3, 9, -9), (2, -9, 9))):
        # 344x319 px of 416: neighbours overlap by far more than .45.
        values = [0, 0, 0, 0, objectness, first, second]
        maps[0][0, 14:21, 1, column] = torch.tensor(values, dtype=torch.float32)
    found = decode(maps, 416)
    assert found.classes.tolist() == [0, 1]
    np.testing.assert_allclose(found.scores, 1 / (1 + np.exp([-3.0, -2.0])), rtol=1e-3)
    assert len(decode(maps, 416, overlap=0.99).boxes) == 3


def test_nothing_and_nonsense_are_no_objects():
    found = decode(maps_of(2), 64)
    assert (found.boxes.shape, found.scores.shape, found.classes.shape) == ((0, 4), (0,), (0,))
    broken = [torch.full_like(output, torch.nan) for output in maps_of(2)]
    assert not len(decode(broken, 64).scores)
    half = maps_of(2)
    half[0][0, :7] = torch.tensor([torch.nan, 0, 0, 0, 9, 9, 9]).reshape(7, 1, 1)
    assert not len(decode(half, 64).scores)


def test_an_unknown_trained_model_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'yolov3_tiny'"):
        load_pretrained('yolo_tiny')


@needs_cached(
    'weights/efficientnet_lite0.safetensors',
    'weights/imagenet_class_names.json',
    'opencv-doc/vtest.avi',
)
def test_the_trained_classifier_knows_what_is_on_photographs():
    trained = load_pretrained('efficientnet_lite0')
    parts = cut(trained.model, trained.split_point)
    said = {}
    for path in photographs():
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        with torch.no_grad():
            features = parts.features(torch.from_numpy(trained.input.prepare(image))[None])
            said[path.stem] = trained.class_names[int(parts.tail(*features).argmax())]
    assert said == {
        'apple': 'Granny Smith apple',
        'baboon': 'baboon',
        'butterfly': 'monarch butterfly',
        'fruits': 'lemon',
        'home': 'palace',
        'orange': 'orange',
        'squirrel_cls': 'fox squirrel',
    }


@needs_cached('weights/yolov3_tiny.safetensors', 'opencv-doc/vtest.avi')
def test_the_trained_detector_finds_the_persons_of_the_video():
    trained = load_pretrained('yolov3_tiny')
    frame = cv2.VideoCapture(str(vtest_video())).read()[1]
    image = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    with torch.no_grad():
        maps = trained.model(torch.from_numpy(trained.input.prepare(image))[None])
    found = decode(maps, trained.input.shape[1])
    persons = found.classes == trained.class_names.index('person')
    boxes = trained.input.to_source(found.boxes, 768, 576)[persons] * [768, 576, 768, 576]
    assert persons.sum() >= 3
    sides = boxes[:, 2:] - boxes[:, :2]
    assert (sides[:, 1] > 1.3 * sides[:, 0]).all()  # upright
    assert ((sides[:, 1] > 40) & (sides[:, 1] < 160)).all()  # px
