"""Samples from the user's own files."""

import numpy as np
import pytest
from PIL import Image

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.data.registry import load_samples


@pytest.fixture
def photos(tmp_path):
    for name, value in (('cup', 10), ('shoe', 200)):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.new('L', (28, 20), value + i).save(tmp_path / name / f'{i}.png')
    return tmp_path


def test_a_folder_with_a_folder_per_class(photos):
    samples = load_samples(str(photos), 'train')
    assert samples.shape == (1, 20, 28)
    assert samples.class_names == ('cup', 'shoe')
    np.testing.assert_array_equal(samples.labels, [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(samples.values[:, 0, 0, 0], [10, 11, 12, 200, 201, 202])


def test_a_folder_is_converted_to_the_shape_of_the_run(photos):
    assert load_samples(str(photos), 'train', (3, 8, 8)).shape == (3, 8, 8)


def test_a_folder_without_classes_is_an_open_set(photos):
    samples = load_samples(str(photos / 'cup'), 'train')
    assert samples.labels is None
    assert len(samples) == 3


def test_a_broken_image_is_named(photos):
    (photos / 'cup' / '9.png').write_bytes(b'no image')
    with pytest.raises(DataError, match=r'9\.png'):
        load_samples(str(photos), 'train')


def test_npz_with_and_without_splits(tmp_path, toy_npz):
    assert load_samples(str(toy_npz), 'train').shape == (1, 8, 8)
    assert len(load_samples(str(toy_npz), 'test')) == 100
    np.savez(tmp_path / 'c.npz', x=np.zeros((5, 8, 8, 3), np.uint8))
    colour = load_samples(str(tmp_path / 'c.npz'), 'train')
    assert colour.shape == (3, 8, 8)
    assert colour.labels is None
    with pytest.raises(DataError, match='does not exist'):
        load_samples(str(tmp_path / 'none.npz'), 'train')
