"""Kills processes that refresh a rotating grant, and counts how often a person had to authorise anew.

`python -m tests.harness.grant_kills --kills 200` tells it for a lenient issuer, where the grant must never be lost, and
for a strict one, where only an answer that was under way may be lost with the process that waited for it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from haulier.api.errors import Fault
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Request, TransportError
from haulier.api.identity.grant_file import GrantFile
from haulier.api.identity.refresh_token import RefreshToken
from haulier.api.identity.shared_token import TokenFile
from haulier.api.settings import Api
from haulier.api.wire.aiohttp_transport import AiohttpTransport
from haulier.clock import SystemClock
from tests.api.identity.rotating_issuer import RotatingIssuer
from tests.api.wire.raw_server import raw_server

WORKERS = 3
LIFE_SECONDS = 0.002
"""Of an access token: nearly each request refreshes."""
LONGEST_LIFE_SECONDS = 0.12
"""Of a worker, before it is killed."""


@dataclass
class Tally:
    kills: int = 0
    refreshes: int = 0
    reuses: int = 0
    """A used token came again: its answer had been lost with a process, behind the rotation."""
    losses: list[str] = field(default_factory=list)
    """What was said of each lost grant."""


async def kill_workers(kills: int, rng: random.Random, *, has_grace: bool, folder: Path) -> Tally:
    tally = Tally()
    issuer = RotatingIssuer(has_grace=has_grace, expires_in=LIFE_SECONDS, thinks_seconds=0.003)
    first = issuer.newest
    async with raw_server(by=issuer.answer) as server, _nursery() as nursery:

        async def start() -> int:
            return await nursery.start(server.url, folder / "queue.grant", first)

        alive = [await start() for _ in range(WORKERS)]
        while tally.kills < kills:
            await asyncio.sleep(rng.random() * LONGEST_LIFE_SECONDS)
            if nursery.said:
                tally.losses.append(nursery.said[0])
                for pid in alive:
                    nursery.kill(pid)
                await nursery.gone(alive)
                nursery.said.clear()
                first = issuer.authorise()
                alive = [await start() for _ in range(WORKERS)]
                continue
            victim = alive.pop(rng.randrange(len(alive)))
            nursery.kill(victim)
            tally.kills += 1
            alive.append(await start())
        before = issuer.refreshes
        for _ in range(500):
            if nursery.said or issuer.refreshes > before + WORKERS:
                break
            await asyncio.sleep(0.02)
        tally.losses += nursery.said[:1]
        assert nursery.said or issuer.refreshes > before, "nobody refreshes any more"
    tally.refreshes, tally.reuses = issuer.refreshes, issuer.reuses
    return tally


class _Nursery:
    """A process that has imported everything, and forks a worker for each line: a start takes milliseconds."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._started: asyncio.Queue[int] = asyncio.Queue()
        self._ended: set[int] = set()
        self.said: list[str] = []

    async def read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            word, _, rest = line.decode().strip().partition(" ")
            match word:
                case "started":
                    self._started.put_nowait(int(rest))
                case "ended":
                    self._ended.add(int(rest))
                case _:
                    self.said.append(rest)

    async def start(self, url: str, file: Path, first: str) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{url} {file} {first}\n".encode())
        return await self._started.get()

    def kill(self, pid: int) -> None:
        """Only the process that forked it reaps it, so that the number is nobody else's before we know."""
        if pid not in self._ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def gone(self, pids: list[int]) -> None:
        while not self._ended.issuperset(pids):
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def _nursery() -> AsyncIterator[_Nursery]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__ if __name__ != "__main__" else "tests.harness.grant_kills", "--nursery",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    nursery = _Nursery(process)
    reading = asyncio.create_task(nursery.read())
    try:
        yield nursery
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        await reading


def nurse() -> None:
    """Fork a worker for each line of standard input; at its end all are killed."""
    children: set[int] = set()

    def reap(*_: object) -> None:
        with contextlib.suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) > 0:
                children.discard(pid)
                os.write(1, f"ended {pid}\n".encode())

    signal.signal(signal.SIGCHLD, reap)
    for line in sys.stdin:
        url, file, first = line.split()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            asyncio.run(work(url, Path(file), first))
            os._exit(0)
        children.add(pid)
        os.write(1, f"started {pid}\n".encode())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    for pid in [*children]:
        os.kill(pid, signal.SIGKILL)


async def work(url: str, file: Path, first: str) -> None:
    """Ask the API until the grant is lost."""
    auth = RefreshToken(f"{url}/token", "app", first, "secret")
    api, shared = Api(url, auth=auth), TokenFile(None, lambda _: GrantFile(file))
    transport = AiohttpTransport(api, clock=SystemClock(), redactor=Redactor(), shared=shared)
    while True:
        try:
            await transport.send(Request("GET", f"{url}/things"))
        except TransportError as error:
            if error.kind is Fault.AUTH:
                os.write(1, f"lost {error.text}\n".encode())
                return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--nursery", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.nursery:
        nurse()
        return
    say: Callable[[str], object] = sys.stdout.write
    for has_grace in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            rng = random.Random(asked.seed)
            tally = asyncio.run(kill_workers(asked.kills, rng, has_grace=has_grace, folder=Path(folder)))
        say(
            f"{'lenient' if has_grace else 'strict'} issuer: {tally.kills} kills, {tally.refreshes} refreshes, "
            f"{tally.reuses} answers lost with their process, {len(tally.losses)} grants lost\n"
        )
        for loss, count in Counter(re.sub(r"20[0-9T:Z-]+", "TIME", loss) for loss in tally.losses).items():
            say(f"  {count} x {loss}\n")


if __name__ == "__main__":
    main()
