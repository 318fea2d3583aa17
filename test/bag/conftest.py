"""Bags of a few small pictures."""

import cv2
import numpy as np
import pytest

from iot_fl_ros.bag.pictures import Shooting, make_bag
from iot_fl_ros.bag.writer import BagSettings

COUNT = 12


@pytest.fixture(scope='session')
def picture_folder(tmp_path_factory):
    """Twelve pictures, 40 x 30, all different."""
    folder = tmp_path_factory.mktemp('pictures')
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        cv2.imwrite(str(folder / f'{number:02}.png'), rng.integers(0, 255, (30, 40, 3), np.uint8))
    return folder


@pytest.fixture
def shoot(picture_folder, tmp_path):
    """Return a maker of bags of those pictures."""

    def make(name='bag', shooting=None, **settings):
        shooting = {'source': str(picture_folder), **(shooting or {})}
        make_bag(tmp_path / name, Shooting(**shooting), BagSettings(**settings))
        return tmp_path / name

    return make
