"""Tables of a queue's file, and the settings of a connection."""

from __future__ import annotations

from pathlib import Path

import apsw

from haulier.errors import NewerFormatError, UsageError

FORMAT = 3
APPLICATION_ID = 0x4861756C
"""``Haul`` in the file's header, so that no other program's database is taken for a queue."""

SAFE_SQLITE = (3, 51, 3)
"""3.7.0 to 3.51.2 have the WAL-reset race: two connections that write and checkpoint at once can corrupt the file."""

# A message is ready, delayed or leased by two columns alone: visible_at, and token (0: not leased). The index has both
# for each lane (0: the first), so that taking the oldest and counting all states never read the messages themselves: a
# question without a lane cannot use it. Tokens are never used twice, and
# `generation` tells this file from the one that stood here before. `holder` says whose the lease is while there is a
# token; no two holders ever have one number.
_HOLDERS = """
CREATE TABLE holders (id INTEGER PRIMARY KEY AUTOINCREMENT, mark TEXT NOT NULL UNIQUE, name TEXT NOT NULL) STRICT;
"""
_INDEX = """
CREATE INDEX messages_by_lane ON messages (lane, visible_at, token);
"""
_TABLES = f"""
CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    visible_at REAL NOT NULL,
    token INTEGER NOT NULL DEFAULT 0,
    deliveries INTEGER NOT NULL DEFAULT 0,
    holder INTEGER NOT NULL DEFAULT 0,
    lane INTEGER NOT NULL DEFAULT 1,
    body BLOB NOT NULL
) STRICT;
{_INDEX}{_HOLDERS}CREATE TABLE poison (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE rows (name TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE queue (
    generation TEXT NOT NULL,
    next_token INTEGER NOT NULL,
    last_seen REAL NOT NULL,
    clock_offset REAL NOT NULL
) STRICT;
INSERT INTO queue VALUES (lower(hex(randomblob(8))), 1, 0.0, 0.0);
"""

_UPGRADES = (
    # From format 1, whose leases nobody is known to hold.
    f"ALTER TABLE messages ADD COLUMN holder INTEGER NOT NULL DEFAULT 0; {_HOLDERS}",
    # From format 2, which had one lane.
    f"ALTER TABLE messages ADD COLUMN lane INTEGER NOT NULL DEFAULT 1; DROP INDEX messages_by_visibility; {_INDEX}",
)

# FULL: NORMAL lost 100 of 100 acknowledged rows when power failed (docs/protocol.md#what-was-measured). No mmap: an
# I/O error there is a signal that kills the process. The log is cut back after a burst, such as a million messages.
_SETTINGS = {
    "synchronous": "FULL",
    "fullfsync": 1,
    "checkpoint_fullfsync": 1,
    "mmap_size": 0,
    "wal_autocheckpoint": 2000,
    "journal_size_limit": 32 * 1024 * 1024,
    "cache_size": -8000,
}


def require_safe_sqlite() -> None:
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < SAFE_SQLITE:
        wanted = ".".join(str(part) for part in SAFE_SQLITE)
        raise UsageError(
            f"apsw here uses SQLite {apsw.sqlite_lib_version()}, which can corrupt a queue with several workers; "
            f"{wanted} or newer is needed. Install apsw's own wheel: pip install --force-reinstall apsw."
        )


def set_up(connection: apsw.Connection, path: Path) -> str:
    """Make an empty file a queue. Returns the file's generation. Raises `NewerFormatError`, and `UsageError` for
    somebody else's file, before anything in it is changed."""
    application, version = connection.pragma("application_id"), connection.pragma("user_version")
    if application == APPLICATION_ID:
        if version > FORMAT:
            raise NewerFormatError(f"The queue {path}", version, FORMAT)
    elif application != 0 or connection.execute("SELECT count(*) FROM sqlite_schema").get:
        raise not_a_queue(path)
    for name, setting in _SETTINGS.items():
        connection.pragma(name, setting)
    if connection.pragma("journal_mode", "wal") != "wal":
        raise UsageError(f"The file system of {path} cannot share a queue between processes. Name a local disk.")
    if application == 0:
        make_tables(connection)
    elif version < FORMAT:
        steps = " ".join(_UPGRADES[version - 1 :])
        connection.execute(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {FORMAT}; COMMIT")
    generation: str = connection.execute("SELECT generation FROM queue").get
    return generation


def make_tables(connection: apsw.Connection) -> None:
    marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}"
    connection.execute(f"BEGIN IMMEDIATE; {_TABLES} {marks}; COMMIT")


def not_a_queue(path: Path) -> UsageError:
    return UsageError(f"{path} is not a readable haulier queue. Name another file, or move this one away.")
