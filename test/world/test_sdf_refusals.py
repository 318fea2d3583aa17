"""What is not read of SDFormat is refused by name: no world looks different in two simulators."""

from pathlib import Path

import numpy as np
import pytest

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.elements import boards_of
from iot_fl_ros.world.sdf import read_model, read_world

BOX = '<visual name="v"><geometry><box><size>1 1 1</size></box></geometry></visual>'
LINK = f'<link name="l">{BOX}</link>'


def with_link(text, model=''):
    """Return a model whose link has this."""
    return f'<model name="m">{model}<link name="l">{text}</link></model>'


def with_part(text):
    """Return a model whose visual also has this."""
    return with_link(BOX.replace('</geometry>', f'</geometry>{text}'))


def with_material(text):
    return with_part(f'<material>{text}</material>')


def with_shape(text):
    return with_link(f'<visual name="v"><geometry>{text}</geometry></visual>')


def with_surface(text):
    box = '<geometry><box/></geometry>'
    return with_link(f'<collision name="c">{box}<surface>{text}</surface></collision>')


def with_camera(text='', sensor='<update_rate>5</update_rate>'):
    camera = f'<camera>{text}</camera>'
    return with_link(f'<sensor name="s" type="camera">{sensor}{camera}</sensor>')


def with_light(text):
    return f'<light name="s" type="directional">{text}</light>'


def posed(attributes, text='0 0 0 0 0 0'):
    """Return a model with this pose in a world, and its link in it with the same."""
    return f'<model name="m"><pose {attributes}>{text}</pose>{LINK}</model>'


def with_drive(text):
    """Return a model with two wheels and a DiffDrive that has this."""
    links = ''.join(f'<link name="{name}"/>' for name in 'abc')
    wheels = ''.join(
        f'<joint name="{name}_joint" type="revolute"><parent>a</parent><child>{name}</child>'
        '</joint>' for name in 'bc'
    )  # fmt: skip
    plugin = f'<plugin filename="f" name="gz::sim::systems::DiffDrive">{text}</plugin>'
    return f'<model name="m">{links}{wheels}{plugin}</model>'


