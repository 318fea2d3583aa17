"""gazebo.launch.py: with our simulator for real; with Gazebo as far as stand-ins can tell."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip('launch_pytest', reason='launch has no wheels; use apt ROS 2')

import launch_pytest
import rclpy
import yaml
from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription, LaunchService
from launch.actions import GroupAction, IncludeLaunchDescription, LogInfo, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from nav_msgs.msg import Odometry
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Bool

from iot_fl_ros.core.run_files import read_events
from iot_fl_ros.data.registry import load_samples
from iot_fl_ros.world.collection import OWN
from iot_fl_ros.world.plan import ROOM_KINDS
from iot_fl_ros.world.robot import start_pose
from iot_fl_ros.world.sdf import read_model

needs_mujoco = pytest.mark.skipif(
    importlib.util.find_spec('mujoco') is None, reason="pip install 'iot_fl_ros[sim]'"
)
# Stands for an executable of ros_gz: writes down what it was started with.
STAND_IN = """#!{python}
import json, os, sys, time
with open({record!r}, 'a') as file:
    file.write(json.dumps(sys.argv) + '\\n')
"""
GZ_SIM = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, Shutdown
from launch.substitutions import LaunchConfiguration
def generate_launch_description():
    return LaunchDescription([
        DeclareLaunchArgument('gz_args'), DeclareLaunchArgument('on_exit_shutdown'),
        ExecuteProcess(cmd=[{script!r}, 'gz', LaunchConfiguration('gz_args'),
                            LaunchConfiguration('on_exit_shutdown')])])
"""


def _include(**arguments):
    source = Path(get_package_share_directory('iot_fl_ros')) / 'launch/gazebo.launch.py'
    return IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(source)), launch_arguments=arguments.items()
    )


@launch_pytest.fixture
def two_robots():
    arguments = {'simulator': 'mujoco', 'robots': '2', 'real_time_factor': '8.0'}
    return LaunchDescription([_include(**arguments), launch_pytest.actions.ReadyToTest()])


