"""The SQLite queue keeps the contract; and what a file adds to it: it outlives its clients, and clocks that are set."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from haulier.errors import LeaseLostError, QueueUnavailableError
from haulier.queues.seam import Depth, QueueOpener, ThisProcess
from haulier.queues.sqlite import holders
from haulier.queues.sqlite.queue import ANY_READY, DEPTH, OLDEST, SqliteQueue
from haulier.testing.clock import FakeClock
from haulier.testing.contracts.queue import QueueContract


class TestSqliteQueue(QueueContract):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> QueueOpener:
        self.clock, self.path = FakeClock(), tmp_path / "queue.sqlite3"
        return lambda: SqliteQueue(self.path, self.clock)

    def open_as(self, process: ThisProcess) -> SqliteQueue:
        return SqliteQueue(self.path, self.clock, process=process)

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".haulier" / "flights" / "queue.sqlite3"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_queue_outlives_its_clients(path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    """Messages, leases, poison and rows stand in the file: whoever opens it next goes on with them (G1)."""
    queue = SqliteQueue(path, clock)
    await queue.enqueue([b"leased", b"ready"])
    [lease] = await queue.dequeue(1, 60)
    await queue.enqueue([b"delayed"], delay_seconds=60)
    await queue.poison(b"bad")
    await queue.rows.update("scope", lambda _: b"row")
    await queue.close()
    queue = SqliteQueue(path, clock)
    assert await queue.depth() == Depth(ready=1, delayed=1, leased=1, poisoned=1)
    assert await queue.rows.read("scope") == b"row"
    assert await queue.renew([lease], 60) == [lease]
    assert caplog.messages == []
    await queue.close()


async def test_any_bytes_are_kept(path: Path, clock: FakeClock) -> None:
    """A body may hold any bytes: this backend has no alphabet."""
    queue = SqliteQueue(path, clock)
    await queue.enqueue([bytes(range(256)), b""])
    assert [lease.body for lease in await queue.dequeue(2, 60)] == [bytes(range(256)), b""]
    await queue.close()


async def test_nothing_is_made_before_the_first_call(path: Path, clock: FakeClock) -> None:
    """Opening a client, and closing it unused, touches no disk; the first call makes folder and file for this user."""
    queue = SqliteQueue(path, clock)
    await queue.close()
    assert not path.parent.exists()
    queue = SqliteQueue(path, clock)
    assert await queue.depth() == Depth(ready=0, delayed=0, leased=0, poisoned=0)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    await queue.close()


async def test_file_is_safe_from_loss_of_power_and_from_other_programs(path: Path, clock: FakeClock) -> None:
    """What docs/protocol.md#the-sqlite-queue promises, as SQLite itself reports it: WAL and the marks stand in the
    file."""
    queue = SqliteQueue(path, clock)
    await queue.enqueue([b"one"])
    other = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    assert other.pragma("journal_mode") == "wal"
    assert other.pragma("application_id") == 0x4861756C
    assert other.pragma("user_version") == 3
    assert other.pragma("integrity_check") == "ok"
    other.close()
    await queue.close()


@pytest.mark.parametrize(
    ("older_format", "undo"),
    [
        (2, ""),
        (1, "DROP TABLE holders; ALTER TABLE messages DROP COLUMN holder;"),
    ],
)
async def test_a_file_of_an_older_format_is_brought_up_to_date(
    path: Path, clock: FakeClock, older_format: int, undo: str
) -> None:
    """What is in it stays: its leases, which nobody is known to hold, run out as they did, and it has one lane."""
    queue = SqliteQueue(path, clock)
    await queue.enqueue([b"leased", b"ready"])
    [lease] = await queue.dequeue(1, 60)
    await queue.close()
    older = apsw.Connection(str(path))
    older.execute("DROP INDEX messages_by_lane; CREATE INDEX messages_by_visibility ON messages (visible_at, token)")
    older.execute(f"ALTER TABLE messages DROP COLUMN lane; {undo} PRAGMA user_version = {older_format}")
    older.close()
    process = ThisProcess("box-1", "1", lambda mark: "gone")
    queue, other = SqliteQueue(path, clock, process=process), SqliteQueue(path, clock, process=process)
    await other.enqueue([b"first"], is_first=True)
    assert [each.body for each in await queue.dequeue(3, 60)] == [b"first", b"ready"]
    assert [(each.name, each.leases) for each in await other.holders()] == [("", 1), ("box-1", 2)]
    assert await other.complete([lease]) == []
    await queue.close()
    await other.close()


async def test_no_question_reads_all_messages(path: Path, clock: FakeClock) -> None:
    """An idle worker asks ten times a second, beside 100,000 messages: each question goes by the index."""
    queue = SqliteQueue(path, clock)
    await queue.enqueue([b"one"])
    other = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    wall = {"wall": 0.0}
    for question, values in (
        (ANY_READY, wall),
        (OLDEST, (1, 0.0, 10)),
        (DEPTH, wall),
        (holders.LEASES, {"now": 0.0}),
        (holders.FREE, (0.0, 0.0, 1)),
        (holders.FORGET_IDLE, ()),
    ):
        plan = [row[3] for row in other.execute(f"EXPLAIN QUERY PLAN {question}", values)]
        of_messages = [step for step in plan if "messages" in step]
        assert of_messages
        assert all(step.startswith("SEARCH messages USING") and "(lane=?" in step for step in of_messages), plan
    other.close()
    await queue.close()


async def test_processes_without_a_lease_are_forgotten(path: Path, clock: FakeClock) -> None:
    """G9: containers and restarts leave no row each. One that comes back is known again."""
    queues = [SqliteQueue(path, clock, process=ThisProcess(f"box-{n}", str(n))) for n in range(10)]
    for queue in queues:
        await queue.enqueue([b"one"])
        assert await queue.complete(await queue.dequeue(1, 60)) == []
    await queues[0].enqueue([b"one"])
    await queues[0].dequeue(1, 60)
    assert [each.name for each in await queues[5].holders()] == ["box-0"]
    other = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    assert other.execute("SELECT name FROM holders").fetchall() == [("box-0",)]
    other.close()
    for queue in queues:
        await queue.close()


async def test_token_of_another_file_is_lost(tmp_path: Path, clock: FakeClock) -> None:
    """A lease from a file that was replaced holds nothing in the new one, whatever numbers they share (G2)."""
    old, new = SqliteQueue(tmp_path / "old", clock), SqliteQueue(tmp_path / "new", clock)
    for queue in (old, new):
        await queue.enqueue([b"one"])
    [stale], [fresh] = await old.dequeue(1, 60), await new.dequeue(1, 60)
    assert stale.token.split(".")[:2] == fresh.token.split(".")[:2]
    assert await new.renew([stale, fresh], 60) == [None, fresh]
    with pytest.raises(LeaseLostError):
        await new.release(stale, b"two")
    assert await new.complete([stale, fresh]) == [stale]
    await old.close()
    await new.close()


async def test_cancelled_dequeue_goes_back_uncounted(path: Path, clock: FakeClock) -> None:
    """What a cancelled dequeue took is visible again at once, and the delivery that nobody saw is not counted (G4)."""
    queue = SqliteQueue(path, clock)
    await queue.enqueue([b"a", b"b"])
    for turns in range(8):
        task = asyncio.ensure_future(queue.dequeue(2, 60))
        for _ in range(turns % 4):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [lease.deliveries for lease in await queue.dequeue(2, 60)] == [1, 1]
    await queue.close()


class TestClockThatIsSet:
    """Leases and delays of a file run by a time that never goes back, whatever the machine's clock is set to."""

    @pytest.fixture
    async def queue(self, path: Path, clock: FakeClock) -> AsyncIterator[SqliteQueue]:
        queue = SqliteQueue(path, clock)
        yield queue
        await queue.close()

    async def test_clock_set_back(self, queue: SqliteQueue, clock: FakeClock) -> None:
        """An hour that is repeated is not waited for: a lease still runs out after its own length."""
        await queue.enqueue([b"one"])
        await queue.dequeue(1, 60)
        clock.set_wall(clock.now() - timedelta(hours=1))
        assert await queue.dequeue(1, 60) == []
        await queue.enqueue([b"two"])
        assert [lease.body for lease in await queue.dequeue(2, 60)] == [b"two"]
        clock.advance(61)
        assert {lease.body for lease in await queue.dequeue(2, 60)} == {b"one", b"two"}

    async def test_clock_set_back_does_not_bring_leases_forward(self, queue: SqliteQueue, clock: FakeClock) -> None:
        """A lease holds for its length however often the clock is set back under it."""
        await queue.enqueue([b"one"])
        await queue.dequeue(1, 60)
        for _ in range(5):
            clock.set_wall(clock.now() - timedelta(minutes=10))
            clock.advance(10)
            await queue.poison(b"x")
            assert (await queue.depth()).leased == 1
            assert await queue.dequeue(1, 60) == []

    async def test_clock_set_forward_and_back(self, queue: SqliteQueue, clock: FakeClock) -> None:
        """A clock that was a year ahead for a moment leaves a queue that goes on: leases run out early, once."""
        await queue.enqueue([b"one"])
        [lease] = await queue.dequeue(1, 60)
        right = clock.now()
        clock.set_wall(right + timedelta(days=365))
        assert await queue.renew([lease], 60) == [lease]
        clock.set_wall(right)
        assert await queue.dequeue(1, 60) == []
        clock.advance(30)
        assert await queue.dequeue(1, 60) == []
        clock.advance(31)
        assert len(await queue.dequeue(1, 60)) == 1


