"""Files that are damaged, moved, or no queue at all: what is said, what is kept, and that the queue goes on (G1)."""

from __future__ import annotations

import shutil
from pathlib import Path

import apsw
import pytest

from haulier.errors import NewerFormatError, UsageError
from haulier.queues.sqlite import place
from haulier.queues.sqlite.place import MAX_SET_ASIDE, locked
from haulier.queues.sqlite.queue import SqliteQueue
from haulier.testing.clock import FakeClock
from tests.queues.sqlite.damage import spoil


async def made(path: Path) -> None:
    """A queue with messages, closed again."""
    queue = SqliteQueue(path, FakeClock())
    await queue.enqueue([b"%d" % n for n in range(100)])
    await queue.close()


class TestDamage:
    """A damaged file is moved aside, it is said, and a fresh queue goes on; the plan has what was in it."""

    @pytest.mark.parametrize("page", [1, "queue", "messages", "messages_by_lane"])
    async def test_damaged_page(
        self, path: Path, queue: SqliteQueue, page: int | str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Whichever page is spoiled, the call that meets it is done on a fresh file, and the old one is kept."""
        await made(path)
        spoil(path, page)
        spoiled = path.read_bytes()
        await queue.enqueue([b"new"])
        assert [lease.body for lease in await queue.dequeue(10, 60)] == [b"new"]
        [notice] = caplog.messages
        assert f"The queue's file {path} is damaged" in notice
        assert "It was moved to queue.sqlite3.corrupt-1 and a fresh queue was made" in notice
        assert "sent again from the plan, and nothing is lost" in notice
        assert path.with_name("queue.sqlite3.corrupt-1").read_bytes() == spoiled

    async def test_lease_from_a_damaged_file_is_lost(self, path: Path, queue: SqliteQueue) -> None:
        """G2: after a file was replaced, what was leased from it settles nothing, though numbers begin anew."""
        old = SqliteQueue(path, FakeClock())
        await old.enqueue([b"old"])
        [lease] = await old.dequeue(1, 60)
        await old.close()
        spoil(path, 1)
        await queue.enqueue([b"new"])
        [fresh] = await queue.dequeue(1, 60)
        assert await queue.renew([lease], 60) == [None]
        assert await queue.complete([lease]) == [lease]
        assert await queue.complete([fresh]) == []

    async def test_a_client_that_is_open_follows(
        self, path: Path, queue: SqliteQueue, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A client whose file was moved aside by another one goes on in the fresh file, and says so."""
        await queue.enqueue([b"one"])
        with locked(path.parent, 1):
            place.set_aside(path)
        other = SqliteQueue(path, FakeClock())
        await other.enqueue([b"two"])
        assert await queue.peek(10) == [b"two"]
        assert caplog.messages == [
            "The queue's file was replaced: "
            f"The queue's file {path} was moved or deleted while it was open; it is opened again."
        ]
        await other.close()

    async def test_files_set_aside_have_numbers_and_an_end(self, path: Path, queue: SqliteQueue) -> None:
        """Damaged files are kept, the second beside the first; after ten of them the disk is what is wrong."""
        for number in range(1, MAX_SET_ASIDE + 1):
            await made(path)
            spoil(path, 1)
            fresh = SqliteQueue(path, FakeClock())
            await fresh.depth()
            await fresh.close()
            assert path.with_name(f"queue.sqlite3.corrupt-{number}").exists()
        spoil(path, 1)
        with pytest.raises(
            UsageError, match=r"10 damaged queues stand beside .*: the disk or the memory of this machine is failing\."
        ):
            await queue.depth()

    async def test_killed_while_moving_files_aside(self, path: Path, queue: SqliteQueue) -> None:
        """A file that was moved, and its log not yet, does not spoil the fresh one that comes next."""
        old = SqliteQueue(path, FakeClock())
        await old.enqueue([b"%d" % n for n in range(100)])
        path.rename(path.with_name("queue.sqlite3.corrupt-1"))
        await queue.enqueue([b"new"])
        assert await queue.peek(10) == [b"new"]
        await old.close()


class TestMoved:
    """A file that is moved or deleted under a client is let go of; what stands at its name counts."""

    @pytest.mark.parametrize("does_move", [True, False], ids=["moved", "deleted"])
    @pytest.mark.parametrize("is_whole", [True, False], ids=["with its log", "alone"])
    async def test_file_goes_away(
        self, path: Path, queue: SqliteQueue, does_move: bool, is_whole: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The next call makes a fresh file, says so, and is not disturbed by clients that still hold the old one."""
        old = SqliteQueue(path, FakeClock())
        await old.enqueue([b"old"])
        await queue.enqueue([b"old too"])
        for suffix in ("", "-wal", "-shm") if is_whole else ("",):
            file = Path(f"{path}{suffix}")
            if does_move:
                file.rename(path.parent / f"elsewhere{suffix}")
            else:
                file.unlink()
        bodies = [b"%d" % n for n in range(3_000)]
        await queue.enqueue(bodies)
        assert "was moved or deleted while it was open" in caplog.messages[0]
        assert await old.peek(5_000) == bodies
        await old.enqueue([b"last"])
        assert await queue.peek(5_000) == [*bodies, b"last"]
        assert len(caplog.messages) == 2
        await old.close()

    async def test_file_goes_away_inside_a_call(self, path: Path, queue: SqliteQueue) -> None:
        """What was written into a file while it lost its name is written once more, into the one that has it."""
        seen: list[bytes | None] = []

        def change(old: bytes | None) -> bytes:
            if not seen:
                path.unlink()
            seen.append(old)
            return b"row %d" % len(seen)

        await queue.rows.update("scope", lambda _: b"row 0")
        assert await queue.rows.update("scope", change) == b"row 2"
        assert seen == [b"row 0", None]
        assert await queue.rows.read("scope") == b"row 2"

    async def test_whole_folder_goes_away(self, path: Path) -> None:
        """A folder that was removed under a client is made again."""
        path = path.parent / "folder" / path.name
        queue = SqliteQueue(path, FakeClock())
        await queue.enqueue([b"old"])
        shutil.rmtree(path.parent)
        await queue.enqueue([b"new"])
        assert await queue.peek(10) == [b"new"]
        await queue.close()


class TestNoQueue:
    """A file that is no queue of ours is refused in words, and stays as it is to the last byte."""

    @pytest.mark.parametrize("content", [b'source = "flights"\n', b"\x00" * 8192, b"SQLite format 3\x00" + b"x" * 4096])
    async def test_no_database(self, path: Path, queue: SqliteQueue, content: bytes) -> None:
        """Somebody's file that was named by mistake is not moved away as a damaged queue."""
        path.write_bytes(content)
        with pytest.raises(UsageError, match=f"{path} is not a readable haulier queue. Name another file"):
            await queue.enqueue([b"one"])
        assert path.read_bytes() == content
        assert list(path.parent.iterdir()) == [path]

    @pytest.mark.parametrize("journal_mode", ["delete", "wal"])
    async def test_foreign_database(self, path: Path, queue: SqliteQueue, journal_mode: str) -> None:
        """Another program's database is not made a queue, nor given tables of ours."""
        foreign = apsw.Connection(str(path))
        foreign.pragma("journal_mode", journal_mode)
        foreign.execute(
            "CREATE TABLE messages (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO messages VALUES (1, 'x')"
        )
        foreign.close()
        content = path.read_bytes()
        with pytest.raises(UsageError, match="is not a readable haulier queue"):
            await queue.depth()
        assert path.read_bytes() == content
        assert list(path.parent.iterdir()) == [path]

    async def test_empty_file_becomes_a_queue(self, path: Path, queue: SqliteQueue) -> None:
        """A file without a byte, as a kill inside the first opening leaves it, is nobody's and is taken."""
        path.touch()
        await queue.enqueue([b"one"])
        assert await queue.peek(1) == [b"one"]

    async def test_newer_format(self, path: Path, queue: SqliteQueue) -> None:
        """The queue of a newer haulier is refused, and unchanged."""
        await made(path)
        newer = apsw.Connection(str(path))
        newer.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        newer.execute("PRAGMA user_version = 4")
        newer.close()
        with pytest.raises(
            NewerFormatError, match=f"The queue {path} has format 4; this haulier knows formats up to 3"
        ):
            await queue.enqueue([b"one"])
        newer = apsw.Connection(str(path))
        assert newer.execute("SELECT count(*) FROM messages").get == 100
        newer.close()
