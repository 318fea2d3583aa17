"""Whether the index at the end of an MCAP file lists all that the file holds.

Every part of the summary section is optional, so that a reader that believes in it may miss
messages of a file that is whole. Only heads of records are read here, no messages. Format:
https://mcap.dev/spec.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.records import Statistics
from mcap.summary import Summary

MAGIC = b'\x89MCAP0\r\n'
_HEAD = struct.Struct('<BQ')  # opcode, length of the content
_INDEX_HEAD = struct.Struct('<HI')  # of a message index: channel, B of its entries
_ENTRY_BYTES = 16  # time and offset of a message


def is_mcap(path: Path) -> bool:
    """Return whether a file begins as MCAP files do."""
    with path.open('rb') as file:
        return file.read(len(MAGIC)) == MAGIC


def index_is_whole(path: Path) -> bool:
    """Return whether chunks, channels, schemas and counts of the summary are those of the file."""
    try:
        with path.open('rb') as file:
            summary = make_reader(file).get_summary()
            return (
                summary is not None
                and summary.statistics is not None
                and _lists_all(summary, summary.statistics, file)
            )
    except Exception:  # whatever the parser makes of a file without a proper end
        return False


def promised_counts(path: Path) -> Counter[str]:
    """Return the messages by topic that the summary promises; empty = it says nothing."""
    try:
        with path.open('rb') as file:
            summary = make_reader(file).get_summary()
    except Exception:  # as above
        return Counter()
    counts: Counter[str] = Counter()
    if summary is not None and summary.statistics is not None:
        for channel_id, count in summary.statistics.channel_message_counts.items():
            if channel_id in summary.channels:
                counts[summary.channels[channel_id].topic] += count
    return counts


def _lists_all(summary: Summary, statistics: Statistics, file: BinaryIO) -> bool:
    counts = Counter(statistics.channel_message_counts)
    channels = summary.channels
    named = all(
        channel_id in channels and channels[channel_id].schema_id in summary.schemas
        for channel_id, count in counts.items()
        if count
    )
    if not named or statistics.message_count != counts.total():
        return False
    chunks: set[int] = set()
    indexed: Counter[int] = Counter()
    places: dict[int, set[int]] = {}  # of message indices, by the chunk before them
    last = 0
    for opcode, start in _records(file):
        if opcode == Opcode.MESSAGE:
            return False  # outside of chunks, where no index lists it
        if opcode == Opcode.CHUNK:
            last = start
            chunks.add(start)
        elif opcode == Opcode.MESSAGE_INDEX:
            channel_id, size = _INDEX_HEAD.unpack(file.read(_INDEX_HEAD.size))
            indexed[channel_id] += size // _ENTRY_BYTES
            places.setdefault(last, set()).add(start)
    listed = {
        one.chunk_start_offset: set(one.message_index_offsets.values())
        for one in summary.chunk_indexes
    }
    return (
        listed.keys() == chunks
        and len(summary.chunk_indexes) == len(chunks)
        and all(offsets == places.get(chunk, set()) for chunk, offsets in listed.items())
        and +indexed == +counts
    )


def _records(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Yield (opcode, offset) of the data section's records; `file` is at their content."""
    position = len(MAGIC)
    while True:
        file.seek(position)
        head = file.read(_HEAD.size)
        opcode, length = _HEAD.unpack(head)
        if opcode in (Opcode.DATA_END, Opcode.FOOTER):
            return
        yield opcode, position
        position += _HEAD.size + length
