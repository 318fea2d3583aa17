"""The base of nodes around a machine: ids, parameters, and the process of several robots."""

import pytest
import rclpy

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.methods.method import MeshMethod, StarMethod
from iot_fl_ros.nodes import application
from iot_fl_ros.nodes.application import Application, robots
from iot_fl_ros.nodes.participant import ParticipantNode, own_robot_id


class Plain(ParticipantNode):
    """Around no machine yet."""

    def __init__(self, threads, **kwargs):
        super().__init__('plain', threads, **kwargs)


@pytest.fixture
def plain(process):
    return lambda given=None, **kwargs: process.make(
        Plain, given or {}, threads=process.threads, **kwargs
    )


@pytest.mark.parametrize(
    ('namespace', 'wanted', 'expected'),
    [('/cart_1', '', 'cart_1'), ('/hall/cart', '', 'hall_cart'), ('/cart_1', 'other', 'other')],
)
def test_a_robot_is_called_as_it_is_told_else_as_its_namespace(plain, namespace, wanted, expected):
    assert own_robot_id(plain(namespace=namespace), wanted, 'set it') == expected


@pytest.mark.parametrize('wanted', ['', '1st', 'a-b', 'x' * 300])
def test_what_can_be_no_part_of_a_topic_is_no_id(plain, wanted):
    with pytest.raises(ConfigError, match='set robot'):
        own_robot_id(plain(), wanted, 'set robot.id')


def test_an_id_outside_topics_needs_to_be_there_only(plain):
    assert own_robot_id(plain(), '1st', 'set it', in_topics=False) == '1st'
    with pytest.raises(ConfigError):
        own_robot_id(plain(), '', 'set it', in_topics=False)


def test_unknown_parameters_are_refused_and_those_of_methods_where_there_is_one(plain):
    known = {'data.private', 'data.partition_index'}
    with pytest.raises(ConfigError, match=r'data\.privat'):
        plain({'data.privat': 'x'}).given(known)
    one = plain({'method.local_epochs': 2, 'autostart': False})
    with pytest.raises(ConfigError, match=r'method\.local_epochs'):
        one.given(known)
    assert one.given(known, methods=True)['method.local_epochs'] == 2


def test_robots_of_one_process_take_parts_of_the_data_one_after_the_other(plain):
    known = {'data.partition_index'}
    assert plain({'data.partition_index': 4}).given(known, index=2) == {'data.partition_index': 6}
    assert plain().given(known, index=1) == {'data.partition_index': 1}
    assert plain().given(known) == {}


def test_a_method_is_declared_with_its_own_settings(plain):
    node = plain({'method.name': 'fedprox', 'method.mu': 0.5})
    name, settings = node.declare_method(node.given((), methods=True), StarMethod, 'dsfl')
    assert (name, settings.mu) == ('fedprox', 0.5)
    assert node.get_parameter('method.name').value == 'fedprox'
    assert node.get_parameter('method.mu').value == 0.5


def test_a_method_of_another_kind_is_refused(plain):
    node = plain({'method.name': 'cmfd'})
    with pytest.raises(ConfigError, match='cmfd'):
        node.declare_method(node.given((), methods=True), StarMethod, 'dsfl')
    assert node.declare_method(node.given((), methods=True), MeshMethod, 'cmfd')[0] == 'cmfd'


# --- the process --------------------------------------------------------------------------------


class Robot:
    """A node that notes how it was made and ended."""

    def __init__(self, threads, robot_id='', index=0, namespace=''):
        self.made = (robot_id, index, namespace)
        self.started = self.closed = self.finished = False

    def start(self):
        self.started = True

    def close(self):
        self.closed = True


@pytest.mark.parametrize(
    ('ids', 'made'),
    [([], [('', 0, '')]), (['a', 'b'], [('a', 0, 'a'), ('b', 1, 'b')]), ([''], [('', 0, '')])],
)
def test_a_process_has_the_robots_that_it_was_told_or_one(ids, made, monkeypatch, process):
    class Probe:
        def __init__(self, *args, **kwargs):
            self._node = rclpy.create_node(
                'probe', context=process.context,
                parameter_overrides=[rclpy.parameter.Parameter('robot.ids', value=ids)]
                if ids else [],
            )  # fmt: skip
            self._parameter_overrides = self._node._parameter_overrides

        def destroy_node(self):
            self._node.destroy_node()

    monkeypatch.setattr(application, 'Node', Probe)
    one = robots(Robot, 'learner')()
    assert [node.made for node in one.nodes] == made


def test_a_process_ends_when_all_of_its_nodes_have():
    one = Application(lambda threads: [Robot(threads), Robot(threads)])
    one.start()
    assert all(node.started for node in one.nodes)
    one.nodes[0].finished = True
    assert not one.finished
    one.nodes[1].finished = True
    assert one.finished
    one.close()
    assert all(node.closed for node in one.nodes)


def test_without_a_folder_a_model_goes_to_those_of_the_user(plain, tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    one = plain()
    one.offer_model('cart_1', None)
    assert one._model_file == tmp_path / '.local/share/iot_fl_ros/models/cart_1/model.safetensors'
    one = plain()
    one.offer_model('cart_1', tmp_path / 'run')
    assert one._model_file == tmp_path / 'run/model.safetensors'


class Deaf:
    """A driver whose readers were killed: it takes all the patience that it is given."""

    def __init__(self):
        self.given = []

    def leave(self, patience):
        self.given.append(patience)
        return 0.0


def test_the_robots_of_a_process_wait_for_the_dead_once_together(plain):
    """A second each: with ten of them the process was killed before it had ended."""
    nodes = [plain(namespace=name) for name in ('cart_1', 'cart_2')]
    drivers = [Deaf(), Deaf()]
    for node, driver in zip(nodes, drivers, strict=True):
        node._driver = driver
    for node in nodes:
        node.pause()
    assert [driver.given for driver in drivers] == [[application.FAREWELL], [0.0]]
