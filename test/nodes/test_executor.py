"""Which executor a process spins its nodes with."""

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
