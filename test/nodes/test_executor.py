"""A process spins its nodes, and ends."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import rclpy
from rclpy.parameter import Parameter

from iot_fl_ros.nodes.process import make_executor


@pytest.mark.parametrize(
    ('wish', 'simulated', 'kind'),
    [
        (True, False, 'EventsExecutor'),
        (False, False, 'SingleThreadedExecutor'),
        (True, True, 'SingleThreadedExecutor'),
    ],
)
def test_simulated_time_wants_the_single_threaded_executor(wish, simulated, kind):
    rclpy.init()
    try:
        sim_time = Parameter('use_sim_time', value=simulated)
        node = rclpy.create_node('clocked', parameter_overrides=[sim_time])
        application = SimpleNamespace(nodes=[node], use_events_executor=wish)
        assert type(make_executor(application)).__name__ == kind
    finally:
        rclpy.try_shutdown()


FAULTY = """
from iot_fl_ros.core.errors import DataError
from iot_fl_ros.nodes.process import run

class Application:
    nodes, use_events_executor = (), False

    def start(self):
        pass

    @property
    def finished(self):
        {finished}

    def close(self):
        print('robot stopped')
        {close}

run(Application, [])
"""


@pytest.mark.parametrize(
    ('finished', 'close', 'code', 'said'),
    [
        ('return True', '', 0, ''),
        ('raise KeyError("a fault")', '', 1, "KeyError: 'a fault'"),
        ('return True', 'raise DataError("nothing saved")', 1, 'error: nothing saved'),
    ],
)
def test_whatever_happens_the_end_is_in_order_and_the_code_tells(finished, close, code, said):
    script = FAULTY.format(finished=finished, close=close)
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (code, 'robot stopped\n')
    assert said in done.stderr
    assert bool(done.stderr) == bool(said)
