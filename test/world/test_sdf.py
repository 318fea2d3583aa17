"""Links whose poses are given relative to others."""

import math
import time

import numpy as np
import pytest

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.sdf import read_model, world_name

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


def place(pose):
    return pose[:3, 3].round(9).tolist()


def test_models_are_where_the_frames_that_they_name_put_them(sdf_world):
    models = sdf_world(
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
    (link,) = read_model(f'<sdf version="1.9">{text}</sdf>').links
    assert place(link.pose @ link.parts[0].pose) == [1, 5, 0]


def test_models_inside_of_a_model_become_parts_of_it():
    inner = (
        f'<model name="inner"><pose>0 0 1 0 0 0</pose>{LINK}'
        f'<link name="k"><pose relative_to="l">1 0 0 0 0 0</pose>{BOX}</link>'
        f'<link name="n"><pose relative_to="__model__">0 1 0 0 0 0</pose>{BOX}</link></model>'
    )
    model = read_model(f'<sdf version="1.9"><model name="outer">{LINK}{inner}</model></sdf>')
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
        ('rotation_format="quat_xyzw"', '0 0 0 0 0 1e308 1e308'),
    ],
)
def test_rotations_are_read_in_every_format(attributes, values):
    model = f'<model name="m"><pose {attributes}>{values}</pose>{LINK}</model>'
    text = f'<sdf version="1.9">{model}</sdf>'
    np.testing.assert_allclose(
        read_model(text).pose[:3, :3], [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-9
    )


@pytest.mark.parametrize(
    'normal',
    [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0, -1), (3, 0, 4), (0, 0, 1e-300), (1e308, 0, 1e308)],
)
def test_a_plane_faces_along_its_normal(normal):
    plane = f'<plane><normal>{" ".join(map(str, normal))}</normal><size>2 2</size></plane>'
    text = f'<collision name="c"><geometry>{plane}</geometry></collision>'
    (link,) = read_model(
        f'<sdf version="1.9"><model name="m"><link name="l">{text}</link></model></sdf>'
    ).links
    rotation = link.parts[0].pose[:3, :3]
    scaled = np.array(normal) / max(normal, key=abs) * np.sign(max(normal, key=abs))
    np.testing.assert_allclose(rotation[:, 2], scaled / np.linalg.norm(scaled))
    assert np.linalg.det(rotation) == pytest.approx(1)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize(
    ('text', 'expected'),
    [('True', True), ('1', True), (' FALSE ', False), ('0', False), ('', False)],
)
def test_booleans_are_read_in_any_case(text, expected):
    model = read_model(
        f'<sdf version="1.9"><model name="m"><static>{text}</static>{LINK}</model></sdf>'
    )
    assert model.static is expected


def test_transparency_and_the_turn_of_a_light_count(sdf_world):
    glass = BOX.replace('</geometry>', '</geometry><transparency>0.25</transparency>')
    found = sdf_world(
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
            f'<sdf version="1.9"><model name="m"><link name="l">{text}</link></model></sdf>'
        ).links
        assert link.centre == (1, 0, 0)
        return link.inertia

    np.testing.assert_allclose(inertia(0, 0), (1, 2, 2.5, 0, 0, 0), atol=1e-12)
    np.testing.assert_allclose(inertia(math.pi / 2, 0), (2, 1, 2.5, 0, 0, 0), atol=1e-12)
    np.testing.assert_allclose(inertia(0, 0.3), (1, 2, 2.5, 0.3, 0, 0), atol=1e-12)


# --- what the real tool takes ---


SUN = (
    '<light type="directional" name="sun"><cast_shadows>true</cast_shadows>'
    '<pose>0 0 10 0 0 0</pose><diffuse>0.8 0.8 0.8 1</diffuse><specular>0.2 0.2 0.2 1</specular>'
    '<attenuation><range>1000</range><constant>0.9</constant><linear>0.01</linear>'
    '<quadratic>0.001</quadratic></attenuation><direction>-0.5 0.1 -0.9</direction></light>'
)
GROUND = (
    '<model name="ground"><static>true</static><link name="l"><pose frame="">0 0 0 0 0 0</pose>'
    '<collision name="c"><geometry><plane><normal>0 0 1</normal><size>100 100</size></plane>'
    '</geometry><surface><friction><ode/></friction><bounce/><contact/></surface></collision>'
    '<visual name="v"><geometry><plane><normal>0 0 1</normal><size>100 100</size></plane>'
    '</geometry><material><ambient>0.8 0.8 0.8 1</ambient><diffuse>0.8 0.8 0.8 1</diffuse>'
    '<specular>0.8 0.8 0.8 1</specular><emissive>0 0 0 1</emissive></material></visual></link>'
    '</model>'
)
CART = (
    '<model name="cart"><link name="a"/><link name="b"><inertial><mass>1</mass></inertial></link>'
    '<joint name="j" type="revolute"><parent>a</parent><child>b</child><axis><xyz>0 0 1</xyz>'
    '<limit><lower>-1.79769e+308</lower><upper>1.79769e+308</upper><effort>-1</effort>'
    '<velocity>-1</velocity></limit><dynamics><damping>0</damping><friction>0</friction>'
    '<spring_reference>0</spring_reference><spring_stiffness>0</spring_stiffness></dynamics>'
    '<use_parent_model_frame>0</use_parent_model_frame></axis></joint></model>'
)


