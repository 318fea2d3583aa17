"""Settings of the nodes of split inference."""

from __future__ import annotations

from dataclasses import dataclass, field

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.link.link import LinkSettings

BUNDLE_DIR = '~/.local/share/iot_fl_ros/bundles'


@dataclass(frozen=True)
class SplitNodeSettings:
    """Settings of a process of split inference."""

    bundle_dir: str = setting(
        BUNDLE_DIR, 'Folder with one sub-folder per bundle; head and tail need the same bundles.'
    )
    fleet_namespace: str = setting('/fleet', 'Namespace of the topics that the fleet shares.')
    threads: int = setting(1, 'Torch threads of the process.', minimum=1)
    use_events_executor: bool = setting(
        True, "Spin with rclpy's EventsExecutor, which costs less."
    )


@dataclass(frozen=True)
class HeadNodeSettings(SplitNodeSettings):
    """Settings of the head."""

    robot_id: str = setting('', 'Robot id; empty = the namespace of the node.')
    bundle: str = setting('demo', 'Name of the bundle to start with.')
    bits: int = setting(0, 'Bits of a feature; 0 = those of the bundle.', minimum=0, maximum=32)
    deadline: float = setting(
        0.2, 'Time from the stamp of a picture to its answer, s.', minimum=0.001, maximum=60.0
    )
    image_transport: str = setting(
        'raw',
        'Which pictures to take: raw = sensor_msgs/Image on `image`, compressed = '
        'sensor_msgs/CompressedImage on `image/compressed`.',
        choices=('raw', 'compressed'),
    )
    switch_timeout: float = setting(
        10.0, 'Time for the tail to agree to a switch, s.', minimum=0.1
    )


@dataclass(frozen=True)
class TailNodeSettings(SplitNodeSettings):
    """Settings of the tail."""

    edge_id: str = setting('edge', 'Name of this edge computer.')
    max_robots: int = setting(32, 'Robots that are served; further ones are refused.', minimum=1)
    max_batch: int = setting(16, 'Frames that go through the tail at once.', minimum=1)
    max_answers: int = setting(
        5, 'Classes in an answer of a classifier.', minimum=1, maximum=1_000
    )
    score_threshold: float = setting(
        0.5, 'Smallest score of a detection.', minimum=0.0, maximum=1.0
    )
    quiet_time: float = setting(
        0.0,
        'Answer a frame that got no packet for so long, before its deadline, s; 0 = wait for the '
        'deadline. For links that keep packets in order.',
        minimum=0.0,
        maximum=60.0,
    )
    deployment: str = setting(
        'real', 'real, or simulation: only there may a link be emulated.',
        choices=('real', 'simulation'),
    )  # fmt: skip
    link: LinkSettings = field(default_factory=LinkSettings)

    def check(self) -> None:
        """Raise ConfigError if packets of a real deployment would be dropped on purpose."""
        if self.deployment == 'real' and not self.link.ideal:
            raise ConfigError(
                'link.* emulates a bad link, but deployment is real: remove link.*, or set '
                'deployment to simulation'
            )
