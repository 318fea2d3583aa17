"""Pictures of a bag: how far they are apart, and those that cannot be read."""

import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from iot_fl_ros.bag.pictures import pictures
from iot_fl_ros.bag.reader import open_bag
from iot_fl_ros.bag.writer import BagWriter

SECOND = 10**9
PERIOD = SECOND // 10
RECEIVED = [1_700_000_000 * SECOND + number * PERIOD for number in range(8)]


@pytest.fixture
def shown(tmp_path):
    """Return the pictures of a bag with these stamps; None = a message that cannot be read."""

    def show(stamps, received=RECEIVED):
        with BagWriter(tmp_path / 'bag') as writer:
            writer.add_topic('/i', 'sensor_msgs/msg/Image')
            for stamp, time in zip(stamps, received, strict=False):
                image = Image()
                image.header.stamp.sec, image.header.stamp.nanosec = divmod(stamp or 0, SECOND)
                raw = serialize_message(image)
                writer.write('/i', time, raw[:10] if stamp is None else raw)
        with open_bag(tmp_path / 'bag') as bag:
            return list(pictures(bag, '/i'))

    return show


def every(period, first=SECOND, count=8):
    return [first + number * period for number in range(count)]


@pytest.mark.parametrize(
    'stamps',
    [
        every(PERIOD),
        every(PERIOD, 0),  # the first is missing, the others are of simulated time
        every(PERIOD, count=4) * 2,  # the clock was reset
        [RECEIVED[0] + n * PERIOD + 3600 * SECOND * (n == 3) for n in range(8)],  # one leaps
        [5 * SECOND] * 8,
        [0] * 8,
        every(-PERIOD, 10 * SECOND),
    ],
)
def test_where_stamps_make_no_sense_the_times_of_receiving_tell_the_distance(shown, stamps):
    assert [picture.at for picture in shown(stamps)] == every(PERIOD, 0)


def test_stamps_tell_the_distance_where_they_can(shown):
    received = [RECEIVED[0] + late for late in (0, 1, 2, 3 * SECOND, 3 * SECOND + 1, 4 * SECOND)]
    assert [p.at for p in shown(every(PERIOD, count=6), received)] == every(PERIOD, 0, 6)


def test_pictures_are_in_order_although_neither_tells(shown):
    times = [picture.at for picture in shown([0] * 5, [RECEIVED[0]] * 5)]
    assert times == sorted(set(times))


def test_a_message_that_cannot_be_read_costs_itself(shown):
    found = shown([SECOND, None, SECOND + 2 * PERIOD])
    assert [picture.message is None for picture in found] == [False, True, False]
    assert [picture.at for picture in found] == every(PERIOD, 0, 3)
