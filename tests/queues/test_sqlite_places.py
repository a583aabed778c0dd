"""Files and folders in which no queue can live, and what is said of each: nothing is lost, nothing is touched (G1)."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import apsw
import pytest
from tests.queues.damage import spoil, weather

from haulier.errors import NewerFormatError, QueueUnavailableError, UsageError
from haulier.queues import sqlite_place, sqlite_schema
from haulier.queues.sqlite import SqliteQueue
from haulier.queues.sqlite_place import MAX_SET_ASIDE, filesystem_of, is_remote, locked, prepare_folder
from haulier.testing.clock import FakeClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.sqlite3"


@pytest.fixture
async def queue(path: Path) -> AsyncIterator[SqliteQueue]:
    queue = SqliteQueue(path, FakeClock(), busy_timeout_seconds=0.3)
    yield queue
    await queue.close()


async def made(path: Path) -> None:
    """A queue with messages, closed again."""
    queue = SqliteQueue(path, FakeClock())
    await queue.enqueue([b"%d" % n for n in range(100)])
    await queue.close()


class TestDamage:
    """A damaged file is moved aside, it is said, and a fresh queue goes on; the plan has what was in it."""

    @pytest.mark.parametrize("page", [1, "queue", "messages", "messages_by_visibility"])
    async def test_damaged_page(self, path: Path, queue: SqliteQueue, page: int | str) -> None:
        """Whichever page is spoiled, the call that meets it is done on a fresh file, and the old one is kept."""
        await made(path)
        spoil(path, page)
        spoiled = path.read_bytes()
        await queue.enqueue([b"new"])
        assert [lease.body for lease in await queue.dequeue(10, 60)] == [b"new"]
        [notice] = queue.notices
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

    async def test_a_client_that_is_open_follows(self, path: Path, queue: SqliteQueue) -> None:
        """A client whose file was moved aside by another one goes on in the fresh file, and says so."""
        await queue.enqueue([b"one"])
        with locked(path.parent, 1):
            sqlite_place.set_aside(path)
        other = SqliteQueue(path, FakeClock())
        await other.enqueue([b"two"])
        assert await queue.peek(10) == [b"two"]
        assert queue.notices == (f"The queue's file {path} was moved or deleted while it was open; it is opened anew.",)
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
            UsageError, match=r"10 damaged queues stand beside .*: this disk or its memory is failing\."
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
    async def test_file_goes_away(self, path: Path, queue: SqliteQueue, does_move: bool, is_whole: bool) -> None:
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
        assert "was moved or deleted while it was open" in queue.notices[0]
        assert await old.peek(5_000) == bodies
        await old.enqueue([b"last"])
        assert await queue.peek(5_000) == [*bodies, b"last"]
        assert (len(queue.notices), len(old.notices)) == (1, 1)
        await old.close()

    async def test_file_goes_away_inside_a_call(self, path: Path, queue: SqliteQueue) -> None:
        """What was written into a file while it lost its name is written once more, into the one that has it."""

        def change(old: bytes | None) -> bytes:
            path.unlink(missing_ok=not first)
            first.clear()
            return b"row"

        first = [True]
        await queue.enqueue([b"old"])
        assert await queue.update("scope", lambda old: change(old) if first else b"again") == b"again"
        assert await queue.read("scope") == b"again"
        assert await queue.peek(10) == []

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
        newer.execute("PRAGMA user_version = 2")
        newer.close()
        with pytest.raises(
            NewerFormatError, match=f"The queue {path} has format 2; this haulier knows formats up to 1"
        ):
            await queue.enqueue([b"one"])
        newer = apsw.Connection(str(path))
        assert newer.execute("SELECT count(*) FROM messages").get == 100
        newer.close()


class TestFolders:
    """The folder of a queue."""

    async def test_path_is_a_folder(self, tmp_path: Path) -> None:
        """A folder named as the file is refused, and the file to name is said."""
        queue = SqliteQueue(tmp_path, FakeClock())
        with pytest.raises(UsageError, match=rf"is a folder\. Name a file in it: {tmp_path}/queue\.sqlite3\."):
            await queue.depth()
        await queue.close()

    async def test_folder_is_a_file(self, tmp_path: Path) -> None:
        """A file in the way of the folder is refused in words."""
        (tmp_path / "file").touch()
        queue = SqliteQueue(tmp_path / "file" / "sub" / "queue.sqlite3", FakeClock())
        with pytest.raises(UsageError, match=r"cannot be made: .*\. Name another one\."):
            await queue.depth()
        await queue.close()

    @pytest.mark.parametrize("what", ["folder", "file", "parent"])
    def test_no_right_to_write(self, what: str) -> None:
        """A folder or file that this user may not write is refused with the remedy; nothing is left in it."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            file = folder / "queue.sqlite3"
            match what:
                case "file":
                    file.touch(0o444)
                    folder.chmod(0o777)
                    words = f"UsageError The queue's file {file} cannot be written. Give this user the right"
                case "parent":
                    file = folder / "sub" / "queue.sqlite3"
                    folder.chmod(0o555)
                    words = (
                        f"UsageError The queue's folder {file.parent} cannot be made: Permission denied. Name another"
                    )
                case _:
                    folder.chmod(0o555)
                    words = f"UsageError The queue's folder {folder} cannot be written. Give this user the right"
            before = list(folder.iterdir())
            command = [sys.executable, str(Path(__file__).with_name("child.py")), "open_as_nobody", str(file)]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            assert said.startswith(words)
            assert list(folder.iterdir()) == before
            folder.chmod(0o755)

    async def test_folder_that_is_held(self, path: Path, queue: SqliteQueue) -> None:
        """A process that stands still while it opens or replaces a file is waited for, and then named as the reason."""
        with (
            locked(path.parent, 1),
            pytest.raises(QueueUnavailableError, match=r"has held the queue's folder .* 0\.3 s"),
        ):
            await queue.enqueue([b"one"])
        await queue.enqueue([b"one"])

    async def test_old_sqlite_is_refused(self, queue: SqliteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
        """An apsw upon a SQLite with the WAL-reset race is refused, before a file is made."""
        monkeypatch.setattr(sqlite_schema, "SAFE_SQLITE", (99, 1, 0))
        with pytest.raises(UsageError, match=r"which can corrupt a queue with several workers; 99\.1\.0 or newer"):
            await queue.depth()


MOUNTS = """\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
40 22 0:40 / /mnt/nas rw,relatime shared:2 - nfs4 nas:/export rw,vers=4.2
41 40 254:2 / /mnt/nas/local rw - xfs /dev/vdb1 rw
42 22 0:42 / /mnt/with\\040blank rw - cifs //server/share rw
43 22 0:43 / /home/me/sshfs rw master:1 - fuse.sshfs me@host: rw
44 22 0:44 / /over rw - nfs host:/a rw
45 22 254:3 / /over rw - btrfs /dev/vdc rw
a line that is none
"""


class TestFileSystems:
    """Network and FUSE file systems do not keep SQLite's locks."""

    @pytest.mark.parametrize(
        ("folder", "kind"),
        [
            ("/", "ext4"),
            ("/var/lib/haulier", "ext4"),
            ("/mnt/nas", "nfs4"),
            ("/mnt/nas/queues/flights", "nfs4"),
            ("/mnt/nas/local/queues", "xfs"),
            ("/mnt/nasty", "ext4"),
            ("/mnt/with blank/x", "cifs"),
            ("/home/me/sshfs/.haulier", "fuse.sshfs"),
            ("/over/x", "btrfs"),
        ],
    )
    def test_file_system_of_a_folder(self, folder: str, kind: str) -> None:
        """The deepest mount above a folder counts, and of several at one point the last."""
        assert filesystem_of(Path(folder), MOUNTS) == kind

    def test_file_system_that_nobody_knows(self) -> None:
        """Where the system says nothing, nothing is known, and nothing is refused."""
        assert filesystem_of(Path("/x"), "") == "unknown"
        assert not is_remote("unknown")

    @pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "fuse", "fuse.s3fs", "fuseblk"])
    def test_remote_kinds(self, kind: str) -> None:
        """Other machines' disks, and programs that pose as one, are remote."""
        assert is_remote(kind)

    @pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs", "apfs", "f2fs", "bcachefs"])
    def test_local_kinds(self, kind: str) -> None:
        """This machine's own disks are not, nor are containers'."""
        assert not is_remote(kind)

    def test_remote_folder_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The refusal names the file system and a remedy, and comes before anything is made there."""
        table = tmp_path / "mountinfo"
        table.write_text(f"40 22 0:40 / {tmp_path} rw shared:2 - nfs4 nas:/export rw\n")
        monkeypatch.setattr(sqlite_place, "_MOUNTS", table)
        folder = tmp_path / "sub"
        words = rf"folder {folder} is on a network or FUSE file system \(nfs4\).*queue = \"sqlite:////"
        with pytest.raises(UsageError, match=words):
            prepare_folder(folder / "queue.sqlite3")
        assert not folder.exists()


class TestDiskErrors:
    """A disk that refuses: it is said, what was acknowledged stays, and the queue goes on once it can."""

    @pytest.fixture(params=["write", "sync"])
    def step(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    async def test_full_disk(self, path: Path) -> None:
        """A full disk is an outage: the words say so, readers go on, and no restart is needed."""
        with weather() as now:
            queue = SqliteQueue(path, FakeClock())
            await queue.enqueue([b"before", b"leased"])
            [lease] = await queue.dequeue(1, 60)
            now.on_write = apsw.FullError
            for call in (queue.enqueue([b"x"]), queue.complete([lease]), queue.renew([lease], 60), queue.purge()):
                with pytest.raises(QueueUnavailableError, match=f"The disk of the queue {path} is full. Make room"):
                    await call
            assert len(await queue.peek(10)) == 2
            now.clear()
            assert await queue.complete([lease]) == []
            await queue.enqueue([b"after"])
            assert await queue.peek(10) == [b"leased", b"after"]
            await queue.close()

    async def test_disk_error(self, path: Path, step: str) -> None:
        """A write or a sync that fails is an outage too; a call that failed has not been done by half."""
        with weather() as now:
            queue = SqliteQueue(path, FakeClock())
            await queue.enqueue([b"before"])
            setattr(now, f"on_{step}", apsw.IOError)
            for _ in range(3):
                with pytest.raises(QueueUnavailableError, match=f"The queue {path} cannot be used: .*"):
                    await queue.enqueue([b"x", b"y"])
            now.clear()
            await queue.enqueue([b"after"])
            bodies = await queue.peek(10)
            assert (bodies[0], bodies[-1], len(bodies) % 2) == (b"before", b"after", 0)
            assert queue.notices == ()
            await queue.close()

    def test_files_that_may_not_grow(self, path: Path) -> None:
        """The system's own limit on files: what was acknowledged before is there, and the queue goes on after."""
        command = [sys.executable, str(Path(__file__).with_name("child.py")), "fill_the_disk", str(path), "400000"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        assert said[0].startswith(f"QueueUnavailableError The queue {path} cannot be used: ")
        assert said[1:] == ["0 more than acknowledged", "1 more than acknowledged"]

    async def test_real_full_disk(self, tmp_path: Path) -> None:
        """A disk of a megabyte fills; nothing that was acknowledged is lost; with room the queue goes on."""
        with small_disk(tmp_path / "disk") as folder:
            queue = SqliteQueue(folder / "queue.sqlite3", FakeClock())
            acknowledged = 0
            with pytest.raises(QueueUnavailableError, match="is full"):
                for _ in range(1_000):
                    await queue.enqueue([b"%d" % acknowledged + bytes(10_000)])
                    acknowledged += 1
            bodies = await queue.peek(1_000)
            assert [int(body[:-10_000]) for body in bodies] == list(range(acknowledged))
            (folder / "filler").unlink()
            await queue.enqueue([b"after"])
            assert len(await queue.peek(1_000)) == acknowledged + 1
            await queue.close()


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of a megabyte and a half, half of it taken by a file named ``filler``."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=1536k", "tmpfs"]
    if os.geteuid() or subprocess.run(["mount", *options, str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        (folder / "filler").write_bytes(bytes(768 * 1024))
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
