"""The shared rows, in the queue's file."""

from __future__ import annotations

from collections.abc import Callable

import apsw

from haulier.queues.sqlite.thread import SqliteThread
from haulier.rows.seam import RowsCapabilities


class SqliteRows:
    """Closing it closes the queue's client too: both are one connection."""

    def __init__(self, thread: SqliteThread) -> None:
        self._thread = thread

    @property
    def capabilities(self) -> RowsCapabilities:
        return RowsCapabilities()

    @property
    def ahead_seconds(self) -> float:
        return 0.0

    async def read(self, name: str) -> bytes | None:
        return await self._thread.read(lambda connection: _row(connection, name))

    async def update(self, name: str, change: Callable[[bytes | None], bytes]) -> bytes:
        """``change`` is called on the client's thread, inside the transaction."""

        def replace(connection: apsw.Connection) -> bytes:
            body = change(_row(connection, name))
            connection.execute("INSERT OR REPLACE INTO rows (name, body) VALUES (?, ?)", (name, body))
            return body

        return await self._thread.write(replace)

    async def close(self) -> None:
        await self._thread.close()


def _row(connection: apsw.Connection, name: str) -> bytes | None:
    body: bytes | None = connection.execute("SELECT body FROM rows WHERE name = ?", (name,)).get
    return body
