"""The folder that simulators open."""

import json

import numpy as np
import pytest
from PIL import Image

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.data import fashion_mnist
from iot_fl_ros.world.elements import boards_of
from iot_fl_ros.world.sdf import read_world
from iot_fl_ros.world.textures import choose_pictures, prepare_world


def test_every_board_has_a_picture_of_its_class(world_file):
    chosen = json.loads((world_file.parent / 'pictures.json').read_text())
    test_set = fashion_mnist.load('test')
    boards = boards_of(read_world(world_file))
    assert list(chosen) == [board.name for board in boards]
    assert len(set(chosen.values())) == len(boards), 'one image is on two boards'
    for board in boards:
        assert test_set.labels[chosen[board.name]] == board.kind
        picture = np.asarray(Image.open(world_file.parent / board.texture))
        assert picture.shape == (112, 112, 3)
        small = np.asarray(Image.fromarray(picture[..., 0]).resize((28, 28), Image.Resampling.BOX))
        original = test_set.values[chosen[board.name], 0].astype(float)
        assert np.corrcoef(small.ravel(), original.ravel())[0, 1] > 0.95


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_pictures(worlds, tmp_path):
    folders = [
        prepare_world(tmp_path / name, worlds=worlds, seed=seed).parent
        for name, seed in (('a', 3), ('b', 3), ('c', 4))
    ]
    contents = [
        {path.name: path.read_bytes() for path in sorted(folder.rglob('*')) if path.is_file()}
        for folder in folders
    ]
    assert contents[0] == contents[1]
    assert contents[0]['pictures.json'] != contents[2]['pictures.json']


def test_the_cache_is_used_again_and_depends_on_the_seed(worlds, tmp_path, monkeypatch):
    cached = fashion_mnist.obtain()
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    (tmp_path / 'iot_fl_ros').mkdir()
    (tmp_path / 'iot_fl_ros/fashion-mnist').symlink_to(cached)
    first = prepare_world(worlds=worlds)
    monkeypatch.setattr('iot_fl_ros.world.textures.choose_pictures', None)  # must not be called
    assert prepare_world(worlds=worlds) == first
    monkeypatch.undo()
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert prepare_world(worlds=worlds, seed=1).parent != first.parent


def test_more_boards_than_images_of_a_class_is_an_error(hall):
    with pytest.raises(DataError, match='class 0 has 1 images'):
        choose_pictures(boards_of(hall), np.arange(10), 0)


def test_a_missing_world_is_an_error(tmp_path):
    with pytest.raises(DataError, match='cannot read'):
        prepare_world(tmp_path / 'new', worlds=tmp_path)


def test_a_cache_that_cannot_be_made_is_one_line(worlds, tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    with pytest.raises(DataError, match='cannot make'):
        prepare_world(tmp_path / 'file/world', worlds=worlds)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    with pytest.raises(DataError, match='XDG_CACHE_HOME'):
        fashion_mnist.load('test')
