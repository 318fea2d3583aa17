import gzip
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.data import image_stream
from iot_fl_ros.data.packages import DebianFiles
from iot_fl_ros.data.pictures import RESIZES, ImageInput

PLAIN = {'mean': (0.0,) * 3, 'std': (1.0,) * 3}


def halves(height, width, axis):
    """A black picture whose second half along `axis` is red."""
    image = np.zeros((height, width, 3), np.uint8)
    image[(slice(None),) * axis + (slice(image.shape[axis] // 2, None),)] = (255, 0, 0)
    return image


def test_stretching_shows_all_of_the_picture():
    values = ImageInput((3, 2, 4), 'stretch', **PLAIN).prepare(halves(20, 20, axis=1))
    assert (values.dtype, values.shape) == (np.float32, (3, 2, 4))
    assert values.flags['C_CONTIGUOUS']
    np.testing.assert_array_equal(values[0], [[0, 0, 1, 1]] * 2)
    assert not values[1:].any()


def test_cropping_takes_the_middle():
    image = np.zeros((10, 30, 3), np.uint8)
    image[:, 10:20] = 255
    values = ImageInput((3, 5, 5), 'crop', **PLAIN).prepare(image)
    assert (values == 1).all()


def test_a_letterbox_has_grey_bars():
    values = ImageInput((3, 8, 8), 'letterbox', **PLAIN).prepare(
        np.full((10, 20, 3), 255, np.uint8)
    )
    np.testing.assert_allclose(values[:, [0, 1, 6, 7]], 128 / 255, rtol=1e-6)
    assert (values[:, 2:6] == 1).all()


def test_values_are_normalised_per_channel():
    pixel = np.array([[[51, 102, 255]]], np.uint8)  # .2, .4, 1
    values = ImageInput((3, 1, 1), 'stretch', (0.1, 0.4, 0.5), (0.1, 1.0, 0.25)).prepare(pixel)
    np.testing.assert_allclose(values.ravel(), [1.0, 0.0, 2.0], atol=1e-6)


def test_one_channel_is_grey():
    image = np.full((3, 3, 3), (255, 0, 0), np.uint8)
    values = ImageInput((1, 2, 2), 'letterbox', (0.0,), (1.0,)).prepare(image)
    np.testing.assert_allclose(values, np.full((1, 2, 2), 76 / 255), rtol=1e-6)  # .299 of red


@pytest.mark.parametrize(
    'image', [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_other_arrays_are_no_pictures(image):
    with pytest.raises(ConfigError, match='RGB as uint8'):
        ImageInput((3, 2, 2), 'stretch', **PLAIN).prepare(image)


def test_boxes_go_back_to_the_source():
    box = np.array([[0.25, 0.25, 0.75, 0.75]], np.float32)
    wide = (200, 100)
    stretch, crop, letterbox = (ImageInput((3, 80, 80), resize, **PLAIN) for resize in RESIZES)
    np.testing.assert_allclose(stretch.to_source(box, *wide), box)
    np.testing.assert_allclose(crop.to_source(box, *wide), [[0.375, 0.25, 0.625, 0.75]])
    np.testing.assert_allclose(letterbox.to_source(box, *wide), [[0.25, 0, 0.75, 1]])
    assert letterbox.to_source(np.zeros((0, 4), np.float32), *wide).shape == (0, 4)


@pytest.mark.parametrize('resize', RESIZES)
@pytest.mark.parametrize('size', [(96, 64), (64, 96), (75, 75)])
def test_what_is_seen_in_the_input_is_found_in_the_source(resize, size):
    width, height = size
    image = np.zeros((height, width, 3), np.uint8)
    x1, y1, x2, y2 = width // 2 - 12, height // 2 - 8, width // 2 + 8, height // 2 + 12
    image[y1:y2, x1:x2] = 255
    seen = ImageInput((3, 96, 128), resize, **PLAIN)
    rows, columns = np.nonzero(seen.prepare(image)[0] > 0.75)
    box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    shares = np.array([box], np.float32) / [128, 96, 128, 96]
    found = seen.to_source(shares, width, height)[0] * [width, height, width, height]
    np.testing.assert_allclose(found, [x1, y1, x2, y2], atol=1.0)


def test_an_input_survives_json():
    original = ImageInput((3, 224, 200), 'crop', (0.5, 0.4, 0.3), (0.1, 0.2, 1.0))
    assert ImageInput.from_dict(json.loads(json.dumps(original.to_dict()))) == original


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'shape': [3, 0, 5]}, 'sides'),
        ({'shape': [3, 10**9, 5]}, 'sides'),
        ({'shape': [2, 5, 5]}, 'channels'),
        ({'shape': [3, 5.0, 5]}, 'channels'),
        ({'shape': [True, 5, 5]}, 'channels'),
        ({'shape': 'abc'}, 'channels'),
        ({'resize': 'fill'}, 'choose one of stretch'),
        ({'resize': ['crop']}, 'choose one of'),
        ({'mean': [0, 0]}, 'mean is'),
        ({'mean': [0, 0, float('nan')]}, 'mean is'),
        ({'std': [1, 1, 10**400]}, 'std is'),
        ({'std': [1, 1, 0]}, 'above 0'),
        ({'std': None}, 'std is'),
        ({'more': 1}, 'image input'),
    ],
)
def test_bad_content_is_named(change, message):
    content = ImageInput((3, 5, 5), 'crop', **PLAIN).to_dict()
    with pytest.raises(ConfigError, match=message):
        ImageInput.from_dict(content | change)


@pytest.mark.parametrize('content', [None, [], {}, 'x'])
def test_other_content_is_refused(content):
    with pytest.raises(ConfigError, match='image input'):
        ImageInput.from_dict(content)


def test_files_of_a_package_may_be_packed_or_not(tmp_path):
    source, cache = tmp_path / 'source', tmp_path / 'cache'
    (source / 'deep').mkdir(parents=True)
    (source / 'a.txt').write_bytes(b'one')
    (source / 'deep/b.txt.gz').write_bytes(gzip.compress(b'two'))
    digests = {name: hashlib.sha256(name).hexdigest() for name in (b'one', b'two')}
    files = {'a.txt': (3, digests[b'one']), 'deep/b.txt': (3, digests[b'two'])}
    # Relative to the root, as a package on the system is.
    package = DebianFiles('A test file', 'no-such-package', source.relative_to('/'), files)
    assert package.obtain(cache) == cache
    assert (cache / 'deep/b.txt').read_bytes() == b'two'
    (source / 'a.txt').unlink()
    assert package.obtain(cache) == cache  # the system is not asked again
    (cache / 'a.txt').unlink()
    with pytest.raises(DataError, match=r'a\.txt'):
        package.obtain(cache)


def test_a_package_that_cannot_be_had_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', '/nowhere')
    package = DebianFiles('A test file', 'some-package', Path('no/such'), {'a.txt': (1, '')})
    with pytest.raises(DataError, match='Install the Debian/Ubuntu package some-package'):
        package.obtain(tmp_path / 'cache')


@pytest.fixture
def sequence(tmp_path, monkeypatch):
    """Two pictures where the package would put them, and what is known of them."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    source = tmp_path / 'system/cube'
    source.mkdir(parents=True)
    digest = hashlib.sha256()
    for number in (3, 4):
        (source / f'{number}.pgm').write_bytes(bytes([number]) * 10)
        digest.update(hashlib.sha256(bytes([number]) * 10).digest())
    known = image_stream._Sequence('cube', '%d.pgm', 3, 2, 10, digest.hexdigest())
    monkeypatch.setattr(image_stream, '_IMAGES', (tmp_path / 'system').relative_to('/'))
    monkeypatch.setattr(image_stream, '_SEQUENCES', {'visp-cube': known})
    return source


def test_a_camera_sequence_is_checked_as_a_whole(sequence):
    paths = image_stream.visp_pictures('visp-cube')
    assert [path.name for path in paths] == ['3.pgm', '4.pgm']
    (sequence / '3.pgm').unlink()
    assert image_stream.visp_pictures('visp-cube') == paths  # the system is not asked again


def test_a_camera_sequence_of_another_version_is_refused(sequence):
    (sequence / '4.pgm').write_bytes(bytes(10))
    with pytest.raises(DataError, match=r'not those of 3\.5\.0'):
        image_stream.visp_pictures('visp-cube')
    assert not list(sequence.parents[1].rglob('cache/**/*.pgm'))