WHEELS = '<left_joint>b_joint</left_joint><right_joint>c_joint</right_joint>'
TRUTH = '<plugin filename="f" name="gz::sim::systems::OdometryPublisher">{}</plugin>'
SENSORS = '<plugin name="gz::sim::systems::Sensors">{}</plugin>'
NESTED = '<model name="i"><link name="l"/>{}</model>'


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        # of a world
        ('<include><uri>model://wall</uri></include>', '<include> model://wall is not read'),
        ('<actor name="walker"/>', '<actor> walker is not read'),
        ('<road name="r"/>', '<road> r is not read'),
        ('<scene><sky/></scene>', '<sky> is not read'),
        ('<scene><fog/></scene>', '<fog> is not read'),
        ('<scene><ambient>2 0 0 1</ambient></scene>', "ambient is '2 0 0 1': colours are of 0 to"),
        ('<scene><background>-1 0 0</background></scene>', 'background is .* of 0 to 1'),
        ('<plugin filename="f" name="gz::sim::systems::WindEffects"/>',
         "world 'w': plugin gz::sim::systems::WindEffects is not known"),
        ('<plugin filename="gz-sim-wheel-slip-system"/>', 'gz-sim-wheel-slip-system is not'),
        ('<plugin filename="gz-sim-log-system"/>', 'plugin gz-sim-log-system is not known'),
        ('<plugin name="mine::Physics" filename="mine"/>', 'plugin mine::Physics is not known'),
        ('<plugin/>', "world 'w': plugin without a name is not known"),
        ('<plugin filename="f" name="DiffDrive"/>', "world 'w': plugin DiffDrive is read of a"),
        (SENSORS.format('<background_color>0 0 0</background_color>'),
         'plugin Sensors: <background_color> is not read'),
        (SENSORS.format('<ambient_light>0 0 0</ambient_light>'), '<ambient_light> is not read'),
        ('<physics type="ode"><gravity>0 0 1</gravity></physics>', 'physics: <gravity> is not'),
        ('<physics type="ode" default="perhaps"/>', "default is 'perhaps': true or false"),
        ('<physics><max_step_size>1e-12</max_step_size></physics>', 'step_size is 1e-12'),
        ('<gravity>0 0 1_0</gravity>', "gravity is '0 0 1_0': 3 numbers"),
        ('<gravity>0 0 \u0663</gravity>', 'gravity is .*: 3 numbers'),
        ('<gravity>0 0 inf</gravity>', 'gravity is .*: 3 numbers'),
        # of lights
        (with_light('<direction>0 0 0</direction>'), "light 's': direction is of length 0"),
        (with_light('<intensity>-1</intensity>'), "light 's': intensity is -1: at least 0"),
        (with_light('<glow/>'), "light 's': <glow> is not read"),
        ('<light type="directional"/>', "world 'w': a <light> has no name"),
        # names
        (f'<model name="a">{LINK}</model>' * 2, "two elements are called 'a'"),
        (f'<model name="m">{LINK}{LINK}</model>', 'two elements are called'),
        (with_link(BOX * 2), "are called 'v'"),
        (f'<model>{LINK}</model>', 'a <model> has no name'),
        ('<model name="m"><link name=""/></model>', 'a <link> has no name'),
        (with_link(BOX.replace(' name="v"', '')), 'a <visual> has no name'),
        ('<model name="m"><link name="world"/></model>', "m::world' is a name that"),
        ('<model name="m"><frame name="__model__"/></model>', "__model__' is a name that"),
        # of models and links
        ('<model name="m"><gripper name="g"/></model>', '<gripper> g is not read'),
        ('<model name="m" placement_frame="l"/>', 'placement_frame is not read'),
        ('<model name="m"><static>maybe</static></model>', "static is 'maybe': true or false"),
        (with_link('<light name="x"/>'), '<light> x is not'),
        (with_link('<gravity>0</gravity>'), 'gravity'),
        (with_link('<inertial auto="true"/>'), 'm/l: <inertial auto="true"> is not read'),
        (with_link('<inertial><fluid_added_mass/></inertial>'), '<fluid_added_mass> is not read'),
        (with_link('<inertial><pose relative_to="l"/></inertial>'), 'no relative_to'),
        (with_link('', NESTED.format('<plugin name="DiffDrive"/>')),
         "model m, model 'i' inside of it: plugin DiffDrive is read of a model that is in the"),
        (with_link('', NESTED.format('<plugin name="Lift"/>')), "inside of it: plugin Lift is"),
        (with_link('', '<enable_wind>true</enable_wind>'), 'model m: enable_wind is not read'),
        (with_link('<enable_wind>1</enable_wind>'), 'm/l: gravity, kinematic and enable_wind of'),
        (with_link('', '<self_collide>x</self_collide>'), "m: self_collide is 'x': true or false"),
        (with_link('', NESTED.format('<static>1</static>')), "model m: static of model 'i'"),
        # poses
        (posed('relative_to="m"'), 'relative to it'),
        (posed('relative_to="x"'), "relative to 'x'"),
        (posed('relative_to="__root__"'), "m: pose is relative to '__root__', which is not there"),
        (posed('relative_to="__model__"'), "relative to '__model__', which is not there"),
        (with_link('<pose relative_to="world"/>'), "m/l: pose is relative to 'world', which is"),
        (with_link('', '<frame name="f" attached_to="world"/><link name="k"><pose '
         'relative_to="f"/></link>'), "m/f: pose is relative to 'world', which is not"),
        (posed('frame="a"'), "m: <pose frame='a'> .* write relative_to"),
        (posed('degrees="yes"'), "m: <pose degrees='yes'>: true or false is needed"),
        (posed('degrees="true" rotation_format="quat_xyzw"', '0 0 0 0 0 0 1'), 'leave it out'),
        (posed('', '0 0 0 0 0'), 'is not x y z roll pitch yaw'),
        (posed('', '0 0 0 0 0 1_0'), 'is not x y z roll pitch yaw'),
        (posed('', '0 0 \u0663 0 0 0'), 'is not x y z roll pitch yaw'),
        (posed('', '0 1e300 0 0 0 0'), 'is more than 1e.06 m away'),
        (posed('rotation_format="quat_xyzw"', '0 0 0 0 0 0 0'), 'of length 0'),
        # of visuals and collisions
        (with_part('<plugin/>'), '<plugin> is not read'),
        (with_part('<transparency>2</transparency>'), 'transparency is 2: 0 to 1'),
        (with_part('<visibility_flags>0</visibility_flags>'), 'flags is 0: only 4294967295 is'),
        (with_part('<visibility_flags>0x0F</visibility_flags>'), 'visibility_flags is 15: only'),
        (with_part('<visibility_flags>0x1FFFFFFFF</visibility_flags>'), "flags is '0x1FFFFFFFF'"),
        (with_part('<cast_shadows>x</cast_shadows>'), "v: cast_shadows is 'x': true or false"),
        (with_material('<script/>'), 'material <script> is not read'),
        (with_material('<shader type="pixel"/>'), '<shader> is not read'),
        (with_material('<diffuse>1 1 1 -1</diffuse>'), 'diffuse is .* of 0 to 1'),
        (with_material('<emissive>0 1 0 1</emissive>'), 'm/l/v, material: emissive and lighting'),
        (with_material('<lighting>0</lighting>'), 'm/l/v, material: emissive and lighting'),
        (with_material('<pbr><specular/></pbr>'), 'm/l/v, material: <specular> is not read'),
        (with_material('<pbr><metal><normal_map>n.png</normal_map></metal></pbr>'),
         'm/l/v, material: <normal_map> is not read'),
        (with_shape('<box><size>1 0 1</size></box>'), 'm/l/v: size is 1 0 1: more than 0'),
        (with_shape('<sphere><radius>-1</radius></sphere>'), 'm/l/v: radius is -1: more than 0'),
        (with_shape('<cylinder><length>0</length></cylinder>'), 'm/l/v: length is 0: more than 0'),
        (with_shape('<plane><size>0 1</size></plane>'), 'm/l/v: size is 0 1: more than 0'),
        (with_shape('<plane><normal>0 0 0</normal></plane>'), 'm/l/v: normal is of length 0'),
        (with_surface('<friction><ode><mu>-1</mu><mu2>-1</mu2></ode></friction>'), 'at least 0'),
        (with_surface('<friction><ode><mu>0.5</mu></ode></friction>'), 'mu is 0.5 and mu2 1: the'),
        (with_surface('<friction><ode><slip1>0.1</slip1></ode></friction>'), 'slip1 is 0.1'),
        (with_surface('<bounce><restitution_coefficient>1</restitution_coefficient></bounce>'),
         'm/l/c, surface: bounce/restitution_coefficient is 1: only 0 is read'),
        (with_surface('<contact><collide_bitmask>1</collide_bitmask></contact>'), 'only 65535 is'),
        (with_surface('<contact><collide_without_contact>1</collide_without_contact></contact>'),
         'collide_without_contact is not read'),
        (with_surface('<soft_contact/>'), '<soft_contact> is not read'),
        # of cameras
        (with_camera(sensor='<update_rate>1</update_rate><plugin/>'), '<plugin> is not read'),
        (with_camera(sensor=''), 'm/l/s: update_rate is 0: more than 0'),
        (with_camera('<pose relative_to="l"/>'), "m/l/s: the pose of <camera> is relative to 'l'"),
        (with_camera('<horizontal_fov>3.2</horizontal_fov>'), 'horizontal_fov is 3.2: less than'),
        (with_camera('<image><width>0.5</width></image>'), 'width is 0.5: a whole number'),
        (with_camera('<image><height>320.7</height></image>'), 'height is 320.7: a whole number'),
        (with_camera('<image><width>1e12</width></image>'), 'at most 16384'),
        (with_camera('<image><depth/></image>'), '<depth> is not read'),
        (with_camera('<visibility_mask>4294967294</visibility_mask>'), 'm/l/s: visibility_mask is '
         '4294967294: only 4294967295 is read'),
        (with_camera('<clip><near>0</near></clip>'), 'm/l/s: clip is from 0 to 100: near is less'),
        (with_camera('<clip><near>9</near><far>9</far></clip>'), 'clip is from 9 to 9'),
        (with_camera('<clip><far>1e300</far></clip>'), r'clip is from 0.1 to 1e\+300'),
        (with_camera('<triggered>true</triggered>'), 'm/l/s: triggered is not read'),
        (with_camera('<lens><type>equidistant</type></lens>'), "lens/type is 'equidistant': only"),
        (with_camera('<lens/>'), "m/l/s: lens/type is 'stereographic': only gnomonical"),
        (with_camera('<lens><intrinsics/></lens>'), '<intrinsics> is not read'),
        (with_camera('<distortion><k2>0.1</k2></distortion>'), 'distortion/k2 is 0.1: only 0 is'),
        (with_camera('<noise><stddev>0.1</stddev></noise>'), 'noise/stddev is 0.1: only 0 is'),
        # of plugins
        (with_drive(''), "'m', DiffDrive: 0 <left_joint> are there: one is needed"),
        (with_drive(WHEELS + '<left_joint>c_joint</left_joint>'), '2 <left_joint> are there'),
        (with_drive(WHEELS.replace('c_', 'd_')), "is 'd_joint': the joints .* b_joint"),
        (with_drive(WHEELS + '<max_linear_acceleration>1</max_linear_acceleration>'),
         "model 'm', DiffDrive: <max_linear_acceleration> is not read"),
        (with_drive(WHEELS + '<min_linear_velocity>1</min_linear_velocity><max_linear_velocity>0'
         '</max_linear_velocity>'), "'m', DiffDrive: min_linear_velocity is 1, and the max 0"),
        (with_drive(WHEELS + '<max_angular_velocity>-inf</max_angular_velocity>'),
         'min_angular_velocity is -1e.09, and the max -inf'),
        (with_link('', TRUTH.format('<xyz_offset>1 0 0</xyz_offset>')), '<xyz_offset> is not'),
        (with_link('', TRUTH.format('') * 2), 'more than one OdometryPublisher'),
        (with_link('', '<plugin filename="f" name="a::Lift"/>'), 'plugin a::Lift is not known'),
    ],
)  # fmt: skip
def test_what_is_not_read_is_refused_by_name(sdf_world, content, said):
    with np.errstate(all='raise'), pytest.raises(DataError, match=said):
        sdf_world(content)


