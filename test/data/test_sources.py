import gzip

import numpy as np
import pytest
from PIL import Image

from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.data import fashion_mnist
from iot_fl_ros.data.parts import open_samples, private_samples
from iot_fl_ros.data.registry import load_samples
from iot_fl_ros.data.settings import DataSettings


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


def test_a_robot_that_has_few_classes_uses_the_numbers_of_the_run(photos):
    settings = DataSettings(private=str(photos), private_size=0)
    private = private_samples(settings, ('hat', 'shoe', 'cup'))
    assert sorted(set(private.labels)) == [1, 2]
    with pytest.raises(DataError, match='cup'):
        private_samples(settings, ('hat', 'shoe'))


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


def test_private_and_open_samples_are_disjoint(toy_npz):
    settings = DataSettings(
        private=str(toy_npz), open=str(toy_npz), private_size=250, open_size=100
    )
    private = private_samples(settings, ('0', '1', '2', '3'))
    open_set = open_samples(settings)
    assert (len(private), len(open_set), open_set.labels) == (250, 100, None)
    rows = {v.tobytes() for v in private.values}
    assert not rows & {v.tobytes() for v in open_set.values}
    with pytest.raises(ConfigError, match='leave samples'):
        open_samples(DataSettings(private=str(toy_npz), open=str(toy_npz), private_size=0))


def test_an_unknown_data_set_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'fashion-mnist'"):
        load_samples('fashion-mnst', 'train')


def test_a_wrong_fashion_mnist_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    source = tmp_path / 'source'
    source.mkdir()
    for name in fashion_mnist.FILES:
        (source / f'{name}.gz').write_bytes(gzip.compress(b'something else'))
    with pytest.raises(DataError, match='SHA-256'):
        fashion_mnist.source().fill(tmp_path / 'cache', source)


def test_without_network_the_error_says_how_to_place_the_files(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setattr(fashion_mnist, 'FOLDER', fashion_mnist.Path('does/not/exist'))
    monkeypatch.setenv('PATH', '/nowhere')
    with pytest.raises(DataError, match='train-images-idx3-ubyte') as error:
        fashion_mnist.obtain()
    assert 'dataset-fashion-mnist' in str(error.value)
