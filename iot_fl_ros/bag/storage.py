"""The files of a bag as they are written: MCAP, chunk by chunk, or sqlite3.

Nothing in a file depends on when or where it is written: the same messages give the same bytes.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Protocol

from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter

from iot_fl_ros.bag.definitions import ros_distro

LIBRARY = 'iot_fl_ros'
COMPRESSIONS = ('none', 'zstd', 'lz4')
_COMPRESSION_TYPES = {
    'none': CompressionType.NONE,
    'zstd': CompressionType.ZSTD,
    'lz4': CompressionType.LZ4,
}
_CHUNK_BYTES = 1 << 20
# Of metadata.yaml, and of the table `schema` of sqlite3 bags: those of ROS 2 Jazzy and Kilted.
METADATA_VERSION = 9
_SQLITE_VERSION = 4
_SQLITE_TABLES = """
CREATE TABLE schema(schema_version INTEGER PRIMARY KEY, ros_distro TEXT NOT NULL);
CREATE TABLE metadata(id INTEGER PRIMARY KEY, metadata_version INTEGER NOT NULL,
  metadata TEXT NOT NULL);
CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
  serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL,
  type_description_hash TEXT NOT NULL);
CREATE TABLE message_definitions(id INTEGER PRIMARY KEY, topic_type TEXT NOT NULL,
  encoding TEXT NOT NULL, encoded_message_definition TEXT NOT NULL,
  type_description_hash TEXT NOT NULL);
CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL,
  timestamp INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX timestamp_idx ON messages (timestamp ASC);
"""


class StorageFile(Protocol):
    """One file of a bag."""

    size: int

    def add_type(self, ros_type: str, definition: str, type_hash: str) -> None:
        """Store a definition, before topics of that type."""

    def add_topic(self, topic: str, ros_type: str, qos: str, type_hash: str) -> int:
        """Store a topic; return its number in this file."""

    def write(self, topic: int, stamp: int, raw: bytes) -> None:
        """Store a message; stamp: when it was received, ns."""

    def flush(self) -> None:
        """Hand over to the system what was written: the end of the process cannot lose it."""

    def close(self, metadata: str) -> None:
        """Finish the file."""


class McapFile:
    """A file that is readable up to its last flushed chunk, whatever happens to the process."""

    def __init__(self, path: Path, compression: str) -> None:
        self._file = path.open('xb')
        self._writer = McapWriter(
            self._file, chunk_size=_CHUNK_BYTES, compression=_COMPRESSION_TYPES[compression]
        )
        self._writer.start('ros2', LIBRARY)
        self._schemas: dict[str, int] = {}
        self._pending = 0  # B of the chunk in the making
        self.size = 0

    def add_type(self, ros_type: str, definition: str, type_hash: str) -> None:
        """Store a definition."""
        self._schemas[ros_type] = self._writer.register_schema(
            ros_type, 'ros2msg', definition.encode()
        )

    def add_topic(self, topic: str, ros_type: str, qos: str, type_hash: str) -> int:
        """Store a topic."""
        metadata = {'offered_qos_profiles': qos, 'topic_type_hash': type_hash}
        schema = self._schemas[ros_type]
        return int(self._writer.register_channel(topic, 'cdr', schema, metadata))

    def write(self, topic: int, stamp: int, raw: bytes) -> None:
        """Store a message."""
        before = self._file.tell()
        self._writer.add_message(topic, stamp, raw, stamp)
        written = self._file.tell()
        self._pending = self._pending + len(raw) if written == before else 0
        self.size = written + self._pending

    def flush(self) -> None:
        """Finish the chunk and hand it over."""
        self._writer.flush()
        self._pending = 0
        self.size = self._file.tell()

    def close(self, metadata: str) -> None:
        """Write indices and metadata."""
        self._writer.flush()
        self._writer.add_metadata('rosbag2', {'serialized_metadata': metadata})
        self._writer.finish()
        self._file.close()


class SqliteFile:
    """A sqlite3 file; what is flushed is committed."""

    def __init__(self, path: Path, compression: str) -> None:
        # Written by one thread at a time, which need not be the one that opened it.
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.executescript(_SQLITE_TABLES)
        self._db.execute('INSERT INTO schema VALUES (?, ?)', (_SQLITE_VERSION, ros_distro()))
        self._topics = 0
        self.size = 0

    def add_type(self, ros_type: str, definition: str, type_hash: str) -> None:
        """Store a definition."""
        self._db.execute(
            'INSERT INTO message_definitions (topic_type, encoding, encoded_message_definition, '
            'type_description_hash) VALUES (?, ?, ?, ?)',
            (ros_type, 'ros2msg', definition, type_hash),
        )

    def add_topic(self, topic: str, ros_type: str, qos: str, type_hash: str) -> int:
        """Store a topic."""
        self._topics += 1
        row = (self._topics, topic, ros_type, 'cdr', qos, type_hash)
        self._db.execute('INSERT INTO topics VALUES (?, ?, ?, ?, ?, ?)', row)
        return self._topics

    def write(self, topic: int, stamp: int, raw: bytes) -> None:
        """Store a message."""
        self._db.execute(
            'INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)',
            (topic, stamp, raw),
        )
        self.size += len(raw)

    def flush(self) -> None:
        """Commit."""
        self._db.commit()

    def close(self, metadata: str) -> None:
        """Write the metadata."""
        self._db.execute(
            'INSERT INTO metadata (metadata_version, metadata) VALUES (?, ?)',
            (METADATA_VERSION, metadata),
        )
        self._db.commit()
        self._db.close()
