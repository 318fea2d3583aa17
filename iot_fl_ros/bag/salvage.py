"""Reading what is left of a damaged or unfinished bag file.

MCAP files are read record by record: every chunk that is whole counts, and a chunk whose check sum
is wrong is read all the same. sqlite3 files are read until the database says that it cannot go on.
"""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mcap.records import Channel, Chunk, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader, breakup_chunk, get_chunk_data_stream

from iot_fl_ros.core.errors import DataError

_MAGIC = b'\x89MCAP0\r\n'
_SQLITE_MAGIC = b'SQLite format 3\0'
_MAX_RECORD = 1 << 30


class RawMessage(NamedTuple):
    """A message of a bag as it lies there; stamp: when it was received, ns."""

    topic: str
    ros_type: str
    stamp: int
    raw: bytes


@dataclass
class Salvaged:
    """Contents of a file as far as one pass could tell.

    topics: name -> (type, definition); counts: messages by topic; bad_chunks: their check sum is
    wrong; lost: chunks that could not be read at all; whole: it has a proper end.
    """

    path: Path
    topics: dict[str, tuple[str, str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    bad_chunks: int = 0
    lost: int = 0
    whole: bool = False

    @property
    def count(self) -> int:
        """Messages of all topics."""
        return self.counts.total()

    def describe(self) -> str:
        """Return one line for people."""
        parts = [f'{self.path.name}: {self.count:,} messages recovered']
        if not self.whole:
            parts.append('the file ends in the middle')
        if self.bad_chunks:
            parts.append(f'{self.bad_chunks} chunks fail their check sum')
        if self.lost:
            parts.append(f'{self.lost} chunks are lost')
        return ', '.join(parts)


def survey(path: Path) -> Salvaged:
    """Return what can be read of a file; DataError if it is no bag file or nothing is left."""
    found = Salvaged(path)
    for _ in messages(path, found):
        pass
    if not found.count:
        raise DataError(f'{path} is damaged and holds no message that can be read')
    return found


def messages(path: Path, found: Salvaged | None = None) -> Iterator[RawMessage]:
    """Return what can be read, in the order of writing; note it in `found`."""
    found = found or Salvaged(path)
    start = path.open('rb').read(len(_SQLITE_MAGIC))
    if start.startswith(_MAGIC):
        return _mcap_messages(path, found)
    if start == _SQLITE_MAGIC:
        return _sqlite_messages(path, found)
    raise DataError(f'{path} is no bag file: it is neither MCAP nor sqlite3')


def _mcap_messages(path: Path, found: Salvaged) -> Iterator[RawMessage]:
    schemas: dict[int, Schema] = {}
    channels: dict[int, tuple[str, str]] = {}
    for record in _records(path, found):
        if isinstance(record, Schema):
            schemas[record.id] = record
        elif isinstance(record, Channel) and record.schema_id in schemas:
            schema = schemas[record.schema_id]
            channels[record.id] = record.topic, schema.name
            definition = schema.data.decode(errors='replace')
            found.topics.setdefault(record.topic, (schema.name, definition))
        elif isinstance(record, Message) and record.channel_id in channels:
            topic, ros_type = channels[record.channel_id]
            found.counts[topic] += 1
            yield RawMessage(topic, ros_type, record.log_time, record.data)


def _records(path: Path, found: Salvaged) -> Iterator[McapRecord]:
    """Yield records, those inside chunks too, until the file ends or makes no sense."""
    with path.open('rb') as file:
        reader = StreamReader(file, emit_chunks=True, record_size_limit=_MAX_RECORD)
        try:
            for record in reader.records:
                yield from _of_chunk(record, found) if isinstance(record, Chunk) else (record,)
            found.whole = True
        except Exception:  # whatever the parser makes of a file's torn end
            return


def _of_chunk(chunk: Chunk, found: Salvaged) -> list[McapRecord]:
    try:
        records = breakup_chunk(chunk)
    except Exception:  # as above
        found.lost += 1
        return []
    if chunk.uncompressed_crc:
        stream, length = get_chunk_data_stream(chunk)
        if zlib.crc32(stream.read(length)) != chunk.uncompressed_crc:
            found.bad_chunks += 1
    return records


def _sqlite_messages(path: Path, found: Salvaged) -> Iterator[RawMessage]:
    try:
        with contextlib.closing(sqlite3.connect(f'file:{path}?mode=ro', uri=True)) as db:
            definitions: dict[str, str] = {}
            with contextlib.suppress(sqlite3.Error):  # older bags have no such table
                definitions = dict(
                    db.execute(
                        'SELECT topic_type, encoded_message_definition FROM message_definitions'
                    )
                )
            topics = {
                number: (name, kind) for number, name, kind in
                db.execute('SELECT id, name, type FROM topics')
            }  # fmt: skip
            for name, kind in topics.values():
                found.topics[name] = kind, definitions.get(kind, '')
            for number, stamp, raw in db.execute(
                'SELECT topic_id, timestamp, data FROM messages ORDER BY id'
            ):
                name, kind = topics[number]
                found.counts[name] += 1
                yield RawMessage(name, kind, stamp, raw)
            found.whole = True
    except (sqlite3.Error, KeyError):
        return
