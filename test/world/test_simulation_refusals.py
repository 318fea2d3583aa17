"""Worlds and robots that MuJoCo cannot simulate are refused by name, never by its own errors."""

import pytest

from iot_fl_ros.core.errors import DataError, SimulatorError
from iot_fl_ros.world.simulation import Simulation, load_mujoco

LINK = '<link name="l"><inertial><mass>1</mass></inertial>{}</link>'
PLANE = '<visual name="v"><geometry><plane/></geometry></visual>'
PICTURE = (
    '<visual name="v"><geometry><box/></geometry><material><pbr><metal><albedo_map>t.png'
    '</albedo_map></metal></pbr></material></visual>'
)


SUN = '<light name="s" type="directional"><cast_shadows>{}</cast_shadows></light>'
SHADOWLESS = f'<model name="m">{LINK.format(PLANE)}</model>'.replace(
    '</geometry>', '</geometry><cast_shadows>false</cast_shadows>'
).replace('plane', 'box')


@pytest.fixture(autouse=True)
def _mujoco():
    try:
        load_mujoco()
    except SimulatorError as error:
        pytest.skip(str(error))


@pytest.fixture
def opened(tmp_path):
    """Return an opener of a world with this content, with one robot of this template."""

    def open_world(content='', template=None):
        text = f'<sdf version="1.9"><world name="w">{content}</world></sdf>'
        (tmp_path / 'w.sdf').write_text(text)
        (tmp_path / 't.png').write_bytes(b'no picture')
        if template is not None:
            (tmp_path / 'camera_robot.sdf').write_bytes(template)
        return Simulation.open(tmp_path / 'w.sdf', 1)

    return open_world


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        (f'<model name="m">{LINK.format(PLANE)}</model>', 'm/l/v: a plane in a model that moves'),
        (f'<model name="robot_0">{LINK.format("")}</model>', "called 'robot_0': rename it"),
        (
            '<model name="a/b"><link name="l"/></model><model name="a"><link name="b/l"/></model>',
            "two things are called 'a/b/l', which joins names",
        ),
        (
            f'<model name="m"><static>1</static>{LINK.format(PICTURE)}</model>',
            r'w\.sdf: MuJoCo cannot build it: .*',
        ),
        (SUN.format(1) + SHADOWLESS, 'm/l/v: cast_shadows false is not read while a light'),
    ],
)
def test_a_world_is_refused_by_name(opened, content, said):
    with pytest.raises(DataError, match=said):
        opened(content)


@pytest.mark.parametrize(
    'content',
    [SUN.format(0), '<scene><shadows>0</shadows></scene>' + SUN.format(1), SUN.format(1)],
)
def test_who_casts_no_shadow_is_taken_where_nobody_does(opened, content):
    shadows = content == SUN.format(1)
    assert opened(content + (SHADOWLESS.replace('false', 'true') if shadows else SHADOWLESS))


@pytest.mark.parametrize(
    ('old', 'new', 'said'),
    [
        ('__ROBOT__', 'rover', "'rover': it needs the name 'robot_0'"),
        ('<link name="base_link">', '<static>1</static><link name="base_link">', 'first link'),
        ('<child>left_wheel</child>', '<child>base_link</child>', 'a ring'),
        ('gz::sim::systems::DiffDrive', 'OdometryPublisher', 'more than one Odom'),
        ('type="camera"', 'type="lidar"', "sensor of type 'lidar'"),
        ('<left_joint>left_joint<', '<left_joint>wheel<', "left_joint is 'wheel'"),
        ('<xyz>0 0 1</xyz>', '<xyz>0 0 0</xyz>', 'robot_0/left_joint: axis/xyz is of length 0'),
        ('<radius>0.08</radius>', '<radius>0</radius>', 'left_wheel/tread: radius is 0'),
        ('<horizontal_fov>1.2<', '<horizontal_fov>3.15<', 'horizontal_fov is 3.15: less'),
        ('A small', 'A sm\udcff', 'cannot read the template of robots'),
    ],
)
def test_a_template_of_robots_is_refused_by_name(opened, worlds, old, new, said):
    text = (worlds / 'camera_robot.sdf').read_text()
    assert old in text
    template = text.replace(old, new).encode(errors='surrogateescape')
    with pytest.raises(DataError, match=said):
        opened(template=template)


@pytest.mark.parametrize(
    ('begin', 'end', 'said'),
    [('<sensor', '</sensor>', 'it needs a camera'), ('<plugin', '</plugin>', 'needs a DiffDrive')],
)
def test_a_robot_has_a_camera_and_a_drive(opened, worlds, begin, end, said):
    before, _, rest = (worlds / 'camera_robot.sdf').read_text().partition(begin)
    with pytest.raises(DataError, match=said):
        opened(template=(before + rest.partition(end)[2]).encode())


def test_a_wheel_of_the_world_turns_at_its_place(opened):
    joint = '<joint name="j" type="revolute"><parent>world</parent><child>l</child></joint>'
    link = LINK.format('')
    simulation = opened(f'<model name="m"><pose>3 3 3 0 0 0</pose>{link}{joint}</model>')
    simulation.step(100)
    assert simulation._data.body('m/l').xpos.tolist() == pytest.approx([3, 3, 3])
