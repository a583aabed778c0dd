"""Folders and disks in which no queue can live, or not now, and what is said of each: nothing is lost (G1)."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from haulier.disks import Mount
from haulier.errors import QueueUnavailableError, UsageError
from haulier.queues.sqlite import schema
from haulier.queues.sqlite.place import locked, prepare_folder
from haulier.queues.sqlite.queue import SqliteQueue
from haulier.testing.clock import FakeClock
from tests.queues.sqlite.damage import weather


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
        with pytest.raises(UsageError, match=r"cannot be created: .*\. Name another one, on a local disk"):
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
                    problem = f"The queue's folder {file.parent} cannot be created: Permission denied."
                    words = f"UsageError {problem} Name another one"
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
        monkeypatch.setattr(schema, "SAFE_SQLITE", (99, 1, 0))
        with pytest.raises(UsageError, match=r"which can corrupt a queue with several workers; 99\.1\.0 or newer"):
            await queue.depth()


class TestFileSystems:
    """Network and FUSE file systems do not keep SQLite's locks."""

    def test_remote_folder_is_refused(self, tmp_path: Path) -> None:
        """The refusal names the file system and a remedy, and comes before anything is made there."""
        folder = tmp_path / "sub"
        words = rf"folder {folder} is on a network or FUSE file system \(nfs4\).*queue = \"sqlite:////"
        with pytest.raises(UsageError, match=words):
            prepare_folder(folder / "queue.sqlite3", lambda: [Mount("/", "ext4"), Mount(str(tmp_path), "nfs4")])
        assert not folder.exists()

    def test_folder_on_a_disk_that_nobody_knows(self, tmp_path: Path) -> None:
        """Where the system says nothing, nothing is refused."""
        prepare_folder(tmp_path / "sub" / "queue.sqlite3", list)
        assert (tmp_path / "sub").is_dir()


class TestDiskErrors:
    """A disk that refuses: it is said, what was acknowledged stays, and the queue goes on once it can."""

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

    @pytest.mark.parametrize("step", ["write", "sync"])
    async def test_disk_error(self, path: Path, step: str, caplog: pytest.LogCaptureFixture) -> None:
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
            assert caplog.messages == []
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
            acknowledged: list[int] = []

            async def fill() -> None:
                for n in range(1_000):
                    await queue.enqueue([b"%d" % n + bytes(10_000)])
                    acknowledged.append(n)

            with pytest.raises(QueueUnavailableError, match=r"is full\. Make room; nothing was lost\."):
                await fill()
            assert len(acknowledged) > 10
            assert [int(body[:-10_000]) for body in await queue.peek(1_000)] == acknowledged
            (folder / "filler").unlink()
            await queue.enqueue([b"after"])
            assert len(await queue.peek(1_000)) == len(acknowledged) + 1
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
