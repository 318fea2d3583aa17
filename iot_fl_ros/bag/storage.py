"""The files of a bag as they are written: MCAP, chunk by chunk, or sqlite3.

Nothing in a file depends on when or where it is written: the same messages give the same bytes.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter

from iot_fl_ros.bag.definitions import ros_distro

LIBRARY = 'iot_fl_ros'
COMPRESSIONS = ('none', 'zstd', 'lz4')
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


class McapFile:
    """A file that is readable up to its last flushed chunk, whatever happens to the process.

    size: B written; topics: numbers of those that it holds.
    """

    def __init__(self, path: Path, compression: str = 'none') -> None:
        self._file = path.open('xb')
        self._writer = McapWriter(
            self._file, chunk_size=_CHUNK_BYTES, compression=CompressionType[compression.upper()]
        )
        self._writer.start('ros2', LIBRARY)
        self._schemas: dict[str, int] = {}
        self._pending = 0  # B of the chunk in the making
        self.size = 0
        self.topics: dict[str, int] = {}

    def add_topic(
        self, topic: str, ros_type: str, qos: str, definition: str, type_hash: str
    ) -> None:
        """Store a topic, and the definition of its type."""
        if ros_type not in self._schemas:
            self._schemas[ros_type] = self._writer.register_schema(
                ros_type, 'ros2msg', definition.encode()
            )
        metadata = {'offered_qos_profiles': qos, 'topic_type_hash': type_hash}
        schema = self._schemas[ros_type]
        self.topics[topic] = self._writer.register_channel(topic, 'cdr', schema, metadata)

    def write(self, topic: str, stamp: int, raw: bytes) -> None:
        """Store a message of a topic that was added; stamp: when it was received, ns."""
        before = self._file.tell()
        self._writer.add_message(self.topics[topic], stamp, raw, stamp)
        written = self._file.tell()
        self._pending = self._pending + len(raw) if written == before else 0
        self.size = written + self._pending

    def flush(self) -> None:
        """Finish the chunk and hand it to the system: the end of the process cannot lose it."""
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
    """A sqlite3 file with the same methods; what is flushed is committed."""

    def __init__(self, path: Path, compression: str = 'none') -> None:
        # Written by one thread at a time, which need not be the one that opened it.
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.executescript(_SQLITE_TABLES)
        self._db.execute('INSERT INTO schema VALUES (?, ?)', (_SQLITE_VERSION, ros_distro()))
        self._types: set[str] = set()
        self.size = 0
        self.topics: dict[str, int] = {}

    def add_topic(
        self, topic: str, ros_type: str, qos: str, definition: str, type_hash: str
    ) -> None:
        """Store a topic, and the definition of its type."""
        if ros_type not in self._types:
            self._types.add(ros_type)
            row: tuple[Any, ...] = (len(self._types), ros_type, 'ros2msg', definition, type_hash)
            self._db.execute('INSERT INTO message_definitions VALUES (?, ?, ?, ?, ?)', row)
        self.topics[topic] = len(self.topics) + 1
        row = (self.topics[topic], topic, ros_type, 'cdr', qos, type_hash)
        self._db.execute('INSERT INTO topics VALUES (?, ?, ?, ?, ?, ?)', row)

    def write(self, topic: str, stamp: int, raw: bytes) -> None:
        """Store a message."""
        row = (self.topics[topic], stamp, raw)
        self._db.execute('INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)', row)
        self.size += len(raw)

    def flush(self) -> None:
        """Commit."""
        self._db.commit()

    def close(self, metadata: str) -> None:
        """Write the metadata."""
        row = (METADATA_VERSION, metadata)
        self._db.execute('INSERT INTO metadata (metadata_version, metadata) VALUES (?, ?)', row)
        self._db.commit()
        self._db.close()
