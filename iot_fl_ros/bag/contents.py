"""The contents of a bag: its topics, and messages as they lie there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import zstandard

# No message in CDR begins so: its first byte is zero.
_ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
_MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class BagTopic:
    """A topic of a bag. definition: text of its type, '' = not stored; count: of messages."""

    name: str
    ros_type: str
    definition: str
    count: int


class RawMessage(NamedTuple):
    """A message of a bag. raw: CDR; stamp: when it was received, ns."""

    topic: str
    ros_type: str
    stamp: int
    raw: bytes


def uncompressed(raw: bytes) -> bytes:
    """Return the CDR of a message, which rosbag2 may have compressed by itself.

    The bytes tell, whatever metadata say; what cannot be unpacked is returned as it is.
    """
    if not raw.startswith(_ZSTD_MAGIC):
        return raw
    try:
        if zstandard.frame_content_size(raw) > _MOST_BYTES:
            return raw
        return zstandard.ZstdDecompressor().decompress(raw, max_output_size=_MOST_BYTES)
    except zstandard.ZstdError:
        return raw
