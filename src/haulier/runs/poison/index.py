"""The poison of a run, for whoever looks again and again: each record is read once, and shown some at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import apsw
import msgspec

from haulier.clock import Clock
from haulier.lake.seam import Lake
from haulier.runs import ledger_schema as table
from haulier.runs.ledger import Ledger
from haulier.runs.poison.records import READ_RECORDS, GroupName, PoisonGroup, read_several
from haulier.runs.records import PoisonRecord
from haulier.runs.run import Run

READ_SECONDS = 0.5
"""Of one look. Ten thousand records take some seconds on a disk, and longer in a store: a person is shown what was read
so far."""
MOST_GROUPS = 500
"""A source whose errors all differ in class has no use for more."""

_TABLE = """
CREATE TABLE IF NOT EXISTS poison_line (
    key TEXT, number INTEGER, kind TEXT, reason TEXT, error_class TEXT, error TEXT, status INTEGER, poisoned_at TEXT,
    PRIMARY KEY (key, number)
) WITHOUT ROWID
"""
_PUT = "INSERT OR IGNORE INTO poison_line VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_UNREAD = (
    f"{table.LIVE_POISON} AND NOT EXISTS (SELECT 1 FROM poison_line AS p WHERE p.key = item.key AND number = poison)"
)
_MEANT = f"""
FROM poison_line AS p JOIN item ON item.key = p.key AND item.poison = p.number
WHERE {table.LIVE_POISON}
    AND (:reason = '' OR p.reason = :reason) AND (:kind = '' OR p.kind = :kind)
    AND (NOT :is_group OR (p.reason = :group_reason AND p.status IS :status AND p.error_class = :error_class))
"""
# SQLite takes the bare columns from the row with the least key.
_GROUPS = f"""
SELECT p.reason, p.status, p.error_class, count(*), p.kind, p.error, min(p.key) {_MEANT}
GROUP BY p.reason, p.status, p.error_class ORDER BY count(*) DESC, min(p.key) LIMIT {MOST_GROUPS}
"""
_NEWEST = f"SELECT p.reason, p.status, p.error_class, max(p.poisoned_at) {_MEANT} GROUP BY 1, 2, 3"
_LINES = f"""
SELECT p.key, p.number, p.kind, p.reason, p.error_class, p.error, p.status, p.poisoned_at {_MEANT}
AND p.key > :after ORDER BY p.key LIMIT :limit
"""


class PoisonLine(msgspec.Struct, frozen=True, kw_only=True):
    """A poisoned item in a list; its record has the rest."""

    key: str
    number: int
    kind: str
    reason: str
    error_class: str
    error: str
    status: int | None
    poisoned_at: datetime


@dataclass(frozen=True)
class PoisonFilter:
    """All, if nothing is said."""

    reason: str = ""
    kind: str = ""
    group: GroupName | None = None

    @property
    def bindings(self) -> dict[str, Any]:
        reason, status, error_class = self.group or ("", None, "")
        return {
            "reason": self.reason,
            "kind": self.kind,
            "is_group": self.group is not None,
            "group_reason": reason,
            "status": status,
            "error_class": error_class,
        }


class PoisonIndex:
    """Over a ledger that has read the plan, the poison, and what became of it since."""

    def __init__(self, lake: Lake, run: Run, ledger: Ledger, clock: Clock) -> None:
        self._lake = lake
        self._run = run
        self._ledger = ledger
        self._clock = clock

    async def read(self) -> int:
        """Read records for `READ_SECONDS`, and return how many are left."""
        await self._ledger.scratch.do(_make)
        until = self._clock.monotonic() + READ_SECONDS
        async for rows in self._ledger.select(_UNREAD, "poison"):
            for start in range(0, len(rows), READ_RECORDS):
                numbers = [(str(row[0]), int(str(row[1]))) for row in rows[start : start + READ_RECORDS]]
                records = await read_several(self._lake, self._run, numbers)
                await self._ledger.scratch.do(_put, records)
                await self._ledger.note_reasons((one.key, one.number, one.reason) for one in records)
                if self._clock.monotonic() >= until:
                    return await self._ledger.count(_UNREAD)
        return 0

    async def groups(self, meant: PoisonFilter) -> list[PoisonGroup]:
        """The largest first."""
        return await self._ledger.scratch.do(_groups, meant.bindings)

    async def lines(self, meant: PoisonFilter, after: str, limit: int) -> list[PoisonLine]:
        """By key."""
        return await self._ledger.scratch.do(_lines, meant.bindings | {"after": after, "limit": limit})


def _make(connection: apsw.Connection) -> None:
    connection.execute(_TABLE)


def _put(connection: apsw.Connection, records: Sequence[PoisonRecord]) -> None:
    rows = [
        (
            *(one.key, one.number, one.kind, one.reason, one.error_class, one.error),
            *(one.status, one.poisoned_at.isoformat()),
        )
        for one in records
    ]
    connection.executemany(_PUT, rows)


def _groups(connection: apsw.Connection, bindings: dict[str, Any]) -> list[PoisonGroup]:
    newest = {row[:3]: row[3] for row in connection.execute(_NEWEST, bindings)}
    found: Any = connection.execute(_GROUPS, bindings).fetchall()
    return [
        PoisonGroup(
            reason=reason,
            status=status,
            error_class=error_class,
            items=items,
            key=key,
            kind=kind,
            error=error,
            newest_at=datetime.fromisoformat(str(newest[reason, status, error_class])),
        )
        for reason, status, error_class, items, kind, error, key in found
    ]


def _lines(connection: apsw.Connection, bindings: dict[str, Any]) -> list[PoisonLine]:
    rows: Any = connection.execute(_LINES, bindings).fetchall()
    return [
        PoisonLine(
            key=key,
            number=number,
            kind=kind,
            reason=reason,
            error_class=error_class,
            error=error,
            status=status,
            poisoned_at=datetime.fromisoformat(poisoned_at),
        )
        for key, number, kind, reason, error_class, error, status, poisoned_at in rows
    ]
