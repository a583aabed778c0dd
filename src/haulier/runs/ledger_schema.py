"""The tables of a ledger, and its questions in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import apsw
import msgspec

from haulier.runs.records import PlannedItem, Receipt

RECEIPT_COLUMNS = tuple(name for name in Receipt.__struct_fields__ if name != "key")
JSON_COLUMNS = ("added", "drift")
"""Kept as JSON, or as NULL where empty."""

_JSON_PLACES = [Receipt.__struct_fields__.index(name) for name in JSON_COLUMNS]

_encoder = msgspec.json.Encoder()

# How a key has ended by the records of the run (docs/protocol.md#terms), in the order of C3. A divided key is done
# with: its children are rows of their own, and it has ended when they have. Objects count at a closing alone.
SCHEMA = f"""
CREATE TABLE item (
    key TEXT PRIMARY KEY, stream TEXT, kind TEXT, payload BLOB, held_in TEXT,
    is_planned INTEGER NOT NULL DEFAULT 0,
    is_split INTEGER NOT NULL DEFAULT 0,
    is_empty INTEGER NOT NULL DEFAULT 0,
    poison INTEGER NOT NULL DEFAULT 0,
    redrive INTEGER NOT NULL DEFAULT 0,
    discard INTEGER NOT NULL DEFAULT 0,
    discard_reason TEXT NOT NULL DEFAULT '',
    has_object INTEGER NOT NULL DEFAULT 0,
    damage TEXT NOT NULL DEFAULT '',
    {", ".join(RECEIPT_COLUMNS)},
    disagrees INTEGER NOT NULL DEFAULT 0,
    state TEXT GENERATED ALWAYS AS (CASE
        WHEN NOT is_planned THEN NULL
        WHEN is_split THEN 'split'
        WHEN sha256 IS NOT NULL THEN 'done'
        WHEN is_empty THEN 'empty'
        WHEN discard > 0 AND discard >= poison THEN 'discarded'
        WHEN poison > redrive THEN 'poisoned'
        ELSE 'missing'
    END) VIRTUAL
);
CREATE TABLE read (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE queued (key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE ending (
    key TEXT, number INTEGER, lot INTEGER, is_read INTEGER NOT NULL DEFAULT 0, ended REAL, seconds REAL,
    requests INTEGER, PRIMARY KEY (key, number)
) WITHOUT ROWID;
CREATE TABLE poison_reason (key TEXT, number INTEGER, reason TEXT, PRIMARY KEY (key, number)) WITHOUT ROWID;
"""

INDEX = "CREATE INDEX IF NOT EXISTS item_by_state ON item (state, key, records, bytes, requests, seconds)"
"""Only for a ledger that is read often: the first fold takes a third longer with it, and one look at the whole table a
tenth of that."""

COUNTS = """
SELECT state, count(*), coalesce(sum(records), 0), coalesce(sum(bytes), 0), coalesce(sum(requests), 0),
    coalesce(sum(seconds), 0.0), coalesce(sum(seconds * seconds), 0.0)
FROM item WHERE state IS NOT NULL GROUP BY state
"""

MISSING = "state = 'missing'"
LOST = f"{MISSING} AND key NOT IN (SELECT key FROM queued)"
"""Missing, and not in the queue as far as `put_queued` was told."""

WITHOUT_TRACE = "state = 'missing' AND NOT has_object"
"""A key without any trace in the lists of a closing (C2)."""

UNADOPTED = "has_object AND sha256 IS NULL AND is_planned AND NOT is_split AND damage = ''"
"""An object without a receipt (C3)."""

EMPTY = "state = 'empty'"
SPLIT = "state = 'split'"
LIVE_POISON = "state = 'poisoned'"
DISCARDED = "state = 'discarded'"

POISON_NOW = "poison > redrive AND poison > discard AND coalesce(state, 'poisoned') = 'poisoned'"
"""The same for a ledger without the plan, too."""
REASON_UNREAD = (
    f"{POISON_NOW} AND NOT EXISTS (SELECT 1 FROM poison_reason AS p WHERE p.key = item.key AND number = poison)"
)
REASONS = f"""
SELECT reason, count(*) FROM poison_reason AS p JOIN item ON item.key = p.key AND poison = p.number
WHERE {POISON_NOW} GROUP BY reason ORDER BY count(*) DESC, reason
"""
"""Live poison whose record was read, by reason."""

REDRIVEN = f"{WITHOUT_TRACE} AND poison = redrive AND poison > 0"
"""Not ended since: in the queue, or of a redrive that died after its record."""
REDRIVABLE = f"({LIVE_POISON}) OR ({REDRIVEN})"
"""Live poison, and redrives that died after their record (C7)."""

LATE_OBJECT = (
    "poison > 0 AND poison >= redrive AND discard < poison AND (state = 'done' OR (state = 'missing' AND has_object))"
)
"""Poisoned by its numbers, and yet it has an object: where a sweep does not fence, that may have landed after the
closing (C9). One that was redriven may be so too, if the redrive died before it reopened the run."""
REDRIVEN_LATE = f"{MISSING} AND has_object AND poison = redrive AND poison > 0"
"""Of these, the ones that are counted as `REDRIVEN` where objects are not listed."""

_PLAN = """
INSERT INTO item (key, stream, kind, payload, held_in, is_planned) VALUES (?, ?, ?, ?, ?, 1)
ON CONFLICT (key) DO UPDATE SET
    stream = excluded.stream, kind = excluded.kind, payload = excluded.payload, held_in = excluded.held_in,
    is_planned = 1
WHERE NOT is_planned
"""

_RAISE = """
INSERT INTO item (key, {column}) VALUES (?, ?)
ON CONFLICT (key) DO UPDATE SET {column} = excluded.{column} WHERE {column} < excluded.{column}
"""

_DISCARD = """
INSERT INTO item (key, discard, discard_reason) VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET discard = excluded.discard, discard_reason = excluded.discard_reason
WHERE discard < excluded.discard
"""

# Where an object stands all the same, its receipt says what was hidden, absent or skipped.
_NUMBER = """
INSERT INTO item (key, {column}) VALUES (?, ?)
ON CONFLICT (key) DO UPDATE SET {column} = max(coalesce({column}, 0), excluded.{column}) WHERE sha256 IS NULL
"""

_DISAGREES = """
UPDATE item SET disagrees = 1 WHERE key = ?1 AND (sha256 <> ?4 OR records <> ?2 OR bytes <> ?3)
"""

# Of several equal receipts the first without `adopted` counts (P9).
_RECEIPT = f"""
INSERT INTO item (key, {", ".join(RECEIPT_COLUMNS)}) VALUES (?{", ?" * len(RECEIPT_COLUMNS)})
ON CONFLICT (key) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in RECEIPT_COLUMNS)}
WHERE sha256 IS NULL OR (adopted AND NOT excluded.adopted AND NOT disagrees)
"""

# What nearly every receipt is: the first one of a planned key.
_FIRST_RECEIPT = f"""
UPDATE item SET {", ".join(f"{name} = ?{number}" for number, name in enumerate(RECEIPT_COLUMNS, 2))}
WHERE key = ?1 AND sha256 IS NULL
"""

_HAS_OBJECT = "UPDATE item SET has_object = 1 WHERE key = ? AND stream = ? AND is_planned"


def put_planned(connection: apsw.Connection, items: Iterable[PlannedItem]) -> None:
    """Of an item too large for a message the ledger keeps where its parameters are, not themselves."""
    rows = [
        (item.key, item.stream, item.kind, b"" if item.held_in else bytes(item.payload), item.held_in) for item in items
    ]
    connection.executemany(_PLAN, rows)


def put_split(connection: apsw.Connection, keys: Sequence[str]) -> None:
    connection.executemany(_RAISE.format(column="is_split"), [(key, 1) for key in keys])


def put_empty(connection: apsw.Connection, keys: Sequence[str]) -> None:
    named = [(key,) for key in keys]
    before = connection.total_changes()
    connection.executemany("UPDATE item SET is_empty = 1 WHERE key = ? AND NOT is_empty", named)
    if connection.total_changes() - before < len(named):
        # Some were put before, or before the plan.
        connection.executemany("INSERT OR IGNORE INTO item (key, is_empty) VALUES (?, 1)", named)


def put_numbers(connection: apsw.Connection, column: str, numbers: Sequence[tuple[str, int]]) -> None:
    """Of items without records."""
    connection.executemany(_NUMBER.format(column=column), numbers)


def put_poison(connection: apsw.Connection, numbers: Sequence[tuple[str, int]]) -> None:
    connection.executemany(_RAISE.format(column="poison"), numbers)


def put_poison_reasons(connection: apsw.Connection, reasons: Iterable[tuple[str, int, str]]) -> None:
    connection.executemany("INSERT OR IGNORE INTO poison_reason VALUES (?, ?, ?)", reasons)


def poison_by_reason(connection: apsw.Connection) -> dict[str, int]:
    return {str(reason): int(str(count)) for reason, count in connection.execute(REASONS)}


def put_redrives(connection: apsw.Connection, numbers: Sequence[tuple[str, int]]) -> None:
    connection.executemany(_RAISE.format(column="redrive"), numbers)


def put_discards(connection: apsw.Connection, discards: Sequence[tuple[str, int, str]]) -> None:
    """The newest discard of a key counts."""
    connection.executemany(_DISCARD, discards)


def put_receipts(connection: apsw.Connection, receipts: Iterable[Receipt]) -> None:
    """Put receipts in any order, several of a key too. Disagreement is kept."""
    rows = [_receipt_row(receipt) for receipt in receipts]
    before = connection.total_changes()
    connection.executemany(_FIRST_RECEIPT, rows)
    if connection.total_changes() - before < len(rows):
        # Some are others of their key, or come before it: to put one again that was put changes nothing.
        for row in rows:
            connection.execute(_DISAGREES, row[:4])
            connection.execute(_RECEIPT, row)


def _receipt_row(receipt: Receipt) -> tuple[apsw.SQLiteValue, ...]:
    """The first four are the parameters of `_DISAGREES`."""
    row = list(msgspec.structs.astuple(receipt))
    for place in _JSON_PLACES:
        row[place] = _encoder.encode(row[place]) if row[place] else None
    return tuple(row)


def put_queued(connection: apsw.Connection, keys: Iterable[str]) -> None:
    connection.executemany("INSERT OR IGNORE INTO queued VALUES (?)", [(key,) for key in keys])


def forget_queued(connection: apsw.Connection) -> None:
    connection.execute("DELETE FROM queued")


def add_index(connection: apsw.Connection) -> None:
    connection.execute(INDEX)


def forget_objects(connection: apsw.Connection) -> None:
    """Forget the objects of an earlier listing: they may be gone, or mended by hand."""
    connection.execute("UPDATE item SET has_object = 0, damage = '' WHERE has_object")


def put_objects(connection: apsw.Connection, stream: str, keys: Sequence[str]) -> None:
    """Objects of no planned key are strays, and left alone."""
    connection.executemany(_HAS_OBJECT, [(key, stream) for key in keys])


def with_objects(connection: apsw.Connection, keys: Sequence[str]) -> list[str]:
    standing = "SELECT 1 FROM item WHERE key = ? AND has_object"
    return [key for key in keys if connection.execute(standing, (key,)).fetchone() is not None]


def put_damage(connection: apsw.Connection, key: str, reason: str) -> None:
    connection.execute("UPDATE item SET damage = ? WHERE key = ?", (reason, key))


def read_rows(
    connection: apsw.Connection, columns: str, where: str, after: str, limit: int
) -> list[tuple[apsw.SQLiteValue, ...]]:
    query = f"SELECT key, {columns} FROM item WHERE key > ? AND ({where}) ORDER BY key LIMIT ?"
    return connection.execute(query, (after, limit)).fetchall()


def read_planned(connection: apsw.Connection, key: str) -> PlannedItem | None:
    query = "SELECT key, stream, kind, payload, held_in FROM item WHERE key = ? AND is_planned"
    row = connection.execute(query, (key,)).fetchone()
    return None if row is None else item_of_row(row)


def read_state(connection: apsw.Connection, key: str) -> str | None:
    found = connection.execute("SELECT state FROM item WHERE key = ?", (key,)).get
    return None if found is None else str(found)


def count_rows(connection: apsw.Connection, where: str) -> int:
    (found,) = connection.execute(f"SELECT count(*) FROM item WHERE {where}").fetchall()[0]
    return int(str(found))


def item_of_row(row: Sequence[apsw.SQLiteValue]) -> PlannedItem:
    """The row begins with key, stream, kind, payload and held_in."""
    key, stream, kind, payload, held_in = row[:5]
    assert isinstance(payload, bytes)
    return PlannedItem(
        key=str(key), stream=str(stream), kind=str(kind), payload=msgspec.Raw(payload), held_in=str(held_in)
    )


def find_unread(connection: apsw.Connection, paths: Sequence[str]) -> list[str]:
    known = "SELECT 1 FROM read WHERE path = ?"
    return [path for path in paths if connection.execute(known, (path,)).fetchone() is None]


def note_read(connection: apsw.Connection, paths: Iterable[str]) -> None:
    connection.executemany("INSERT OR IGNORE INTO read VALUES (?)", [(path,) for path in paths])
