"""Reading a bag file record by record, in the order of writing: what is left of a damaged one.

Also a whole one that has no index. Of MCAP files every chunk that is whole counts, and a chunk
whose check sum is wrong is read all the same. sqlite3 files are read until the database says that
it cannot go on.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mcap.reader import make_reader
from mcap.records import Channel, Chunk, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader, breakup_chunk, get_chunk_data_stream

from iot_fl_ros.bag.contents import RawMessage, uncompressed
from iot_fl_ros.bag.mcap_index import MAGIC
from iot_fl_ros.bag.sqlite_file import open_database, topics_of
from iot_fl_ros.core.errors import DataError

_SQLITE_MAGIC = b'SQLite format 3\0'
_MAX_RECORD = 1 << 30


@dataclass
class Salvaged:
    """Contents of a file as far as one pass could tell.

    topics: name -> (type, definition); counts: messages by topic; untyped: messages by topic
    whose type the file does not tell ('' = nor the topic); bad_chunks: their check sum is wrong;
    lost: chunks that could not be read at all; whole: it has a proper end.
    """

    path: Path
    topics: dict[str, tuple[str, str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    untyped: Counter[str] = field(default_factory=Counter)
    bad_chunks: int = 0
    lost: int = 0
    whole: bool = False

    @property
    def count(self) -> int:
        """Messages of all topics."""
        return self.counts.total()

    @property
    def damaged(self) -> bool:
        """True if something of the file is missing or changed."""
        return not self.whole or bool(self.bad_chunks or self.lost)

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

    def note_topic(self, channel: Channel, schemas: Mapping[int, Schema]) -> None:
        """Note a topic of an MCAP file, if its type is known."""
        schema = schemas.get(channel.schema_id)
        if schema is not None and channel.topic not in self.topics:
            self.topics[channel.topic] = schema.name, schema.data.decode(errors='replace')

    def describe_untyped(self) -> str:
        """Return what cannot be used because nobody knows its type; empty = nothing."""
        named = ', '.join(
            f'{count:,} messages of ' + (f'topic {name}' if name else 'topics without a name')
            for name, count in sorted(self.untyped.items())
        )
        return f'{named} without a type (schema)' if named else ''

    def emptiness(self) -> str:
        """Return why nothing can be read."""
        if self.untyped:
            return f'{self.path} holds only {self.describe_untyped()}'
        if self.damaged:
            return f'{self.path} is damaged and holds no message that can be read'
        return f'{self.path} holds no messages'


def survey(path: Path) -> Salvaged:
    """Return what can be read of a file; DataError if it is no bag file."""
    found = Salvaged(path)
    for _ in messages(path, found):
        pass
    return found


def messages(path: Path, found: Salvaged | None = None) -> Iterator[RawMessage]:
    """Return what can be read, in the order of writing; note it in `found`."""
    found = found or Salvaged(path)
    with path.open('rb') as file:
        start = file.read(len(_SQLITE_MAGIC))
    if start.startswith(MAGIC):
        return _mcap_messages(path, found)
    if start == _SQLITE_MAGIC:
        return _sqlite_messages(path, found)
    raise DataError(f'{path} is no bag file: it is neither MCAP nor sqlite3')


def _mcap_messages(path: Path, found: Salvaged) -> Iterator[RawMessage]:
    schemas, channels = _summarized(path)
    for record in _records(path, found):
        if isinstance(record, Schema):
            schemas[record.id] = record
        elif isinstance(record, Channel):
            channels[record.id] = record
            found.note_topic(record, schemas)
        elif isinstance(record, Message):
            channel = channels.get(record.channel_id)
            schema = schemas.get(channel.schema_id) if channel else None
            if channel is None or schema is None:
                found.untyped[channel.topic if channel else ''] += 1
                continue
            found.note_topic(channel, schemas)
            found.counts[channel.topic] += 1
            raw = uncompressed(record.data)
            yield RawMessage(channel.topic, schema.name, record.log_time, raw)


def _summarized(path: Path) -> tuple[dict[int, Schema], dict[int, Channel]]:
    """Return schemas and channels of the summary, for those that the data do not repeat."""
    try:
        with path.open('rb') as file:
            summary = make_reader(file).get_summary()
    except Exception:  # whatever the parser makes of a file's torn end
        summary = None
    return (dict(summary.schemas), dict(summary.channels)) if summary else ({}, {})


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
        with open_database(path) as db:
            topics = topics_of(db)
            for name, kind, definition in topics.values():
                found.topics[name] = kind, definition
            db.text_factory = bytes  # text that is no UTF-8 would end the reading
            for number, stamp, raw in db.execute(
                'SELECT topic_id, timestamp, data FROM messages ORDER BY id'
            ):
                if number not in topics:
                    found.untyped[''] += 1
                    continue
                if not (isinstance(raw, bytes) and isinstance(stamp, int)):
                    found.lost += 1
                    continue
                name, kind, _ = topics[number]
                found.counts[name] += 1
                yield RawMessage(name, kind, stamp, uncompressed(raw))
            found.whole = True
    except sqlite3.Error:
        return
