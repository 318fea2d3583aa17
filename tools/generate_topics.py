"""The table of topics, from the messages and their delivery."""

from __future__ import annotations

from markdown_table import markdown_table
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from iot_fl_ros.core.messages import KINDS, Kind
from iot_fl_ros.ros.convert import ROS_TYPES
from iot_fl_ros.ros.topics import publisher_qos, subscription_qos


def topics() -> str:
    """Return the table of topics."""
    columns = (
        'topic',
        'type',
        'sent by',
        'read by',
        'reliability',
        'durability',
        'history of the sender',
        'history of the reader',
    )
    return '\n'.join([*markdown_table(columns, [_topic_row(cls) for cls in KINDS]), ''])


def _topic_row(cls: Kind) -> tuple[str, ...]:
    profile = publisher_qos(cls)
    delivery = cls.DELIVERY
    senders = [role.value for role in delivery.senders]
    takers = [role.value for role in delivery.readers]
    return (
        f'`/<robot>/{cls.TOPIC}`' if delivery.robot_topic else f'`{cls.TOPIC}`',
        f'`iot_fl_ros/msg/{ROS_TYPES[cls].__name__}`',
        ' and '.join(senders),
        ' and '.join(takers) or 'whoever wants it',
        ReliabilityPolicy(profile.reliability).name,
        DurabilityPolicy(profile.durability).name,
        sender_history(cls),
        history(subscription_qos(cls, 1.0)) if takers else '',
    )


def sender_history(cls: Kind) -> str:
    """Return the history of a publisher; its depth may be the number of chunks of a set."""
    single, double = (publisher_qos(cls, chunks) for chunks in (1, 2))
    if single.depth != double.depth:
        return f'{HistoryPolicy(single.history).name}, one for each chunk of the first set'
    return history(single)


def history(profile: QoSProfile) -> str:
    """Return history and depth."""
    if profile.history == HistoryPolicy.KEEP_ALL:
        return 'KEEP_ALL'
    return f'{HistoryPolicy(profile.history).name} {profile.depth}'