PUBLISHERS = (
    '<plugin name="gz::sim::systems::JointStatePublisher"/>'
    '<plugin filename="libignition-gazebo-pose-publisher-system.so"/>'
)


@pytest.mark.parametrize(
    'content',
    [
        '<plugin filename="gz-sim-contact-system" name="gz::sim::systems::Contact"/>',
        '<plugin filename="f" name="ignition::gazebo::systems::Imu"/><plugin name="gz::Imu"/>',
        '<plugin filename="ignition-gazebo-scene-broadcaster-system"/>',
        '<plugin filename="gz-sim8-physics-system" name=""/>',
        SENSORS.format('<render_engine>ogre2</render_engine>'),
        '<wind><linear_velocity>1 0 0</linear_velocity></wind>',
        with_link('<enable_wind>0</enable_wind>', PUBLISHERS),
        with_link('', NESTED.format(PUBLISHERS)),
        with_part('<visibility_flags>4294967295</visibility_flags>'),
        with_part('<visibility_flags> 0xffffFFFF </visibility_flags>'),
        with_surface('<contact><collide_bitmask>0xffff</collide_bitmask></contact>'),
        with_camera('<visibility_mask>0XFFFFFFFF</visibility_mask><triggered>false</triggered>'),
        with_camera('<lens><type>gnomonical</type><scale_to_hfov>true</scale_to_hfov></lens>'),
        with_camera('<distortion><k1>0</k1><p2>0.0</p2><center>0.5 0.5</center></distortion>'),
        with_camera('<noise><type>gaussian</type><mean>0</mean><stddev>0</stddev></noise>'),
    ],
)
def test_what_changes_neither_pictures_nor_motion_is_taken(sdf_world, content):
    assert sdf_world(content).name == 'w'


