"""One file of a bag: read by its index where that lists everything, else record by record."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from rosbags.rosbag2 import Reader

from iot_fl_ros.bag import salvage
from iot_fl_ros.bag.contents import BagTopic, RawMessage, uncompressed
from iot_fl_ros.bag.mcap_index import index_is_whole, is_mcap, promised_counts
from iot_fl_ros.bag.sqlite_file import open_database, topics_of
from iot_fl_ros.core.errors import DataError


class BagFile(Protocol):
    """A file that is open for reading."""

    def topics(self) -> Iterable[BagTopic]:
        """Return its topics; one may come twice."""

    def messages(self, wanted: Collection[str]) -> Iterator[RawMessage]:
        """Yield the messages of topics (empty = all); DataError if they turn out damaged."""

    def close(self) -> None:
        """Close it."""


class IndexedMcap:
    """An MCAP file whose index lists everything; messages come by the time of receiving."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader = Reader(path)
        self._reader.open()

    def topics(self) -> Iterable[BagTopic]:
        """Return the topics of the index."""
        for one in self._reader.connections:
            yield BagTopic(one.topic, one.msgtype, str(one.msgdef.data), one.msgcount)

    def messages(self, wanted: Collection[str]) -> Iterator[RawMessage]:
        """Yield messages; DataError if there are fewer than the index says."""
        chosen = [one for one in self._reader.connections if not wanted or one.topic in wanted]
        if not chosen:  # the reader takes that for all
            return
        left = sum(one.msgcount for one in chosen)
        try:
            for connection, stamp, raw in self._reader.messages(chosen):
                left -= 1
                yield RawMessage(
                    connection.topic, connection.msgtype, stamp, uncompressed(bytes(raw))
                )
        except Exception as error:  # whatever the reader makes of a damaged file
            raise _damaged(self._path, error) from error
        if left > 0:
            raise _damaged(self._path, f'{left} messages of its index are not there')

    def close(self) -> None:
        """Close it."""
        self._reader.close()


class SqliteBagFile:
    """A database that is as it should be; messages come by the time of receiving."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = ExitStack()
        self._db = self._stack.enter_context(open_database(path))
        try:
            self._topics = topics_of(self._db)
            counted = self._db.execute('SELECT topic_id, COUNT(*) FROM messages GROUP BY topic_id')
            self._counts = Counter(dict(counted.fetchall()))
            if self._counts.keys() - self._topics.keys():
                raise DataError(f'{path} has messages of topics that it does not name')
        except BaseException:
            self.close()
            raise

    def topics(self) -> Iterable[BagTopic]:
        """Return the topics of the table."""
        for number, (name, kind, definition) in self._topics.items():
            yield BagTopic(name, kind, definition, self._counts[number])

    def messages(self, wanted: Collection[str]) -> Iterator[RawMessage]:
        """Yield messages."""
        chosen = [n for n, (name, *_) in self._topics.items() if not wanted or name in wanted]
        query = (
            'SELECT topic_id, timestamp, data FROM messages '
            f'WHERE topic_id IN ({",".join("?" * len(chosen))}) ORDER BY timestamp, id'
        )
        try:
            for number, stamp, raw in self._db.execute(query, chosen):
                name, kind, _ = self._topics[number]
                if not (isinstance(raw, bytes) and isinstance(stamp, int)):
                    raise _damaged(self._path, f'a message of {name} is no message')
                yield RawMessage(name, kind, stamp, uncompressed(raw))
        except sqlite3.Error as error:
            raise _damaged(self._path, error) from error

    def close(self) -> None:
        """Close it."""
        self._stack.close()


class Records:
    """A file without a whole index, or a damaged one: record by record, in the order of writing.

    DataError if there is nothing to read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found = salvage.survey(path)
        if not self._found.count:
            raise DataError(self._found.emptiness())

    def topics(self) -> Iterable[BagTopic]:
        """Return the topics of which the file tells the type."""
        for name, (kind, definition) in self._found.topics.items():
            yield BagTopic(name, kind, definition, self._found.counts[name])

    def messages(self, wanted: Collection[str]) -> Iterator[RawMessage]:
        """Yield messages."""
        return (m for m in salvage.messages(self._path) if not wanted or m.topic in wanted)

    def notes(self) -> Iterable[str]:
        """Yield what a person should know about the file."""
        found = self._found
        if found.damaged:
            yield found.describe()
        if found.untyped:
            yield f'{self._path.name}: {found.describe_untyped()} are left out'
        promised = {} if found.damaged else promised_counts(self._path)
        for topic, count in promised.items():
            if count != found.counts[topic] + found.untyped[topic]:
                yield (
                    f'{self._path.name}: its index promises {count:,} messages of {topic}, '
                    f'{found.counts[topic]:,} are there'
                )

    def close(self) -> None:
        """Nothing stays open."""


def open_whole(path: Path) -> BagFile | None:
    """Return a file that is as it should be, open; None if it is not."""
    try:
        if not is_mcap(path):
            return SqliteBagFile(path)
        return IndexedMcap(path) if index_is_whole(path) else None
    except Exception:  # whatever a reader makes of it: the other way says what is wrong
        return None


def _damaged(path: Path, error: object) -> DataError:
    return DataError(f'{path} is damaged ({error}): --salvage uses what can be read')
