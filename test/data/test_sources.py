import gzip

import pytest

from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.data import fashion_mnist
from iot_fl_ros.data.registry import load_samples


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
