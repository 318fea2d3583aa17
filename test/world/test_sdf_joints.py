"""Joints of SDFormat: which links they join, and about which axis."""

import math

import numpy as np
import pytest

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.sdf import read_model

QUARTER = math.pi / 2
LINKS = ''.join(f'<link name="{name}"/>' for name in 'abc')


def joint(name='j', parent='a', child='b', text=''):
    return (
        f'<joint name="{name}" type="revolute"><parent>{parent}</parent><child>{child}</child>'
        f'{text}</joint>'
    )


def model_of(content, version='1.9'):
    return read_model(f'<sdf version="{version}"><model name="m">{content}</model></sdf>')


def test_the_parent_of_a_joint_may_be_the_world():
    nested = f'<model name="i">{LINKS}{joint(parent="world")}</model>'
    (one, other) = model_of(LINKS + joint(parent='world') + nested).joints
    assert (one.parent, one.child) == ('world', 'b')
    assert (other.parent, other.child) == ('world', 'i::b')


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        (joint(child='d'), "m/j: child is 'd': the name of a link"),
        (joint(child=''), "m/j: child is '': the name of a link"),
        (joint(parent='d'), "m/j: parent is 'd': the name of a link"),
        (joint(child='world'), 'm/j: the child of a joint is a link, not the world'),
        (joint(child='f') + '<frame name="f" attached_to="b"/>', "child is 'f': the name of a"),
        (joint() + joint('k', parent='c'), "m/k: 'b' is the child of joint 'j' too"),
        (joint(parent='b'), 'm/b: its joints are a ring'),
        (joint() + joint('k', 'b', 'a'), 'm/a: its joints are a ring'),
        (joint(text='<pose relative_to="c"/>') + '<link name="d"/>', 'the pose of a joint is not'),
        (joint(text='<pose>0 0 1 0 0 0</pose>'), 'm/j: the pose of a joint is not read'),
        (joint(text='<pose relative_to="d"/>'), "m/j: pose is relative to 'd', which is not"),
        (joint(text='<axis><xyz>0 0 0</xyz></axis>'), 'm/j: axis/xyz is of length 0'),
        (joint(text='<axis><xyz expressed_in="d">0 0 1</xyz></axis>'), "m/j: axis is relative to"),
        (joint(text='<axis><limit><lower>-1</lower></limit></axis>'), 'axis/limit/lower is not'),
        (joint(text='<axis><limit><upper>1</upper></limit></axis>'), 'axis/limit/upper is not'),
        (joint(text='<axis><limit><effort>0</effort></limit></axis>'), 'limit/effort is not'),
        (joint(text='<axis><limit><velocity>9</velocity></limit></axis>'), 'limit/velocity is'),
        (joint(text='<axis><dynamics><damping>1</damping></dynamics></axis>'), 'only 0 is read'),
        (joint(text='<axis><mimic joint="k"/></axis>'), 'm/j: <mimic> is not read'),
        (joint(text='<axis><use_parent_model_frame>1</use_parent_model_frame></axis>'),
         'm/j: <use_parent_model_frame> .* write <xyz expressed_in="__model__">'),
    ],
)  # fmt: skip
def test_joints_that_are_not_read_are_named(content, said):
    links = LINKS.replace('<link name="c"/>', '<link name="c"><pose>0 1 0 0 0 0</pose></link>')
    with pytest.raises(DataError, match=said):
        model_of(links + content)


@pytest.mark.parametrize('endless', ['inf', 'Inf', 'INFINITY', '1e16', ' '])
def test_limits_may_be_infinite_in_any_case(endless):
    limit = f'<lower>-{endless}</lower><upper>{endless}</upper><effort>{endless}</effort>'
    limit = limit.replace('- ', ' ')
    assert model_of(LINKS + joint(text=f'<axis><limit>{limit}</limit></axis>')).joints


def test_joints_that_hang_on_one_another_end_somewhere():
    chain = ''.join(
        f'<link name="l{n}"/>' + joint(f'j{n}', f'l{n}', f'l{n + 1}') for n in range(2_000)
    )
    with pytest.raises(DataError, match='more than 100 links'):
        model_of(chain + '<link name="l2000"/>')


def test_a_joint_may_be_at_its_link_by_any_frame():
    links = (
        '<link name="a"><pose>0 0 1 0 0 0</pose></link>'
        '<link name="b"><pose relative_to="a">2 0 0 0 0 0</pose></link>'
    )
    for pose in ('<pose relative_to="a">2 0 0 0 0 0</pose>', '<pose relative_to="b"/>'):
        (found,) = model_of(links + joint(text=pose)).joints
        assert found.axis == (0, 0, 1)


@pytest.mark.parametrize(
    ('version', 'pose', 'axis', 'expected'),
    [
        ('1.9', '', '<xyz>0 0 2</xyz>', (0, 0, 1)),
        # The link is rolled by a right angle: its y is the model's z, its z the model's -y.
        ('1.9', '', '<xyz expressed_in="">0 0 1</xyz>', (0, 0, 1)),
        ('1.9', '', '<xyz expressed_in="b">0 1 0</xyz>', (0, 1, 0)),
        ('1.9', '', '<xyz expressed_in="__model__">0 1 0</xyz>', (0, 0, -1)),
        ('1.9', '', '<xyz expressed_in="a">0 0 1</xyz>', (0, 1, 0)),
        ('1.5', '', '<xyz>0 1 0</xyz>', (0, 1, 0)),
        ('1.4', '', '<xyz>0 1 0</xyz>', (0, 0, -1)),
        # An axis is in the frame of its joint, which may be turned.
        ('1.9', f'<pose>0 0 0 {QUARTER} 0 0</pose>', '<xyz>0 0 1</xyz>', (0, -1, 0)),
        ('1.9', f'<pose>0 0 0 {QUARTER} 0 0</pose>', '<xyz expressed_in="a">0 0 1</xyz>',
         (0, 1, 0)),
    ],
)  # fmt: skip
def test_an_axis_is_in_the_frame_that_it_names(version, pose, axis, expected):
    links = f'<link name="a"/><link name="b"><pose>0 0 0 {QUARTER} 0 0</pose></link>'
    (found,) = model_of(links + joint(text=f'{pose}<axis>{axis}</axis>'), version).joints
    np.testing.assert_allclose(found.axis, expected, atol=1e-12)
