"""The rows in the queue's file keep the contract of their seam, and stay out of the messages' way."""

from pathlib import Path

import pytest

from haulier.queues.seam import Depth
from haulier.queues.sqlite.queue import SqliteQueue
from haulier.rows.seam import RowsOpener
from haulier.testing.clock import FakeClock
from haulier.testing.contracts.rows import RowsContract


class TestSqliteRows(RowsContract):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> RowsOpener:
        clock = FakeClock()
        return lambda: SqliteQueue(tmp_path / "queue.sqlite3", clock).rows


async def test_rows_are_apart_from_messages(tmp_path: Path) -> None:
    """A purge leaves the rows, and a row is no message."""
    queue = SqliteQueue(tmp_path / "queue.sqlite3", FakeClock())
    await queue.rows.update("a", lambda _: b"A")
    await queue.enqueue([b"work"])
    await queue.purge()
    assert await queue.rows.read("a") == b"A"
    assert await queue.depth() == Depth(ready=0, delayed=0, leased=0, poisoned=0)
    await queue.close()


async def test_a_change_that_fails_leaves_the_queue_usable(tmp_path: Path) -> None:
    """Its transaction is rolled back: the same connection goes on with messages."""

    def fail(old: bytes | None) -> bytes:
        raise ZeroDivisionError

    queue = SqliteQueue(tmp_path / "queue.sqlite3", FakeClock())
    with pytest.raises(ZeroDivisionError):
        await queue.rows.update("scope", fail)
    await queue.enqueue([b"one"])
    assert [lease.body for lease in await queue.dequeue(2, 60.0)] == [b"one"]
    await queue.close()
