"""haulier as a user runs it, in processes of its own, over a source whose items do harm or over a sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from haulier.api.scope.row import ScopeRow, encode
from haulier.cli.main import main
from haulier.clock import SystemClock
from haulier.queues.envelope import decode
from haulier.queues.seam import Depth
from haulier.queues.sqlite.queue import SqliteQueue
from tests.harness.chaos.workers import command

PATIENCE_SECONDS = 100.0
CRASHING = Path(__file__).with_name("crashing.py")


@dataclass
class Stand:
    """A folder with a source, and the processes that were started in it."""

    folder: Path
    source: str = str(CRASHING)
    name: str = "crashing"
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command on the source, in a process group of its own."""
        first, *rest = words
        process = subprocess.Popen(
            command(first, self.source, *rest, *self.places),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        self.started.append(process)
        return process

    def run(self, *words: str) -> tuple[int, str]:
        """Run a command to its end: exit code, and what it said."""
        return self.end(self.start(*words))

    def call(self, *words: str) -> int:
        """Run a command in this process, which costs no start of another. Returns its exit code."""
        first, *rest = words
        return main([first, self.source, *rest, *self.places])

    def end(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, said

    def clean(self) -> None:
        """Kill what is left, with its group."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    @property
    def places(self) -> tuple[str, ...]:
        """Lake and queue here, wherever the source's own file is."""
        return ("--lake", str(self.folder / "lake"), "--queue", f"sqlite:///{self.folder}/queue.sqlite3")

    def queue(self) -> SqliteQueue:
        return SqliteQueue(self.folder / "queue.sqlite3", SystemClock())

    def depth(self) -> Depth:
        return asyncio.run(self._depth())

    async def _depth(self) -> Depth:
        queue = self.queue()
        try:
            return await queue.depth()
        finally:
            await queue.close()

    def kill_silently(self, times: int, *names: str) -> None:
        """So many workers died over these items, without a word."""
        asyncio.run(self._kill_silently(times, names))

    async def _kill_silently(self, times: int, names: tuple[str, ...]) -> None:
        queue = self.queue()
        for _ in range(times):
            for lease in await queue.dequeue(256, 0.0):
                envelope = decode(lease.body)
                if not any(name in bytes(envelope.payload).decode() for name in names):
                    await queue.complete([lease])
                    await queue.enqueue([lease.body])
        await queue.close()

    def forget_members(self) -> None:
        """Every process has ended: the next one need not wait for the beats that prove it."""
        asyncio.run(self._forget_members())

    async def _forget_members(self) -> None:
        queue = self.queue()
        await queue.rows.update(f"scope/{self.name}", lambda _: encode(ScopeRow()))
        await queue.close()

    # -- what became of it ---------------------------------------------------------------------------------------------

    @property
    def account(self) -> Path:
        (run,) = (self.folder / "lake/_haulier" / self.name / "runs").iterdir()
        return run

    def verdict(self) -> dict[str, Any]:
        newest = max(self.account.glob("closings/*/verdict"))
        found: dict[str, Any] = json.loads(newest.read_bytes())
        return found

    def poison(self) -> dict[str, dict[str, Any]]:
        """Poison records by the name of their item."""
        found = [json.loads(path.read_bytes()) for path in self.account.glob("poison/*/*.json")]
        return {record["payload"]["name"]: record for record in found}

    def crashes(self) -> dict[str, int]:
        """Deaths that were seen, by the key of their item."""
        return {path.name: len(list(path.iterdir())) for path in self.account.glob("crashes/*")}

    def lines(self) -> list[bytes]:
        objects = (self.folder / "lake" / self.name).rglob("*.ndjson.gz")
        return sorted(line for path in objects for line in gzip.decompress(path.read_bytes()).splitlines())

    def workings(self, name: str) -> list[tuple[int, int]]:
        """Each time that an item was worked: process and parent."""
        log = self.folder / f"{name}.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [(int(line.split()[0]), int(line.split()[1])) for line in lines]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """A process that waits to be collected has ended."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except OSError:
        return True


@contextlib.contextmanager
def standing(stand: Stand) -> Iterator[Stand]:
    """Nothing that it started is left."""
    try:
        yield stand
    finally:
        stand.clean()
