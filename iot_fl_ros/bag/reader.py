"""Reading bags, also those that others made: a folder, or one .mcap or .db3 file."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import zstandard

from iot_fl_ros.bag.bag_file import BagFile, Records, open_whole
from iot_fl_ros.bag.contents import BagTopic, RawMessage
from iot_fl_ros.bag.definitions import OWN, UNKNOWN, definition_of, hash_of
from iot_fl_ros.bag.metadata import NAME, PACKED, read_metadata
from iot_fl_ros.bag.sqlite_file import unfinished
from iot_fl_ros.core.errors import DataError

_ENDINGS = ('.mcap', '.db3', f'.mcap{PACKED}', f'.db3{PACKED}')


class Bag:
    """An open bag. notes: what a person should know about it, a line each.

    The files tell what is in them; what an index or metadata.yaml promise beyond that is said.
    salvage: read in the order of writing what is there, whatever check sums say. Files that were
    not finished are read so by themselves. DataError says what is wrong with a bag, in one line.
    """

    def __init__(self, path: Path, *, salvage: bool = False) -> None:
        self.path = path
        self.notes: list[str] = []
        self.topics: dict[str, BagTopic] = {}
        self._salvage = salvage
        self._stack = ExitStack()
        self._parts: list[BagFile] = []
        self._packed: dict[str, str] = {}  # the packed file of an unpacked one
        if not path.exists():
            raise DataError(f'{path} does not exist: name a bag (a folder, a .mcap or .db3 file)')
        try:
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
        self._parts = []
        self._stack.close()

    @property
    def count(self) -> int:
        """Messages of all topics."""
        return sum(topic.count for topic in self.topics.values())

    def messages(self, topics: Collection[str] = ()) -> Iterator[RawMessage]:
        """Yield the messages of `topics` (empty = all), files in order, each by time of receiving.

        DataError if the bag turns out to be damaged.
        """
        try:
            for part in self._parts:
                yield from part.messages(topics)
        except DataError as error:
            raise DataError(self._named(str(error))) from error

    def _open_files(self) -> None:
        files = self._files()
        unreadable = []
        for path in files:
            try:
                self._open_file(path)
            except DataError as error:  # the other files may be sound
                unreadable.append(self._named(str(error)))
        if not self._parts:
            raise DataError('; '.join(unreadable))
        self.notes += unreadable
        if self.path.is_dir():
            self._compare(files)

    def _files(self) -> Sequence[Path]:
        if not self.path.is_dir():
            return [self.path]
        files = {path.name: path for path in self.path.iterdir() if path.name.endswith(_ENDINGS)}
        if not files:
            raise DataError(f'{self.path} holds no bag: no .mcap and no .db3 file')
        # `ros2 bag play` leaves unpacked files beside the compressed ones.
        twice = [name for name in files if name.endswith(PACKED) and name[: -len(PACKED)] in files]
        return sorted((files[name] for name in files.keys() - set(twice)), key=_in_order)

    def _open_file(self, path: Path) -> None:
        """Take a file: by its index if that lists everything, else record by record."""
        source = self._unpacked(path) if path.suffix == PACKED else path
        part = None if self._salvage else open_whole(source)
        if part is None:
            part = records = Records(source)
            self.notes += map(self._named, records.notes())
        self._stack.callback(part.close)
        self._parts.append(part)
        for topic in part.topics():
            self._note_topic(topic)
        if logs := ', '.join(log.name for log in unfinished(path)):
            self.notes.append(f'{path.name} was not closed: what lies in {logs} is read too')

    def _compare(self, files: Sequence[Path]) -> None:
        """Note what metadata.yaml says and the files do not."""
        try:
            promised = read_metadata(self.path)
        except DataError as error:
            self.notes.append(f'{error}: the files are read without it')
            return
        if promised is None:
            return
        names = [path.name for path in files]
        if text := '; '.join(promised.differences(names, self.topics)):
            self.notes.append(f'{self.path.name}: {NAME} does not fit the files beside it: {text}')

    def _unpacked(self, path: Path) -> Path:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        target = folder / path.stem
        self._packed[str(target)] = str(path)
        try:
            with path.open('rb') as source, target.open('wb') as file:
                shutil.copyfileobj(zstandard.ZstdDecompressor().stream_reader(source), file)
        except zstandard.ZstdError as error:
            raise DataError(f'{path} cannot be unpacked: {error}') from error
        if not target.stat().st_size:
            raise DataError(f'{path} cannot be unpacked: it ends before its first block does')
        return target

    def _named(self, text: str) -> str:
        """Return what is said of an unpacked file with the name of the packed one."""
        for target, path in self._packed.items():
            text = text.replace(target, path)
        return text

    def _note_topic(self, topic: BagTopic) -> None:
        known = self.topics.get(topic.name)
        if known is not None:
            definition = topic.definition or known.definition
            topic = replace(topic, definition=definition, count=topic.count + known.count)
        self.topics[topic.name] = topic


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
    number = path.name.removesuffix(PACKED).rsplit('.', 1)[0].rpartition('_')[2]
    return int(number) if number.isdigit() else -1, path.name