@pytest.mark.parametrize(
    ('sensor', 'camera', 'frame_id'),
    [
        ('', '', 'm/l/s'),
        ('<gz_frame_id> eye </gz_frame_id>', '', 'eye'),
        ('<ignition_frame_id>eye</ignition_frame_id>', '', 'eye'),
        ('<gz_frame_id>a</gz_frame_id>', '<optical_frame_id>b</optical_frame_id>', 'b'),
        ('<gz_frame_id> </gz_frame_id>', '<optical_frame_id> </optical_frame_id>', 'm/l/s'),
    ],
)
def test_the_frame_of_a_camera_is_read(sdf_world, sensor, camera, frame_id):
    sensor += '<topic> </topic><update_rate>5</update_rate>'
    (model,) = sdf_world(with_camera(camera, sensor)).models
    (found,) = model.links[0].cameras
    assert (found.frame_id, found.topic, found.near, found.far) == (frame_id, 'm/l/s', 0.1, 100)


def test_texts_of_plugins_are_read_without_blanks(sdf_world):
    limits = '<min_linear_velocity>-Inf</min_linear_velocity><max_linear_velocity> inf '
    limits += '</max_linear_velocity><max_angular_velocity> </max_angular_velocity>'
    topics = '<topic> cmd_vel\n</topic><odom_topic> </odom_topic><frame_id> f </frame_id>'
    truth = TRUTH.format('<odom_topic> t </odom_topic><odom_frame> </odom_frame>')
    content = with_drive(WHEELS + limits + topics).replace('</model>', f'{truth}</model>')
    (model,) = sdf_world(content).models
    drive, found = model.drive, model.truth
    assert (drive.topic, drive.odom_topic, drive.frame_id) == ('cmd_vel', '/model/m/odometry', 'f')
    assert (drive.linear, drive.angular) == ((-1e9, 1e9), (-1e9, 1e9))
    assert (found.topic, found.frame_id) == ('t', 'm/odom')


