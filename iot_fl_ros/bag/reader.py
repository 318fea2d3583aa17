"""Reading bags, also those that others made: a folder, or one .mcap or .db3 file."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import zstandard
from rosbags.rosbag2 import Reader

from iot_fl_ros.bag import salvage
from iot_fl_ros.bag.definitions import OWN, UNKNOWN, definition_of, hash_of
from iot_fl_ros.bag.salvage import RawMessage
from iot_fl_ros.core.errors import DataError

_PACKED = '.zstd'


@dataclass(frozen=True)
class BagTopic:
    """A topic of a bag. definition: text of its type, '' = not stored; count: of messages."""

    name: str
    ros_type: str
    definition: str
    count: int


class Bag:
    """An open bag. notes: what a person should know about damage, a line each.

    salvage: read in the order of writing what is there, whatever check sums say. Files that were
    not finished are read so by themselves. DataError says what is wrong with a bag, in one line.
    """

    def __init__(self, path: Path, *, salvage: bool = False) -> None:
        self.path = path
        self.notes: list[str] = []
        self.topics: dict[str, BagTopic] = {}
        self.salvaged = salvage
        self._stack = ExitStack()
        self._reader: Reader | None = None
        self._files: list[Path] = []
        if not path.exists():
            raise DataError(f'{path} does not exist: name a bag (a folder, a .mcap or .db3 file)')
        try:
            if salvage or not self._open_whole():
                self._open_files()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._reader = None
        self._stack.close()

    @property
    def count(self) -> int:
        """Messages of all topics."""
        return sum(topic.count for topic in self.topics.values())

    def messages(self, topics: Collection[str] = ()) -> Iterator[RawMessage]:
        """Yield the messages of `topics` (empty = all), files in order, each by time of receiving.

        DataError if the bag turns out to be damaged.
        """
        connections = self._reader.connections if self._reader else ()
        chosen = [one for one in connections if not topics or one.topic in topics]
        if self._reader and chosen:
            try:
                for connection, stamp, raw in self._reader.messages(chosen):
                    yield RawMessage(connection.topic, connection.msgtype, stamp, bytes(raw))
            except Exception as error:  # whatever the reader makes of a damaged file
                text = f'{self.path} is damaged ({error}): --salvage uses what can be read'
                raise DataError(text) from error
        for path in self._files:
            yield from (m for m in salvage.messages(path) if not topics or m.topic in topics)

    def _open_whole(self) -> bool:
        """Open a bag that is as it should be; return whether it is."""
        if self.path.is_dir() and not (self.path / 'metadata.yaml').is_file():
            return False
        source = self._unpacked(self.path) if self.path.suffix == _PACKED else self.path
        try:
            reader = Reader(source)
            reader.open()
        except Exception:  # not whole, or no bag at all: the other way says which
            return False
        self._stack.callback(reader.close)
        self._reader = reader
        for connection in reader.connections:
            definition = str(connection.msgdef.data)
            self._note_topic(connection.topic, connection.msgtype, definition, connection.msgcount)
        return True

    def _open_files(self) -> None:
        """Take the files one by one, whatever state they are in."""
        if self.path.is_dir():
            names = ('.mcap', '.db3', '.mcap.zstd', '.db3.zstd')
            files = [path for path in self.path.iterdir() if path.name.endswith(names)]
            if not files:
                raise DataError(f'{self.path} holds no bag: no .mcap and no .db3 file')
        else:
            files = [self.path]
        for path in sorted(files, key=_in_order):
            found = salvage.survey(self._unpacked(path) if path.suffix == _PACKED else path)
            self._files.append(found.path)
            if not found.whole or found.bad_chunks or found.lost:
                self.notes.append(found.describe())
            for name, (kind, definition) in found.topics.items():
                self._note_topic(name, kind, definition, found.counts[name])
        if (self.path / 'metadata.yaml').is_file() and not (self.notes or self.salvaged):
            self.notes.append(f'{self.path.name}: metadata.yaml does not fit the files beside it')
        self.salvaged = True

    def _unpacked(self, path: Path) -> Path:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        target = folder / path.stem
        try:
            with path.open('rb') as source, target.open('wb') as file:
                shutil.copyfileobj(zstandard.ZstdDecompressor().stream_reader(source), file)
        except zstandard.ZstdError as error:
            raise DataError(f'{path} cannot be unpacked: {error}') from error
        return target

    def _note_topic(self, name: str, kind: str, definition: str, count: int) -> None:
        known = self.topics.get(name)
        if known is not None:
            count += known.count
            definition = definition or known.definition
        self.topics[name] = BagTopic(name, kind, definition, count)


def open_bag(path: Path, *, salvage: bool = False) -> Bag:
    """Open a bag, see Bag."""
    return Bag(path, salvage=salvage)


def check_own_types(bag: Bag, topics: Collection[str]) -> None:
    """Raise DataError if messages of this package in `topics` are those of another release."""
    for name in topics:
        topic = bag.topics[name]
        if not topic.definition or not topic.ros_type.startswith(f'{OWN}/'):
            continue
        _, wanted = definition_of(topic.ros_type)
        if hash_of(topic.ros_type, topic.definition) not in (wanted, UNKNOWN):
            raise DataError(
                f'{name} has {topic.ros_type} as another release of {OWN} defines it: use the '
                'release that recorded the bag'
            )


def _in_order(path: Path) -> tuple[int, str]:
    """bag_2.mcap comes before bag_10.mcap."""
    number = path.name.removesuffix(_PACKED).rsplit('.', 1)[0].rpartition('_')[2]
    return int(number) if number.isdigit() else -1, path.name
