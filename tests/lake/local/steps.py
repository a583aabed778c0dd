"""A process whose children use a lake, note each step that they ask of the operating system, and die before the n-th.

    python -m tests.lake.local.steps BASE FIRST SECOND

For each n it forks a child that does the errand FIRST in a lake of its own below BASE and exits before its n-th step,
in the middle of it if it is a write; keeps a copy of what then stands; and forks another that does SECOND to its end.
"""

import asyncio
import fcntl
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path

from haulier.clock import SystemClock
from haulier.lake.local.lake import LocalLake
from haulier.lake.seam import Published, Spool

RECORD, OBJECT, OTHER, STAGING = "records/a.json", "bronze/a.ndjson.gz", "bronze/b.ndjson.gz", "staging"
PLACE = "above/lake"
"""The lake's folder and the one above it are made by the first errand too."""
DIED, DONE, FAILED = 99, 0, 1
MOST_STEPS = 200

Acknowledge = Callable[[str, str], None]
Errand = Callable[[LocalLake, str, Acknowledge], Coroutine[None, None, None]]


async def create(lake: LocalLake, name: str, acknowledge: Acknowledge) -> None:
    if await lake.create(RECORD, name.encode() * 500):
        acknowledge(RECORD, name)


async def create_or_read(lake: LocalLake, name: str, acknowledge: Acknowledge) -> None:
    """ "It exists" means: read what stands there and adopt it (docs/protocol.md#files-of-a-run)."""
    if not await lake.create(RECORD, name.encode() * 500):
        body = await lake.read(RECORD)
        assert body is not None
        name = body[:1].decode()
    acknowledge(RECORD, name)


async def publish(lake: LocalLake, name: str, acknowledge: Acknowledge) -> None:
    spool = await lake.open_spool(STAGING, f"attempt-{name}")
    await spool.write([name.encode()] * 500)
    await spool.finish()
    if await lake.publish(spool, OBJECT) is Published.OURS:
        acknowledge(OBJECT, name)
    else:
        await adopt(lake, name, acknowledge)


async def publish_two(lake: LocalLake, name: str, acknowledge: Acknowledge) -> None:
    """At once, so that they go to the disk together."""
    spools = [await lake.open_spool(STAGING, f"attempt-{name}-{number}") for number in range(2)]
    for spool in spools:
        await spool.write([name.encode()] * 500)
    await asyncio.gather(*(spool.finish() for spool in spools))

    async def publish_one(spool: Spool, path: str) -> None:
        if await lake.publish(spool, path) is Published.OURS:
            acknowledge(path, name)
        else:
            await adopt(lake, name, acknowledge, path)

    await asyncio.gather(*map(publish_one, spools, (OBJECT, OTHER)))


async def adopt(lake: LocalLake, name: str, acknowledge: Acknowledge, path: str = OBJECT) -> None:
    if facts := await lake.adopt(path):
        assert facts.records == 500
        acknowledge(path, "")


ERRANDS: dict[str, Errand] = {each.__name__: each for each in (create, create_or_read, publish, publish_two, adopt)}


class Steps:
    """The calls that change a disk or make it durable, noted in a file as they succeed."""

    def __init__(self, place: Path, die_before: int) -> None:
        self._place = str(place)
        self._log = os.open(place / "steps", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._write = os.write
        self._files: set[int] = set()
        self._left = die_before

    def note(self, *step: str | int | bool) -> None:
        self._write(self._log, json.dumps(step).encode() + b"\n")

    def put_in_place(self) -> None:
        """Of this process, for the rest of its life."""
        open_, close, fsync = os.open, os.close, os.fsync
        link, unlink, mkdir = os.link, os.unlink, os.mkdir

        def noted_open(path: str, flags: int, mode: int = 0o777) -> int:
            if not f"{path}/".startswith(f"{self._place}/"):
                return open_(path, flags, mode)
            self._step()
            descriptor = open_(path, flags, mode)
            self._files.add(descriptor)
            self.note("open", self._inside(path), bool(flags & os.O_CREAT), descriptor)
            return descriptor

        def noted_write(descriptor: int, body: bytes) -> int:
            if descriptor not in self._files:
                return self._write(descriptor, body)
            self._step(lambda: self._write(descriptor, bytes(body)[: len(body) // 2]))
            written = self._write(descriptor, body)
            self.note("write", descriptor, bytes(body[:written]).decode("latin-1"))
            return written

        def noted_sync(descriptor: int, *_: int) -> None:
            self._step()
            fsync(descriptor)
            if descriptor in self._files:
                self.note("sync", descriptor)

        def noted_close(descriptor: int) -> None:
            if descriptor in self._files:
                self._step()
                self._files.remove(descriptor)
            close(descriptor)

        def noted_link(source: str, name: str) -> None:
            self._step()
            link(source, name)
            self.note("link", self._inside(source), self._inside(name))

        def noted_unlink(name: str) -> None:
            self._step()
            unlink(name)
            self.note("unlink", self._inside(name))

        def noted_mkdir(name: str) -> None:
            self._step()
            mkdir(name)
            self.note("mkdir", self._inside(name))

        noted = {"open": noted_open, "write": noted_write, "fsync": noted_sync, "close": noted_close}
        for name, call in {**noted, "link": noted_link, "unlink": noted_unlink, "mkdir": noted_mkdir}.items():
            setattr(os, name, call)
        fcntl.fcntl = noted_sync  # type: ignore[assignment]  # macOS: F_FULLFSYNC

    def _step(self, begin: Callable[[], object] = lambda: None) -> None:
        if self._left == 0:
            begin()
            os._exit(DIED)
        self._left -= 1

    def _inside(self, path: str) -> str:
        return path.removeprefix(self._place).removeprefix("/")


def in_child(errand: Errand, lake: LocalLake, name: str, steps: Steps) -> int:
    """Do an errand in a forked process; its exit code."""
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        steps.put_in_place()
        asyncio.run(errand(lake, name, lambda path, by: steps.note("ack", path, by)))
        os._exit(DONE)
    except Exception:  # noqa: BLE001 - a child that went on here would be a second parent
        traceback.print_exc()
    finally:
        os._exit(FAILED)


def main(base: Path, first: str, second: str) -> None:
    """Leave below ``base`` a folder for each n: ``steps`` of both children, ``killed`` as the first left it."""
    for number in range(MOST_STEPS):
        place = base / f"{number:03d}"
        place.mkdir()
        steps = Steps(place, number)
        lake = LocalLake(place / PLACE, SystemClock())
        code = in_child(ERRANDS[first], lake, "A", steps)
        if code == FAILED:
            sys.exit(f"{first} failed before step {number}")
        if (place / PLACE).exists():
            shutil.copytree(place / PLACE, place / "killed")
        steps.note("second")
        if in_child(ERRANDS[second], lake, "B", Steps(place, -1)) != DONE:
            sys.exit(f"{second} failed after {first} had died before step {number}")
        if code == DONE:
            return
    sys.exit(f"{first} takes more than {MOST_STEPS} steps")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
