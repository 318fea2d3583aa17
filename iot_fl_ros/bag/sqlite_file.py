"""Reading sqlite3 bag files, also those that a recorder left behind when it was killed."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from iot_fl_ros.core.errors import DataError

# What SQLite has not put into the file itself yet.
_UNFINISHED = ('-wal', '-journal')


@contextlib.contextmanager
def open_database(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database without changing anything beside it; sqlite3.Error if that cannot be.

    One that was not closed is read with its log, as a copy: SQLite would work it in.
    """
    with contextlib.ExitStack() as stack:
        beside = unfinished(path)
        target, options = path.absolute(), 'mode=ro&immutable=1'
        if beside:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            try:
                for one in (path, *beside):
                    shutil.copy(one, folder)
            except OSError as error:
                size = sum(one.stat().st_size for one in (path, *beside)) / 1e6
                raise DataError(
                    f'{path} was not closed and is read as a copy, for which {folder} needs '
                    f'{size:,.0f} MB ({error}): set TMPDIR to a folder that has them'
                ) from error
            target, options = folder / path.name, 'mode=rw'
        # As a URI the name is quoted: '#', '?' and '%' have a meaning of their own there.
        db = sqlite3.connect(f'{target.as_uri()}?{options}', uri=True)
        stack.enter_context(contextlib.closing(db))
        yield db


def unfinished(path: Path) -> list[Path]:
    """Return the logs that lie beside a database that was not closed."""
    logs = [path.with_name(path.name + ending) for ending in _UNFINISHED]
    return [log for log in logs if log.is_file() and log.stat().st_size]


def topics_of(db: sqlite3.Connection) -> dict[int, tuple[str, str, str]]:
    """Return number -> (name, type, definition or '') of the topics of a bag."""
    definitions: dict[str, str] = {}
    with contextlib.suppress(sqlite3.Error):  # older bags have no such table
        definitions = dict(
            db.execute('SELECT topic_type, encoded_message_definition FROM message_definitions')
        )
    rows = db.execute('SELECT id, name, type FROM topics')
    return {number: (name, kind, definitions.get(kind, '')) for number, name, kind in rows}
