"""Links whose poses are given relative to others."""

import math
import time

import numpy as np
import pytest

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.sdf import read_model, read_world, world_name

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


BOX = '<visual name="v"><geometry><box><size>1 1 1</size></box></geometry></visual>'
LINK = f'<link name="l">{BOX}</link>'


@pytest.fixture
def world(tmp_path):
    """Return a reader of worlds with this content."""

    def read(content):
        (tmp_path / 'w.sdf').write_text(
            f'<sdf version="1.9"><world name="w">{content}</world></sdf>'
        )
        return read_world(tmp_path / 'w.sdf')

    return read


def place(pose):
    return pose[:3, 3].round(9).tolist()


def test_models_are_where_the_frames_that_they_name_put_them(world):
    models = world(
        f'<model name="b"><pose relative_to="a">1 0 0 0 0 0</pose>{LINK}</model>'
        f'<model name="a"><pose>2 0 0 0 0 {math.pi / 2}</pose>{LINK}</model>'
        f'<model name="c"><pose relative_to="f">0 0 1 0 0 0</pose>{LINK}</model>'
        f'<model name="d"><pose relative_to="a::l">1 0 0 0 0 0</pose>{LINK}</model>'
        '<frame name="f" attached_to="b"><pose>0 1 0 0 0 0</pose></frame>'
    ).models
    places = {model.name: place(model.pose) for model in models}
    # a looks along y.
    assert places == {'a': [2, 0, 0], 'b': [2, 1, 0], 'c': [1, 1, 1], 'd': [2, 1, 0]}


def test_parts_are_in_the_frames_that_they_name():
    frame = '<frame name="f"><pose>0 5 0 0 0 0</pose></frame>'
    visual = BOX.replace('<geometry>', '<pose relative_to="f">1 0 0 0 0 0</pose><geometry>')
    text = f'<model name="m"><link name="l"><pose>0 0 2 0 0 0</pose>{visual}</link>{frame}</model>'
    (link,) = read_model(f'<sdf>{text}</sdf>').links
    assert place(link.pose @ link.parts[0].pose) == [1, 5, 0]


def test_models_inside_of_a_model_become_parts_of_it():
    inner = (
        f'<model name="inner"><pose>0 0 1 0 0 0</pose>{LINK}'
        f'<link name="k"><pose relative_to="l">1 0 0 0 0 0</pose>{BOX}</link>'
        f'<link name="n"><pose relative_to="__model__">0 1 0 0 0 0</pose>{BOX}</link></model>'
    )
    model = read_model(f'<sdf><model name="outer">{LINK}{inner}</model></sdf>')
    places = {link.name: place(link.pose) for link in model.links}
    assert places == {
        'l': [0, 0, 0], 'inner::l': [0, 0, 1], 'inner::k': [1, 0, 1], 'inner::n': [0, 1, 1]
    }  # fmt: skip


@pytest.mark.parametrize(
    ('attributes', 'values'),
    [
        ('', f'0 0 0 0 0 {math.pi / 2}'),
        ('degrees="true"', '0 0 0 0 0 90'),
        ('rotation_format="quat_xyzw"', f'0 0 0 0 0 {math.sqrt(0.5)} {math.sqrt(0.5)}'),
        ('rotation_format="quat_xyzw"', '0 0 0 0 0 2 2'),
    ],
)
def test_rotations_are_read_in_every_format(attributes, values):
    text = f'<sdf><model name="m"><pose {attributes}>{values}</pose>{LINK}</model></sdf>'
    np.testing.assert_allclose(
        read_model(text).pose[:3, :3], [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-9
    )


@pytest.mark.parametrize('normal', [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0, -1), (3, 0, 4)])
def test_a_plane_faces_along_its_normal(normal):
    plane = f'<plane><normal>{" ".join(map(str, normal))}</normal><size>2 2</size></plane>'
    text = f'<collision name="c"><geometry>{plane}</geometry></collision>'
    (link,) = read_model(f'<sdf><model name="m"><link name="l">{text}</link></model></sdf>').links
    rotation = link.parts[0].pose[:3, :3]
    np.testing.assert_allclose(rotation[:, 2], np.array(normal) / np.linalg.norm(normal))
    assert np.linalg.det(rotation) == pytest.approx(1)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize(
    ('text', 'expected'),
    [('True', True), ('1', True), (' FALSE ', False), ('0', False), ('', False)],
)
def test_booleans_are_read_in_any_case(text, expected):
    model = read_model(f'<sdf><model name="m"><static>{text}</static>{LINK}</model></sdf>')
    assert model.static is expected


def test_transparency_and_the_turn_of_a_light_count(world):
    glass = BOX.replace('</geometry>', '</geometry><transparency>0.25</transparency>')
    found = world(
        '<light name="sun" type="directional"><pose degrees="1">0 0 9 0 90 0</pose>'
        '<direction>0 0 -1</direction></light>'
        '<light name="off" type="directional"><light_on>false</light_on></light>'
        f'<model name="m"><link name="l">{glass}</link></model>'
    )
    assert found.models[0].links[0].parts[0].colour[3] == 0.75
    (light,) = found.lights
    np.testing.assert_allclose(light.direction, (-1, 0, 0), atol=1e-12)


