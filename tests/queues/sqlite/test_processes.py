"""Processes that share a queue's file, and are killed, stopped or crowded in it (G1, G4).

See docs/protocol.md#the-sqlite-queue.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from haulier.errors import QueueUnavailableError
from haulier.queues.seam import Depth
from haulier.queues.sqlite.queue import SqliteQueue
from haulier.testing.clock import FakeClock
from tests.queues.sqlite.damage import spoil

pytestmark = pytest.mark.crash

Child = subprocess.Popen[str]


@pytest.fixture
def start() -> Iterator[Callable[..., Child]]:
    """Starts `child.py`; whatever still runs at the end of the test is killed."""
    children: list[Child] = []

    def start(*words: object) -> Child:
        command = [sys.executable, str(Path(__file__).with_name("child.py")), *map(str, words)]
        children.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.communicate()


def hear(child: Child) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def hear_all(child: Child) -> list[str]:
    """What it still says, to its end. (`communicate` passes over what `hear` has read ahead.)"""
    assert child.stdout is not None
    said = child.stdout.read().splitlines()
    child.wait()
    return said


def tell(child: Child) -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def require_sound(path: Path) -> None:
    connection = apsw.Connection(str(path))
    assert connection.pragma("integrity_check") == "ok"
    connection.close()


async def test_killed_inside_a_transaction(path: Path, start: Callable[..., Child]) -> None:
    """G1: a process killed in mid-transaction leaves nothing of it, and nobody waits for the dead."""
    queue = SqliteQueue(path, FakeClock(), busy_timeout_seconds=1)
    await queue.enqueue([b"before"])
    child = start("stall", path)
    assert hear(child) == "inside"
    with pytest.raises(QueueUnavailableError):
        await queue.enqueue([b"during"])
    child.kill()
    child.wait()
    await queue.enqueue([b"after"])
    assert await queue.peek(100) == [b"before", b"after"]
    await queue.close()
    require_sound(path)


async def test_killed_at_any_time(path: Path, start: Callable[..., Child]) -> None:
    """G1: kill after kill, every acknowledged batch is there, and the one under way is there whole or not at all."""
    rng = random.Random(3)
    for _ in range(4):
        child = start("enqueue_for_ever", path)
        acknowledged = [hear(child) for _ in range(rng.randrange(1, 120))]
        child.kill()
        acknowledged += hear_all(child)
        queue = SqliteQueue(path, FakeClock())
        bodies = await queue.peek(10_000)
        await queue.purge()
        await queue.close()
        expected = [b"%d" % (n // 2) for n in range(2 * len(acknowledged) + 2)]
        assert bodies in (expected, expected[:-2])
    require_sound(path)


async def test_stopped_inside_a_transaction(path: Path, start: Callable[..., Child]) -> None:
    """A process stopped in mid-transaction holds up writers, in words; when it goes on, expired leases are revived."""
    clock = FakeClock()
    queue = SqliteQueue(path, clock, busy_timeout_seconds=0.2)
    await queue.enqueue([b"one", b"two"])
    leases = await queue.dequeue(2, 60)
    child = start("stall", path)
    assert hear(child) == "inside"
    child.send_signal(signal.SIGSTOP)
    words = r"has been held by another process for 0\.2 s\. Is that process suspended\? haulier keeps trying\."
    with pytest.raises(QueueUnavailableError, match=words):
        await queue.renew(leases, 60)
    with pytest.raises(QueueUnavailableError, match=words):
        await queue.complete(leases)
    assert await queue.depth() == Depth(ready=0, delayed=0, leased=2, poisoned=0)
    clock.advance(90)
    assert (await queue.depth()).ready == 2
    child.send_signal(signal.SIGCONT)
    tell(child)
    assert hear(child) == "done"
    child.wait()
    assert await queue.renew(leases, 60) == leases
    assert await queue.depth() == Depth(ready=10, delayed=0, leased=2, poisoned=0)
    assert await queue.complete(leases) == []
    await queue.close()


@pytest.mark.parametrize("page", [1, "messages"], ids=["found on opening", "found in use"])
async def test_damaged_file_is_opened_by_several_at_once(
    path: Path, start: Callable[..., Child], page: int | str
) -> None:
    """Of several that find a file damaged at once one moves it aside; all then share one fresh queue, and lose none."""
    queue = SqliteQueue(path, FakeClock())
    await queue.enqueue([b"lost from here; the plan has it"])
    await queue.close()
    spoil(path, page)
    children = [start("enqueue_at_once", path, name) for name in ("first", "second", "third")]
    assert {hear(child) for child in children} == {"ready"}
    for child in children:
        tell(child)
    notices = [hear(child) for child in children]
    assert sum("It was moved to queue.sqlite3.corrupt-1 and a fresh queue was made" in each for each in notices) == 1
    queue = SqliteQueue(path, FakeClock())
    assert sorted(await queue.peek(10)) == [b"first", b"second", b"third"]
    await queue.close()
    for child in children:
        tell(child)
        assert child.wait() == 0
    assert sorted(file.name for file in path.parent.iterdir()) == [
        f"queue.sqlite3{aside}{suffix}" for aside in ("", ".corrupt-1") for suffix in ("", "-shm", "-wal")
    ]
    require_sound(path)


async def test_four_processes_drain_2000_messages(path: Path, start: Callable[..., Child]) -> None:
    """G1, G2: four processes that dequeue and complete at once get every message, each exactly once."""
    queue = SqliteQueue(path, FakeClock())
    await queue.enqueue([b"%d" % n for n in range(2_000)])
    children = [start("drain", path, 60, 0) for _ in range(4)]
    said = [hear_all(child) for child in children]
    assert [child.returncode for child in children] == [0] * 4
    assert sorted(line for mine in said for line in mine) == sorted(f"{n} 1" for n in range(2_000))
    assert await queue.depth() == Depth(ready=0, delayed=0, leased=0, poisoned=0)
    await queue.close()


async def test_killed_workers_lose_nothing(path: Path, start: Callable[..., Child]) -> None:
    """G1: what killed processes had taken comes back when its leases run out; nothing is completed twice."""
    queue = SqliteQueue(path, FakeClock())
    await queue.enqueue([b"%d" % n for n in range(2_000)])
    victims = [start("drain", path, 1, 0.005) for _ in range(2)]
    said = [hear(child) for child in victims]  # Both are at work before anybody else can take everything.
    children = [*victims, *(start("drain", path, 1, 0.005) for _ in range(2))]
    for child in victims:
        said += [hear(child) for _ in range(49)]
        child.kill()
    said += [line for child in children for line in hear_all(child)]
    assert [child.returncode for child in children] == [-signal.SIGKILL, -signal.SIGKILL, 0, 0]
    assert await queue.depth() == Depth(ready=0, delayed=0, leased=0, poisoned=0)
    # A process may be killed between a completion and its words.
    completed = {line.split()[0] for line in said}
    assert len(completed) == len(said)
    assert 2_000 - 2 * 8 <= len(completed) <= 2_000
    await queue.close()
