"""What metadata.yaml says of a bag: compared with its files, never believed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

from iot_fl_ros.bag.contents import BagTopic
from iot_fl_ros.core.errors import DataError, one_line
from iot_fl_ros.core.yaml_text import load_yaml

NAME = 'metadata.yaml'
PACKED = '.zstd'
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class BagMetadata:
    """files: names without the ending of compression; topics: name -> (type, messages)."""

    files: tuple[str, ...]
    topics: Mapping[str, tuple[str, int]]

    def differences(self, files: Collection[str], topics: Mapping[str, BagTopic]) -> Iterator[str]:
        """Yield where the files that are there, and their topics, are others."""
        there = {name.removesuffix(PACKED) for name in files}
        for name in self.files:
            if name not in there:
                yield f'{name} is not there'
        for name in sorted(there - set(self.files)):
            yield f'{name} is not in its list'
        for name, (kind, count) in self.topics.items():
            found = topics.get(name)
            if count != (found.count if found else 0):
                yield f'{count:,} messages of {name}, found {found.count if found else 0:,}'
            elif found and kind != found.ros_type:
                yield f'{name} of type {kind}, found {found.ros_type}'


def _text(value: object) -> str:
    """Return text; TypeError for anything else, whose text could be larger than memory."""
    if not isinstance(value, str):
        raise TypeError(f'text is needed, not {type(value).__name__}')
    return value


def read_metadata(folder: Path) -> BagMetadata | None:
    """Return what metadata.yaml says; None if there is none. DataError if it makes no sense."""
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f'{path} has {path.stat().st_size:,} bytes: more than any bag needs')
        content = load_yaml(path.read_bytes())['rosbag2_bagfile_information']
        topics: dict[str, tuple[str, int]] = {}
        for one in content['topics_with_message_count']:
            described = one['topic_metadata']
            name, kind = _text(described['name']), _text(described['type'])
            topics[name] = kind, topics.get(name, (kind, 0))[1] + int(one['message_count'])
        files = content['relative_file_paths']
        names = tuple(PurePosixPath(_text(one)).name.removesuffix(PACKED) for one in files)
    except (
        OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError, RecursionError,
    ) as error:  # fmt: skip
        reason = f'{type(error).__name__}: {one_line(error)}'
        raise DataError(f'{path} makes no sense ({reason})') from error
    return BagMetadata(names, topics)