def test_moments_of_inertia_are_turned_to_the_axes_of_the_link():
    inertial = (
        '<inertial><pose>1 0 0 0 0 {turn}</pose><mass>2</mass><inertia><ixx>1</ixx><iyy>2</iyy>'
        '<izz>2.5</izz><ixy>{xy}</ixy></inertia></inertial>'
    )

    def inertia(turn, xy):
        text = inertial.format(turn=turn, xy=xy)
        (link,) = read_model(
            f'<sdf><model name="m"><link name="l">{text}</link></model></sdf>'
        ).links
        assert link.centre == (1, 0, 0)
        return link.inertia

    np.testing.assert_allclose(inertia(0, 0), (1, 2, 2.5, 0, 0, 0), atol=1e-12)
    np.testing.assert_allclose(inertia(math.pi / 2, 0), (2, 1, 2.5, 0, 0, 0), atol=1e-12)
    np.testing.assert_allclose(inertia(0, 0.3), (1, 2, 2.5, 0.3, 0, 0), atol=1e-12)


# --- what the real tool takes ---


@pytest.mark.parametrize(
    'content',
    [
        '<!-- start with: gz sim --verbose w.sdf -->',
        '<gui><plugin filename="f" name="3D"><gz-gui/><gz:note a:b="1">x</gz:note></plugin></gui>',
        '<scene><ambient>0.4 0.4 0.4</ambient><grid>false</grid></scene>',
        '<gz:policies><p/></gz:policies>',
    ],
)
def test_what_gazebo_takes_is_not_refused(world, content):
    assert world(content).ambient == (0.4, 0.4, 0.4, 1.0)


# --- what is not read ---


def with_part(text):
    """Return a model whose visual also has this."""
    part = BOX.replace('</geometry>', f'</geometry>{text}')
    return f'<model name="m"><link name="l">{part}</link></model>'


def with_joint(text):
    """Return a model with a joint that has this."""
    return f'<model name="m"><joint name="j" type="revolute">{text}</joint></model>'


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        ('<include><uri>model://wall</uri></include>', '<include> model://wall is not read'),
        ('<actor name="walker"/>', '<actor> walker is not read'),
        ('<road name="r"/>', '<road> r is not read'),
        (f'<model name="a">{LINK}</model>' * 2, "two elements are called 'a'"),
        (f'<model name="m">{LINK}{LINK}</model>', 'two elements are called'),
        ('<model name="m"><link name="l">' + BOX * 2 + '</link></model>', "are called 'v'"),
        ('<model name="m"><gripper name="g"/></model>', '<gripper> g is not read'),
        ('<model name="m" placement_frame="l"/>', 'placement_frame is not read'),
        ('<model name="m"><static>maybe</static></model>', "static is 'maybe': true or false"),
        ('<model name="m"><link name="l"><light name="x"/></link></model>', '<light> x is not'),
        ('<model name="m"><link name="l"><gravity>0</gravity></link></model>', 'gravity'),
        ('<model name="m"><pose relative_to="m">0 0 0 0 0 0</pose></model>', 'relative to it'),
        ('<model name="m"><pose relative_to="x">0 0 0 0 0 0</pose></model>', "relative to 'x'"),
        ('<model name="m"><pose>0 0 0 0 0</pose></model>', 'is not x y z roll pitch yaw'),
        ('<model name="m"><pose rotation_format="quat_xyzw">0 0 0 0 0 0 0</pose></model>',
         'of length 0'),
        (with_part('<plugin/>'), '<plugin> is not read'),
        (with_part('<material><script/></material>'), 'material <script> is not read'),
        (with_joint('<axis><limit><lower>-1</lower></limit></axis>'), 'axis/limit/lower is not'),
        (with_joint('<pose>0 0 1 0 0 0</pose>'), 'the pose of a joint is not read'),
        (with_joint('<axis><xyz expressed_in="__model__">0 0 1</xyz></axis>'), 'expressed in'),
        ('<model name="m"><model name="i"><plugin/></model></model>', "of model 'i' are not"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_refused_by_name(world, content, said):
    with pytest.raises(DataError, match=said):
        world(content)


def test_the_name_of_a_world_is_read_whatever_else_is_in_it(tmp_path):
    (tmp_path / 'w.sdf').write_text(
        '<sdf><world name="office"><light type="point" name="lamp"/><include/></world></sdf>'
    )
    assert world_name(tmp_path / 'w.sdf') == 'office'


def test_comments_cost_no_more_than_their_length():
    text = '<sdf>' + '<!--' * 100_000
    start = time.process_time()
    with pytest.raises(DataError, match='cannot read'):
        read_model(text)
    assert time.process_time() - start < 2.0


def test_a_long_chain_of_frames_is_followed():
    frames = ''.join(
        f'<frame name="f{n}" attached_to="f{n + 1}"><pose>0.001 0 0 0 0 0</pose></frame>'
        for n in range(1_500)
    )
    text = f'<sdf version="1.9"><model name="m"><link name="a"/>{frames}<frame name="f1500"/>'
    text += '<link name="b"><pose relative_to="f0">1 0 0 0 0 0</pose></link></model></sdf>'
    (_, link) = read_model(text).links
    np.testing.assert_allclose(link.pose[:3, 3], [2.5, 0, 0], atol=1e-9)


def test_models_in_models_in_models_end_somewhere():
    text = '<sdf version="1.9">' + '<model name="m">' * 2_000 + '</model>' * 2_000 + '</sdf>'
    with pytest.raises(DataError, match='more than 100 deep'):
        read_model(text)
