"""Owners of leases: a row for each, removed once its process has ended."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from haulier.queues.seam import Holder, ThisProcess

LEASES = """
SELECT holders.mark, holders.name, count(*), max(messages.visible_at) - :now
FROM messages LEFT JOIN holders ON holders.id = messages.holder
WHERE messages.lane IN (0, 1) AND messages.visible_at > :now AND messages.token <> 0
GROUP BY messages.holder
"""
FREE = "UPDATE messages SET visible_at = ? WHERE lane IN (0, 1) AND visible_at > ? AND token <> 0 AND holder = ?"
FORGET_IDLE = """
DELETE FROM holders WHERE id NOT IN (
    SELECT holder FROM messages WHERE lane IN (0, 1) AND visible_at > (SELECT last_seen FROM queue) AND token <> 0
)
"""


def number_of(connection: apsw.Connection, process: ThisProcess) -> int:
    """0 if nobody could ever tell that this process has ended."""
    if not process.mark:
        return 0
    known: int | None = connection.execute("SELECT id FROM holders WHERE mark = ?", (process.mark,)).get
    if known is None:
        _forget_idle(connection)
        connection.execute("INSERT INTO holders (mark, name) VALUES (?, ?)", (process.mark, process.name))
        known = connection.last_insert_rowid()
    return known


def others(connection: apsw.Connection, process: ThisProcess) -> list[tuple[int, str]]:
    """Number and mark of each."""
    return connection.execute("SELECT id, mark FROM holders WHERE mark <> ?", (process.mark,)).fetchall()  # type: ignore[return-value]


def free(connection: apsw.Connection, gone: Sequence[int], now: float) -> int:
    """End leases as if they had run out. Tokens and deliveries stay: to the crash guard this is a silent delivery like
    any other."""
    freed = 0
    for number in gone:
        connection.execute(FREE, (now, now, number))
        freed += connection.changes()
        connection.execute("DELETE FROM holders WHERE id = ?", (number,))
    return freed


def holders(connection: apsw.Connection, process: ThisProcess, now: float) -> list[Holder]:
    found = connection.execute(LEASES, {"now": now}).fetchall()
    return [
        Holder(name or "", "unknown" if mark is None else process.find(str(mark)), int(leases), float(seconds))  # type: ignore[arg-type]
        for mark, name, leases, seconds in found
    ]


def _forget_idle(connection: apsw.Connection) -> None:
    """Nobody else would forget processes of an earlier boot or of a container."""
    connection.execute(FORGET_IDLE)