@pytest.mark.parametrize('said', ['{0}', '<![CDATA[{0}]]>', '<!-- <![CDATA[ -->{0}<!-- ]]> -->'])
def test_a_text_may_have_a_mark_before_it_and_comments_in_it(said):
    name = '<!-- a -->' if 'CDATA[{' in said else 'a'
    text = f'<sdf version="1.9"><model name="m"><link name="l"/>{TRUTH}</model></sdf>'
    text = text.format(f'<odom_topic>{said.format(name)}</odom_topic>')
    head = '\ufeff<!-- b --><?xml version="1.0" encoding="utf-8"?>'
    assert read_model(head + text).truth.topic == name


def test_wheels_of_a_drive_are_taken(sdf_world):
    (model,) = sdf_world(with_drive(WHEELS + '<tf_topic>/tf</tf_topic>')).models
    assert (model.drive.left, model.drive.right) == ('b_joint', 'c_joint')


@pytest.mark.parametrize('version', ['1.4', '1.6', '1.10', '1.12'])
def test_versions_that_are_read(sdf_world, version):
    assert sdf_world(posed('relative_to=""'), version).models


@pytest.mark.parametrize(
    'attribute',
    ['', *(f'version="{said}"' for said in ('', '1.3', '1.13', '99', '2.0', 'x', '1.\u0669'))],
)
def test_other_versions_are_refused(attribute):
    with pytest.raises(DataError, match=r'<sdf version=.*>: 1.4 to 1.12 is read'):
        read_model(f'<sdf {attribute}><model name="m">{LINK}</model></sdf>')


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        ('<world name="w"/><world name="x"/>', 'more than one <world>'),
        (f'<world name="w"/><model name="m">{LINK}</model>', '<model> m is not read'),
        ('<world/>', 'a <world> has no name'),
        ('', 'has no <world>'),
    ],
)
def test_a_file_of_a_world_has_one_and_nothing_beside_it(tmp_path, content, said):
    (tmp_path / 'w.sdf').write_text(f'<sdf version="1.9">{content}</sdf>')
    with pytest.raises(DataError, match=said):
        read_world(tmp_path / 'w.sdf')


@pytest.mark.parametrize('content', [f'<model name="m">{LINK}</model>' * 2, '<model/>'])
def test_a_text_of_a_model_has_one_with_a_name(content):
    with pytest.raises(DataError, match=r'the text.*(more than one|no name)'):
        read_model(f'<sdf version="1.9">{content}</sdf>')


def test_what_is_no_path_cannot_be_read():
    with pytest.raises(DataError, match='cannot read'):
        read_world(Path('a\0b'))


PICTURE = (
    '<material><diffuse>1 1 1 1</diffuse><pbr><metal><albedo_map>{}</albedo_map></metal></pbr>'
    '</material>'
)


@pytest.mark.parametrize(
    'content',
    [
        '',
        '<link name="l"/>',
        LINK,
        f'<link name="l"><visual name="v"><geometry><sphere/></geometry>{PICTURE.format("p")}'
        '</visual></link>',
    ],
)
def test_a_board_without_a_picture_is_named(sdf_world, content):
    world = sdf_world(f'<model name="board_1_1">{content}</model>')
    with pytest.raises(DataError, match='board_1_1: the first link of a board has'):
        boards_of(world)


def test_a_board_is_found(sdf_world):
    visual = BOX.replace('</geometry>', f'</geometry>{PICTURE.format("p.png")}')
    world = sdf_world(f'<model name="board_3_07"><link name="l">{visual}</link></model>')
    (board,) = boards_of(world)
    assert (board.kind, board.serial, board.texture) == (3, 7, 'p.png')
