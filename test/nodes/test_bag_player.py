"""The bag player shows what is in a bag by a clock of its own."""

from itertools import pairwise

import pytest
from rclpy.qos import qos_profile_sensor_data
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from iot_fl_ros.bag.writer import BagWriter
from iot_fl_ros.core.errors import DataError
from iot_fl_ros.nodes.bag_player import BagPlayerNode

SECOND = 10**9
FIRST = 1_700_000_000 * SECOND


def write_bag(path, stamps):
    """Write pictures with these stamps, received every 0.1 s; None = a torn message."""
    with BagWriter(path) as writer:
        writer.add_topic('/i', 'sensor_msgs/msg/Image')
        for number, stamp in enumerate(stamps):
            image = Image(width=number)
            image.header.stamp.sec, image.header.stamp.nanosec = divmod(stamp or 0, SECOND)
            raw = serialize_message(image)
            writer.write('/i', FIRST + number * SECOND // 10, raw[:9] if stamp is None else raw)


def test_clocks_of_two_kinds_and_a_torn_message_do_not_stop_it(process, tmp_path):
    """The first is torn, the second has no stamp, the others are of simulated time."""
    write_bag(tmp_path / 'bag', [None, 0, *(SECOND * n // 10 for n in range(1, 8))])
    heard = {}
    camera = process.node('camera')
    camera.create_subscription(
        Image, '/robot_0/image',
        lambda m: heard.setdefault(m.width, m.header.stamp.sec * SECOND + m.header.stamp.nanosec),
        qos_profile_sensor_data,
    )  # fmt: skip
    settings = {'bag': str(tmp_path / 'bag'), 'speed': 10.0}
    player = process.make(BagPlayerNode, settings, namespace='robot_0')
    player.start()
    process.spin_until(lambda: player.finished)
    times = [heard.pop(number) for number in range(2, 9)]
    assert [b - a for a, b in pairwise(times)] == [SECOND // 10] * 6
    assert abs(times[0] - FIRST) < 60 * SECOND
    assert set(heard) <= {1}


def test_a_bag_without_a_picture_that_can_be_read_costs_one_line(process, tmp_path):
    write_bag(tmp_path / 'bag', [None, None])
    with pytest.raises(DataError, match='no picture of /i can be read'):
        process.make(BagPlayerNode, {'bag': str(tmp_path / 'bag')}, namespace='robot_0')