@pytest.mark.parametrize(
    'content',
    [
        '<!-- start with: gz sim --verbose w.sdf -->',
        '<gui><plugin filename="f" name="3D"><gz-gui/><gz:note a:b="1">x</gz:note></plugin></gui>',
        '<scene><ambient>0.4 0.4 0.4</ambient><grid>false</grid></scene>',
        '<gz:policies><p/></gz:policies>',
        '<physics name="1ms" type="ignored"><max_step_size>0.001</max_step_size>'
        '<real_time_factor>1.0</real_time_factor></physics>',
        SUN,
        GROUND,
        CART,
        '<model name="x a:b=1"><link name="l"/></model>',
    ],
)
def test_what_gazebo_takes_is_not_refused(sdf_world, content):
    assert sdf_world(content).ambient == (0.4, 0.4, 0.4, 1.0)


def test_names_are_left_as_they_are(sdf_world):
    content = '<model name="x a:b=1"><link name=\'a:c="2"\'/></model>'
    (model,) = sdf_world(content).models
    assert (model.name, model.links[0].name) == ('x a:b=1', 'a:c="2"')


# --- defaults ---


def test_what_a_world_does_not_say_is_what_sdformat_says(sdf_world):
    world = sdf_world('<light name="sun" type="directional"/>')
    assert world.gravity == (0, 0, -9.8)
    assert world.step == 0.001
    assert world.background == (0.7, 0.7, 0.7, 1)
    assert (world.lights[0].direction, world.lights[0].shadows) == ((0, 0, -1), False)


@pytest.mark.parametrize(
    ('marks', 'step'),
    [(('', ''), 0.01), (('', 'default="true"'), 0.02), (('default="1"', 'default="1"'), 0.01)],
)
def test_the_step_is_that_of_the_default_physics_else_of_the_first(sdf_world, marks, step):
    first, second = marks
    world = sdf_world(
        f'<physics type="ode" {first}><max_step_size>0.01</max_step_size></physics>'
        f'<physics type="ode" {second}><max_step_size>0.02</max_step_size></physics>'
    )
    assert world.step == step


@pytest.mark.parametrize(
    ('material', 'colour'),
    [
        ('', (0.7, 0.7, 0.7, 1)),
        ('<material/>', (0, 0, 0, 1)),
        ('<material><ambient>1 1 1 1</ambient></material>', (0, 0, 0, 1)),
        ('<material><diffuse>1 0 0</diffuse></material>', (1, 0, 0, 1)),
    ],
)
def test_a_material_that_names_no_colour_is_black(sdf_world, material, colour):
    visual = BOX.replace('</geometry>', f'</geometry>{material}')
    (model,) = sdf_world(f'<model name="m"><link name="l">{visual}</link></model>').models
    assert model.links[0].parts[0].colour == colour


def test_intensity_and_the_shadows_of_the_scene_count(sdf_world):
    light = '<diffuse>0.4 0.2 0 1</diffuse><intensity>2</intensity>'
    light = f'<light name="s" type="directional"><cast_shadows>1</cast_shadows>{light}</light>'
    (lamp,) = sdf_world(light).lights
    assert (lamp.diffuse[:3], lamp.shadows) == ((0.8, 0.4, 0), True)
    (lamp,) = sdf_world(f'{light}<scene><shadows>false</shadows></scene>').lights
    assert not lamp.shadows


def test_the_name_of_a_world_is_read_whatever_else_is_in_it(tmp_path):
    (tmp_path / 'w.sdf').write_text(
        '<sdf version="1.9"><world name="office"><light type="point" name="lamp"/><include/>'
        '</world></sdf>'
    )
    assert world_name(tmp_path / 'w.sdf') == 'office'


def test_comments_cost_no_more_than_their_length():
    text = '<sdf>' + '<!--' * 100_000
    start = time.process_time()
    with pytest.raises(DataError, match='cannot read'):
        read_model(text)
    assert time.process_time() - start < 2.0


def test_frames_of_a_chain_are_put_on_one_another_in_its_order():
    text = (
        '<sdf version="1.9"><model name="m"><link name="l"/>'
        '<link name="b"><pose relative_to="f0">1 0 0 0 0 0</pose></link>'
        f'<frame name="f0" attached_to="f1"><pose>0 0 0 0 0 {math.pi / 2}</pose></frame>'
        '<frame name="f1"><pose>5 0 0 0 0 0</pose></frame></model></sdf>'
    )
    (_, link) = read_model(text).links
    assert place(link.pose) == [5, 1, 0]


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
