"""Writing a bag: files of one folder, the metadata that `ros2 bag` reads, definitions inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from rclpy.duration import Duration
from rclpy.qos import QoSProfile

from iot_fl_ros.bag.definitions import definition_of, ros_distro
from iot_fl_ros.bag.storage import COMPRESSIONS, METADATA_VERSION, McapFile, SqliteFile
from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.core.store import write_durably

STORAGES: Mapping[str, tuple[type[McapFile] | type[SqliteFile], str]] = {
    'mcap': (McapFile, 'mcap'),
    'sqlite3': (SqliteFile, 'db3'),
}
_NANO = 1_000_000_000
# rclpy reports no limit as the largest duration; files of rosbag2 have it so.
_NO_LIMIT = {'sec': 9223372036, 'nsec': 854775807}


@dataclass(frozen=True)
class BagSettings:
    """Settings of a bag. max_bytes, max_seconds: of a file, then a new one begins; 0 = one."""

    storage: str = 'mcap'
    compression: str = 'none'
    max_bytes: int = 0
    max_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.storage not in STORAGES:
            raise ConfigError(f'storage is {self.storage!r}: choose {" or ".join(STORAGES)}')
        if self.compression not in COMPRESSIONS:
            choice = ', '.join(COMPRESSIONS)
            raise ConfigError(f'compression is {self.compression!r}: choose {choice}')
        if self.storage == 'sqlite3' and self.compression != 'none':
            raise ConfigError('sqlite3 bags are not compressed: use mcap, or compression none')
        if self.max_bytes < 0 or self.max_seconds < 0:
            raise ConfigError('sizes and durations of files must not be negative')


@dataclass
class _Topic:
    ros_type: str
    qos: tuple[QoSProfile, ...]
    definition: str
    type_hash: str
    count: int = 0


@dataclass
class _Span:
    """Extent of a file or of the whole bag: message count, first and last stamp, ns."""

    count: int = 0
    first: int = 0
    last: int = 0

    def add(self, stamp: int) -> None:
        self.first = min(self.first, stamp) if self.count else stamp
        self.last = max(self.last, stamp) if self.count else stamp
        self.count += 1

    def tree(self) -> dict[str, Any]:
        return {
            'duration': {'nanoseconds': self.last - self.first},
            'starting_time': {'nanoseconds_since_epoch': self.first},
            'message_count': self.count,
        }


class BagWriter:
    """Writes messages into the new folder `path`; finished by `close` or the end of `with`.

    custom: kept in metadata.yaml. ConfigError if the folder is there already.
    """

    def __init__(
        self, path: Path, settings: BagSettings | None = None,
        custom: Mapping[str, str] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        self.path = path
        self.files: list[str] = []
        self._settings = settings or BagSettings()
        self._custom = dict(custom)
        self._topics: dict[str, _Topic] = {}
        self._spans: list[_Span] = []
        self._whole = _Span()
        self._file: McapFile | SqliteFile | None = None
        try:
            path.mkdir(parents=True)
        except FileExistsError as error:
            raise ConfigError(f'{path} is there already: choose another name') from error
        except OSError as error:
            raise DataError(f'{path} cannot be made: {error.strerror}') from error

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def count(self) -> int:
        """Messages written so far."""
        return self._whole.count

    def add_topic(self, topic: str, ros_type: str, qos: Sequence[QoSProfile] = ()) -> None:
        """Declare a topic of type `package/msg/Name`; qos: as its publishers offered it.

        DataError if this machine does not know the type.
        """
        known = self._topics.get(topic)
        if known is not None and known.ros_type != ros_type:
            raise DataError(f'{topic} has two types, {known.ros_type} and {ros_type}')
        if known is None:
            self._topics[topic] = _Topic(ros_type, tuple(qos), *definition_of(ros_type))

    def write(self, topic: str, stamp: int, raw: bytes) -> None:
        """Write a serialized message; stamp: time of receiving, ns."""
        file = self._open_for(stamp)
        declared = self._topics[topic]
        if topic not in file.topics:
            text = yaml.safe_dump(qos_tree(declared.qos), sort_keys=False) if declared.qos else ''
            file.add_topic(topic, declared.ros_type, text, declared.definition, declared.type_hash)
        file.write(topic, stamp, raw)
        declared.count += 1
        self._spans[-1].add(stamp)
        self._whole.add(stamp)

    def flush(self) -> None:
        """Make what was written so far safe from the end of this process."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Finish the bag."""
        if self._file is None and not self._spans:
            self._new_file()  # an empty bag is a bag too
        self._close_file()
        content = _dump({'rosbag2_bagfile_information': self._metadata()})
        write_durably(self.path / 'metadata.yaml', content)

    def _open_for(self, stamp: int) -> McapFile | SqliteFile:
        settings = self._settings
        if self._file is not None:
            span = self._spans[-1]
            full = settings.max_bytes and self._file.size >= settings.max_bytes
            long = settings.max_seconds and stamp - span.first >= settings.max_seconds * _NANO
            if span.count and (full or long):
                self._close_file()
        if self._file is None:
            self._new_file()
        assert self._file is not None
        return self._file

    def _new_file(self) -> None:
        cls, suffix = STORAGES[self._settings.storage]
        name = f'{self.path.name}_{len(self.files)}.{suffix}'
        self._file = cls(self.path / name, self._settings.compression)
        self.files.append(name)
        self._spans.append(_Span())

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close(_dump(self._metadata()).decode())
            self._file = None

    def _metadata(self) -> dict[str, Any]:
        return {
            'version': METADATA_VERSION,
            'storage_identifier': self._settings.storage,
            **self._whole.tree(),
            'topics_with_message_count': [
                {
                    'topic_metadata': {
                        'name': name,
                        'type': topic.ros_type,
                        'serialization_format': 'cdr',
                        'offered_qos_profiles': qos_tree(topic.qos),
                        'type_description_hash': topic.type_hash,
                    },
                    'message_count': topic.count,
                }
                for name, topic in self._topics.items()
            ],
            'compression_format': '',
            'compression_mode': '',
            'relative_file_paths': list(self.files),
            'files': [
                {'path': name, **span.tree()}
                for name, span in zip(self.files, self._spans, strict=True)
            ],
            'custom_data': self._custom,
            'ros_distro': ros_distro(),
        }


def _dump(tree: Mapping[str, Any]) -> bytes:
    return yaml.dump(tree, Dumper=_NoAliases, sort_keys=False).encode()


class _NoAliases(yaml.SafeDumper):
    """rosbag2's parser need not know YAML's anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def qos_tree(profiles: Sequence[QoSProfile]) -> list[dict[str, Any]]:
    """Return offered profiles as the mappings of a metadata.yaml."""
    return [
        {
            'history': profile.history.name.lower(),
            'depth': profile.depth,
            'reliability': profile.reliability.name.lower(),
            'durability': profile.durability.name.lower(),
            'deadline': _duration(profile.deadline),
            'lifespan': _duration(profile.lifespan),
            'liveliness': profile.liveliness.name.lower(),
            'liveliness_lease_duration': _duration(profile.liveliness_lease_duration),
            'avoid_ros_namespace_conventions': profile.avoid_ros_namespace_conventions,
        }
        for profile in profiles
    ]


def _duration(duration: Duration) -> dict[str, int]:
    seconds, nanoseconds = divmod(duration.nanoseconds, _NANO)
    return {'sec': seconds, 'nsec': nanoseconds} if duration.nanoseconds else dict(_NO_LIMIT)
