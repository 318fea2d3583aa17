"""Latched topics keep the last messages of each sender, as many as their delivery says."""

from iot_fl_ros.core.messages.split import SplitStatus, TailState
from iot_fl_ros.memory.network import Network


def status(edge_id, epoch):
    return SplitStatus(
        stamp=0.0, edge_id=edge_id, robot_id='robot_0', session=1, epoch=epoch,
        state=TailState.READY, reason='',
    )  # fmt: skip


def test_a_newcomer_gets_as_many_latched_messages_as_their_depth():
    network, depth = Network(), SplitStatus.DELIVERY.depth
    for epoch in range(depth + 2):
        network.publish(status('edge', epoch))
    network.publish(status('other', 0))
    came = []
    network.join('robot_0', (SplitStatus,), lambda message, size: came.append(message))
    network.clock.run(1.0, lambda: False)
    epochs = [message.epoch for message in came if message.sender == 'edge']
    assert epochs == list(range(2, depth + 2))
    assert [message.epoch for message in came if message.sender == 'other'] == [0]