async def test_who_looks_for_damage_is_in_nobodys_way(
    path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look takes seconds over a large file; the leases of others would run out, could they not write meanwhile."""
    writer, looker = SqliteQueue(path, clock, busy_timeout_seconds=0.05), SqliteQueue(path, clock)
    await writer.enqueue([b"one"])
    sent: list[str] = []

    def trace(_: apsw.Cursor | apsw.Blob, statement: str, bindings: object) -> bool:
        if "quick_check" in statement:
            asyncio.run(writer.enqueue([b"two"]))
            sent.append(statement)
        return True

    monkeypatch.setattr(
        apsw, "connection_hooks", [*apsw.connection_hooks, lambda made: setattr(made, "exec_trace", trace)]
    )
    await looker.check()
    assert len(sent) == 1
    assert (await looker.depth()).ready == 2
    await looker.close()
    await writer.close()


async def test_idle_worker_does_not_wait_for_a_writer(path: Path, clock: FakeClock) -> None:
    """Dequeuing from a queue without visible messages takes no write lock: an idle worker is in nobody's way."""
    idle, writer = SqliteQueue(path, clock, busy_timeout_seconds=0.05), SqliteQueue(path, clock)
    await writer.enqueue([b"later"], delay_seconds=60)

    answers: list[object] = []

    def change(old: bytes | None) -> bytes:
        answers.append(asyncio.run(ask()))
        return b"row"

    async def ask() -> object:
        assert await idle.dequeue(1, 60) == []
        assert (await idle.depth()).delayed == 1
        with pytest.raises(QueueUnavailableError, match=r"held by another process for 0\.05 s"):
            await idle.enqueue([b"two"])
        return "asked"

    await writer.rows.update("scope", change)
    assert answers == ["asked"]
    await idle.close()
    await writer.close()
