"""One SQLite file on a local disk, shared by the processes of a machine. Its rules and their reasons:
docs/protocol.md#the-sqlite-queue."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from haulier.clock import Clock, wall_seconds
from haulier.errors import LeaseLostError, QueueUnavailableError, UsageError
from haulier.queues.seam import Depth, Holder, Lease, QueueCapabilities, ThisProcess
from haulier.queues.sqlite import holders as table
from haulier.queues.sqlite.rows import SqliteRows
from haulier.queues.sqlite.thread import SqliteThread

_logger = logging.getLogger("haulier.queues")

BUSY_TIMEOUT_SECONDS = 15.0
"""Under a third of the default lease of 60 s, so that a renewal that had to wait still comes in time."""

FIND_SECONDS = 0.5
"""Least time between two looks for ended processes, while nothing is ready."""

ENQUEUE_AT_ONCE = 1_000
"""Enough for 100,000 messages a second, few enough that nobody waits for it."""

_MAX_DELAY_SECONDS = 366 * 86_400.0
"""A year; for leases too."""

_CAPABILITIES = QueueCapabilities(
    name="sqlite",
    max_dequeue=256,
    is_shared=True,
    exact_depth=True,
    frees_dead=True,
)

_FIRST, _OTHERS = 0, 1
"""Values of the column `lane`."""

_TOKEN = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})\.([0-9a-f]{16})")

# The queue's own time: the wall clock, which all processes of a machine share, but never backwards. One that is set
# back moves the offset instead, so that time goes on at its pace and nothing waits out the hour that was repeated. The
# right-hand sides see old values.
_TICK = """
UPDATE queue SET
    clock_offset = max(clock_offset, last_seen - :wall),
    last_seen = max(last_seen, :wall + clock_offset),
    next_token = next_token + :tokens
RETURNING last_seen, next_token - :tokens
"""
_NOW = "(SELECT max(last_seen, :wall + clock_offset) FROM queue)"
# A clock that was set back counts as well: only a tick moves the offset, and an idle queue has no other reason for one.
ANY_READY = f"""
SELECT EXISTS (SELECT 1 FROM messages WHERE lane IN (0, 1) AND visible_at <= {_NOW})
    OR EXISTS (SELECT 1 FROM queue WHERE :wall + clock_offset < last_seen)
"""
OLDEST = """
SELECT id, deliveries, body FROM messages WHERE lane = ? AND visible_at <= ? ORDER BY visible_at, token, id LIMIT ?
"""
DEPTH = f"""
WITH moment AS MATERIALIZED (SELECT {_NOW} AS now)
SELECT
    (SELECT count(*) FROM messages WHERE lane IN (0, 1) AND visible_at <= now),
    (SELECT count(*) FROM messages WHERE lane IN (0, 1) AND visible_at > now AND token = 0),
    (SELECT count(*) FROM messages WHERE lane IN (0, 1) AND visible_at > now AND token <> 0),
    (SELECT count(*) FROM poison)
