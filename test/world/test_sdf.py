"""Links whose poses are given relative to others."""

import math

import numpy as np
import pytest

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.sdf import read_model

MODEL = """<sdf version="1.9"><model name="m">
  <link name="base"><pose>1 0 0 0 0 {quarter}</pose></link>
  <link name="arm"><pose relative_to="{arm}">2 0 0 {quarter} 0 0</pose></link>
  <link name="hand"><pose relative_to="arm">0 0 3 0 0 0</pose></link>
</model></sdf>"""


def links(arm):
    model = read_model(MODEL.format(quarter=math.pi / 2, arm=arm))
    return {link.name: link.pose for link in model.links}


def test_a_pose_is_in_the_frame_of_the_link_that_it_is_relative_to():
    poses = links('base')
    # base looks along y: 2 ahead of it is (1, 2); a roll there turns about y.
    np.testing.assert_allclose(poses['arm'][:3, 3], [1, 2, 0], atol=1e-12)
    np.testing.assert_allclose(poses['arm'][:3, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(poses['arm'][:3, 2], [1, 0, 0], atol=1e-12)
    # And so on: 3 up in the frame of the arm is 3 along x.
    np.testing.assert_allclose(poses['hand'][:3, 3], [4, 2, 0], atol=1e-12)


@pytest.mark.parametrize('nothing', ['', '__model__'])
def test_relative_to_nothing_is_in_the_frame_of_the_model(nothing):
    poses = links(nothing)
    np.testing.assert_allclose(poses['arm'][:3, 3], [2, 0, 0], atol=1e-12)
    np.testing.assert_allclose(poses['hand'][:3, 3], [2, -3, 0], atol=1e-12)


@pytest.mark.parametrize('wrong', ['nowhere', 'arm'])
def test_relative_to_no_other_link_is_refused(wrong):
    with pytest.raises(DataError, match=f"m/arm: pose is relative to '{wrong}'"):
        links(wrong)