@needs_mujoco
@pytest.mark.launch(fixture=two_robots)
def test_two_robots_tour_their_rooms():
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('listener', context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    finished, images, poses = {}, [], {}
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    for name in ('robot_0', 'robot_1'):
        node.create_subscription(
            Bool, f'/{name}/patrol/finished', lambda m, n=name: finished.update({n: m.data}),
            latched,
        )  # fmt: skip
        node.create_subscription(
            Odometry, f'/{name}/ground_truth', lambda m, n=name: poses.update({n: m}), 10
        )
    camera = node.create_subscription(Image, '/robot_1/camera/image', images.append, 10)
    end = time.monotonic() + 120
    while not images or list(finished.values()) != [True, True]:
        assert time.monotonic() < end, finished
        executor.spin_once(timeout_sec=0.1)
        if images and camera:  # one is enough: pictures take time
            node.destroy_subscription(camera)
            camera = None
    for index, name in enumerate(('robot_0', 'robot_1')):
        position = poses[name].pose.pose.position
        x, y, _ = start_pose(index)
        assert (position.x, position.y) == pytest.approx((x, y), abs=0.4)
    node.destroy_node()
    rclpy.try_shutdown(context=context)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / 'learned'


@launch_pytest.fixture
def learning(folder):
    arguments = {
        'simulator': 'mujoco', 'robots': '2', 'real_time_factor': '0', 'output': str(folder),
        'rounds': '1',
    }  # fmt: skip
    return LaunchDescription([_include(**arguments), launch_pytest.actions.ReadyToTest()])


@needs_mujoco
@pytest.mark.launch(fixture=learning)
def test_after_their_patrols_robots_learn_from_what_they_saw(folder):
    end = time.monotonic() + 200
    while not (folder / 'run/summary.json').is_file():
        assert time.monotonic() < end, sorted(folder.rglob('*'))
        time.sleep(0.2)
    robots = {r['robot'] for r in read_events(folder / 'run') if r['kind'] == 'robot'}
    assert robots == {'robot_0', 'robot_1'}
    for index, kinds in enumerate(ROOM_KINDS[:2]):
        own = load_samples(str(folder / f'robot_{index}' / OWN), 'train')
        assert set(own.labels.tolist()) == set(kinds)


@pytest.fixture
def record(tmp_path, monkeypatch):
    """Stand-ins for ros_gz_sim and ros_gz_bridge; return the file of what they were told."""
    record = tmp_path / 'record.jsonl'
    for package, executable in (('ros_gz_sim', 'create'), ('ros_gz_bridge', 'parameter_bridge')):
        marker = tmp_path / 'share/ament_index/resource_index/packages' / package
        script = tmp_path / 'lib' / package / executable
        for path in (marker, script, tmp_path / 'share' / package / 'launch/x'):
            path.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
        script.write_text(STAND_IN.format(python=sys.executable, record=str(record)))
        script.chmod(0o755)
    create = str(tmp_path / 'lib/ros_gz_sim/create')
    (tmp_path / 'share/ros_gz_sim/launch/gz_sim.launch.py').write_text(
        GZ_SIM.format(script=create)
    )
    path = f'{tmp_path}{os.pathsep}{os.environ.get("AMENT_PREFIX_PATH", "")}'
    monkeypatch.setenv('AMENT_PREFIX_PATH', path)
    monkeypatch.delenv('GZ_SIM_RESOURCE_PATH', raising=False)
    return record


def test_gazebo_is_told_the_world_the_robots_and_the_bridges(record):
    service = LaunchService()
    service.include_launch_description(
        LaunchDescription([_include(robots='2', patrol='none', headless='true')])
    )
    assert service.run() == 0
    calls = [json.loads(line)[1:] for line in record.read_text().splitlines()]
    ((_, gz_args, shutdown),) = [call for call in calls if call[0] == 'gz']
    world = Path(gz_args.split()[-1])
    assert world.name == 'fleet.sdf'
    assert (world.parent / 'textures').is_dir()
    assert gz_args.split()[:-1] == ['-r', '-s', '--headless-rendering']
    assert shutdown == 'true'
    spawned = sorted(call for call in calls if call[0] == '-world')
    assert len(spawned) == 2
    for index, call in enumerate(sorted(spawned, key=lambda call: call[3])):
        options = dict(zip(call[0:14:2], call[1:14:2], strict=True))
        assert options['-world'] == 'fleet'
        assert read_model(options['-string']).name == options['-name'] == f'robot_{index}'
        place = [float(options[key]) for key in ('-x', '-y', '-Y')]
        assert place == pytest.approx(start_pose(index), abs=1e-5)
    bridges = [call for call in calls if '--params-file' in call]
    namespaces = {arg for call in bridges for arg in call if arg.startswith('__ns:=')}
    assert len(bridges) == 3
    assert namespaces == {'__ns:=/', '__ns:=/robot_0', '__ns:=/robot_1'}
    files = [_config_file(call) for call in bridges]
    topics = sorted(entry['gz_topic_name'] for file in files for entry in yaml.safe_load(file))
    assert topics[0] == '/clock'
    assert len(topics) == 1 + 2 * 5


def _config_file(call):
    parameters = yaml.safe_load(Path(call[call.index('--params-file') + 1]).read_text())
    ((_, section),) = parameters.items()
    return Path(section['ros__parameters']['config_file']).read_text()


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        ({'simulator': 'webots'}, '"webots" is not valid'),
        ({'simulator': 'mujoco', 'patrol': 'nowhere'}, '"nowhere" is not valid'),
        ({'simulator': 'gazebo'}, 'needs ros_gz'),
    ],
)
def test_what_cannot_be_started_is_said(arguments, said):
    source = Path(get_package_share_directory('iot_fl_ros')) / 'launch/gazebo.launch.py'
    code = (
        'import sys\n'
        'from launch import LaunchDescription, LaunchService\n'
        'from launch.actions import IncludeLaunchDescription\n'
        'from launch.launch_description_sources import PythonLaunchDescriptionSource\n'
        'service = LaunchService()\n'
        'source = PythonLaunchDescriptionSource(sys.argv[1])\n'
        'pairs = zip(sys.argv[2::2], sys.argv[3::2])\n'
        'include = IncludeLaunchDescription(source, launch_arguments=pairs)\n'
        'service.include_launch_description(LaunchDescription([include]))\n'
        'raise SystemExit(service.run())\n'
    )
    pairs = [text for pair in arguments.items() for text in pair]
    done = subprocess.run(
        [sys.executable, '-c', code, str(source), *pairs], capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert said in done.stdout + done.stderr


@pytest.fixture
def module(monkeypatch):
    """gazebo.launch.py, whose nodes are told as what they were to be."""
    path = Path(get_package_share_directory('iot_fl_ros')) / 'launch/gazebo.launch.py'
    spec = importlib.util.spec_from_file_location('gazebo_launch', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(
        module, 'our_node',
        lambda kind, owner, parameters, **options: LogInfo(msg=f'{owner} {kind} {options}'),
    )  # fmt: skip
    return module


def test_who_has_collected_nothing_does_not_learn(module, tmp_path):
    (tmp_path / 'robot_1').mkdir()
    (tmp_path / 'robot_1' / OWN).touch()
    value = {'rounds': ''}
    actions = module._learning(value, tmp_path, ['robot_0', 'robot_1'])
    said = [describe(action) for action in actions]
    assert said[0].startswith('robot_0 has collected nothing')
    assert said[1].startswith('fleet aggregator')
    assert said[2].startswith('robot_1 learner')
    assert len(said) == 3
    (action,) = module._learning(value, tmp_path, ['robot_0'])
    assert isinstance(action, Shutdown)


def describe(action):
    if isinstance(action, GroupAction):
        (action,) = [a for a in action.get_sub_entities() if isinstance(a, LogInfo)]
    return ''.join(part.text for part in action.msg)


def test_a_patrol_that_is_done_is_not_started_again(module):
    value = {'patrol': 'own', 'loops': '1', 'use_respawn': 'true', 'output': ''}
    patrols = module._patrols(value, ['robot_0'])
    assert "'respawn': False" in describe(patrols['robot_0'])


def test_without_a_patrol_there_is_nothing_to_collect(module):
    with pytest.raises(ValueError, match='patrol:=none'):
        module._collection({'output': 'x'}, Path('world.sdf'), {})