FROM moment
"""


class SqliteQueue:
    """The first call opens the file and makes its folder; for ``is_reader`` the first one that writes. It may raise
    `UsageError` (no place for a queue, or a file that is none) or `NewerFormatError`. What a call has written when it
    returns survives a loss of power.

    ``busy_timeout_seconds`` must stay below a third of the lease. Processes that share the file must be spawned, not
    forked, once a client has been used.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS,
        process: ThisProcess | None = None,
        is_reader: bool = False,
    ) -> None:
        self._clock = clock
        self._process = process or ThisProcess()
        self._found_at: float | None = None
        self._thread = SqliteThread(path, busy_timeout_seconds, is_reader=is_reader)
        self._file = self._thread.file
        self.rows = SqliteRows(self._thread)

    @property
    def capabilities(self) -> QueueCapabilities:
        return _CAPABILITIES

    async def exists(self) -> bool:
        return True

    async def enqueue(self, bodies: Sequence[bytes], *, delay_seconds: float = 0.0, is_first: bool = False) -> None:
        for start in range(0, len(bodies), ENQUEUE_AT_ONCE):
            batch = bodies[start : start + ENQUEUE_AT_ONCE]
            await self._thread.write(
                functools.partial(self._add, bodies=batch, delay_seconds=delay_seconds, lane=_lane(is_first))
            )

    async def dequeue(self, limit: int, lease_seconds: float) -> list[Lease]:
        limit = min(limit, _CAPABILITIES.max_dequeue)
        if limit < 1:
            return []
        future = self._thread.submit(lambda: self._take_any(limit, lease_seconds))
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            # The thread cannot be stopped. Nobody will hear of what it takes, so it goes back at once, uncounted.
            with contextlib.suppress(RuntimeError):  # Closed meanwhile: the leases run out.
                self._thread.submit(lambda: self._put_back(future))
            raise

    async def renew(self, leases: Sequence[Lease], lease_seconds: float) -> list[Lease | None]:
        if not leases:
            return []
        return await self._thread.write(lambda connection: self._extend(connection, leases, lease_seconds))

    async def release(self, lease: Lease, body: bytes, *, delay_seconds: float = 0.0) -> None:
        await self._thread.write(lambda connection: self._hand_back(connection, lease, body, delay_seconds))

    async def complete(self, leases: Sequence[Lease]) -> list[Lease]:
        if not leases:
            return []
        return await self._thread.write(lambda connection: self._remove(connection, leases))

    async def poison(self, body: bytes) -> None:
        await self._thread.write(lambda connection: connection.execute("INSERT INTO poison (body) VALUES (?)", (body,)))

    async def check(self) -> None:
        # A large file takes seconds to read, in which others must be able to write: their leases run out otherwise.
        await self._thread.read(self._require_sound)
        await self._thread.write(self._try_out)

    async def peek(self, limit: int, *, poison: bool = False) -> list[bytes]:
        source = "poison ORDER BY id" if poison else "messages ORDER BY lane, visible_at, token, id"
        query = f"SELECT body FROM {source} LIMIT ?"
        found: list[Any] = await self._thread.read(
            lambda connection: connection.execute(query, (max(0, limit),)).fetchall()
        )
        return [body for (body,) in found]

    async def depth(self) -> Depth:
        wall = {"wall": wall_seconds(self._clock)}
        ready, delayed, leased, poisoned = await self._thread.read(
            lambda connection: connection.execute(DEPTH, wall).get
        )
        return Depth(ready=ready, delayed=delayed, leased=leased, poisoned=poisoned)

    async def holds(self, is_wanted: Callable[[bytes], bool]) -> bool:
        def look(connection: apsw.Connection) -> bool:
            # The newest first: a run that was sent beside a larger one is found without reading that.
            bodies: Any = connection.execute("SELECT body FROM messages ORDER BY id DESC")
            return any(is_wanted(body) for (body,) in bodies)

        return await self._thread.read(look)

    async def holders(self) -> list[Holder]:
        wall = {"wall": wall_seconds(self._clock)}

        def look(connection: apsw.Connection) -> list[Holder]:
            return table.holders(connection, self._process, connection.execute(f"SELECT {_NOW}", wall).get)

        return await self._thread.read(look)

    async def purge(self, *, poison: bool = False) -> int:
        table = "poison" if poison else "messages"

        def empty(connection: apsw.Connection) -> int:
            connection.execute(f"DELETE FROM {table}")
            return connection.changes()

        return await self._thread.write(empty)

    async def close(self) -> None:
        await self._thread.close()

    # What follows runs on the client's thread.

    def _tick(self, connection: apsw.Connection, tokens: int = 0) -> tuple[float, int]:
        """The queue's time, and the first of ``tokens`` fresh tokens. The clock is read under the write lock: a reading
        from before the wait would look like a clock that was set back."""
        now, token = connection.execute(_TICK, {"wall": wall_seconds(self._clock), "tokens": tokens}).get
        return now, token

    def _add(self, connection: apsw.Connection, bodies: Sequence[bytes], delay_seconds: float, lane: int) -> None:
        now, _ = self._tick(connection)
        visible_at = now + _kept(delay_seconds)
        connection.executemany(
            "INSERT INTO messages (visible_at, body, lane) VALUES (?, ?, ?)",
            ((visible_at, body, lane) for body in bodies),
        )

    def _require_sound(self, connection: apsw.Connection) -> None:
        if (found := connection.execute("PRAGMA quick_check(1)").get) != "ok":
            raise UsageError(
                f"The queue's file {self._file.path} is damaged ({found}). Stop its workers and delete it: what has "
                "not ended is sent again from the plan."
            )

    def _try_out(self, connection: apsw.Connection) -> None:
        """A message that comes and goes within one transaction is seen by nobody."""
        self._add(connection, [b"{}"], _MAX_DELAY_SECONDS, _OTHERS)
        connection.execute("DELETE FROM messages WHERE id = last_insert_rowid()")

    def _take_any(self, limit: int, lease_seconds: float) -> list[Lease]:
        # An idle worker asks again and again: that must not take the write lock, nor wear the disk.
        wall = {"wall": wall_seconds(self._clock)}
        if not self._file.read(lambda connection: connection.execute(ANY_READY, wall).get) and not self._free_dead():
            return []
        return self._file.write(lambda connection: self._take(connection, limit, lease_seconds))

    def _free_dead(self) -> int:
        """Looking at processes that live writes nothing."""
        now = self._clock.monotonic()
        if self._found_at is not None and now - self._found_at < FIND_SECONDS:
            return 0
        self._found_at = now
        known = self._file.read(lambda connection: table.others(connection, self._process))
        gone = [number for number, mark in known if self._process.find(mark) == "gone"]
        if not gone:
            return 0
        freed = self._file.write(lambda connection: table.free(connection, gone, self._tick(connection)[0]))
        if freed:
            _logger.info("items of processes that have ended are free again", extra={"items": freed})
        return freed

    def _take(self, connection: apsw.Connection, limit: int, lease_seconds: float) -> list[Lease]:
        now, token = self._tick(connection, tokens=limit)
        oldest: list[tuple[Any, ...]] = []
        for lane in (_FIRST, _OTHERS):
            found: list[Any] = connection.execute(OLDEST, (lane, now, limit - len(oldest))).fetchall()
            oldest += [(*row, lane == _FIRST) for row in found]
        held = [_Held(id, token + n, self._file.generation) for n, (id, *_) in enumerate(oldest)]
        visible_at = now + _kept(lease_seconds)
        number = table.number_of(connection, self._process)
        connection.executemany(
            "UPDATE messages SET visible_at = ?, token = ?, holder = ?, deliveries = deliveries + 1 WHERE id = ?",
            ((visible_at, one.token, number, one.id) for one in held),
        )
        return [
            Lease(token=one.text, body=body, deliveries=deliveries + 1, is_first=is_first)
            for one, (_, deliveries, body, is_first) in zip(held, oldest, strict=True)
        ]

    def _put_back(self, future: Future[list[Lease]]) -> None:
        if future.cancelled() or future.exception() is not None:
            return

        def put_back(connection: apsw.Connection) -> None:
            now, _ = self._tick(connection)
            connection.executemany(
                "UPDATE messages SET visible_at = ?, token = 0, deliveries = deliveries - 1 WHERE id = ? AND token = ?",
                ((now, one.id, one.token) for one in self._held(future.result())),
            )

        with contextlib.suppress(QueueUnavailableError):  # They come back when their leases run out.
            self._file.write(put_back)

    def _extend(self, connection: apsw.Connection, leases: Sequence[Lease], seconds: float) -> list[Lease | None]:
        now, _ = self._tick(connection)
        visible_at = now + _kept(seconds)
        renewed = connection.executemany(
            "UPDATE messages SET visible_at = ? WHERE id = ? AND token = ? RETURNING token",
            ((visible_at, one.id, one.token) for one in self._held(leases)),
        )
        mine = {token for (token,) in renewed}
        return [lease if self._token(lease) in mine else None for lease in leases]

    def _hand_back(self, connection: apsw.Connection, lease: Lease, body: bytes, delay_seconds: float) -> None:
        now, _ = self._tick(connection)
        for one in self._held([lease]):
            connection.execute(
                "UPDATE messages SET visible_at = ?, token = 0, body = ? WHERE id = ? AND token = ?",
                (now + _kept(delay_seconds), body, one.id, one.token),
            )
            if connection.changes():
                return
        raise LeaseLostError("The lease is lost: its time ran out and another worker took the message, or it is gone.")

    def _remove(self, connection: apsw.Connection, leases: Sequence[Lease]) -> list[Lease]:
        removed = connection.executemany(
            "DELETE FROM messages WHERE id = ? AND token = ? RETURNING token",
            ((one.id, one.token) for one in self._held(leases)),
        )
        mine = {token for (token,) in removed}
        return [lease for lease in leases if self._token(lease) not in mine]

    def _held(self, leases: Sequence[Lease]) -> list[_Held]:
        """Those that this very file gave out."""
        held = (_Held.read(lease.token) for lease in leases)
        return [one for one in held if one is not None and one.generation == self._file.generation]

    def _token(self, lease: Lease) -> int | None:
        return next((one.token for one in self._held([lease])), None)


@dataclass(frozen=True)
class _Held:
    """``token`` alone is unique in a file for ever; ``id`` finds the row."""

    id: int
    token: int
    generation: str

    @property
    def text(self) -> str:
        return f"{self.id}.{self.token}.{self.generation}"

    @classmethod
    def read(cls, text: str) -> _Held | None:
        found = _TOKEN.fullmatch(text)
        return cls(int(found[1]), int(found[2]), found[3]) if found else None


def _lane(is_first: bool) -> int:
    return _FIRST if is_first else _OTHERS


def _kept(seconds: float) -> float:
    return min(max(0.0, seconds), _MAX_DELAY_SECONDS)
