"""From the words of a source file to a backend, and what is said where there is none."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from haulier.errors import QueueUnavailableError, UsageError
from haulier.queues.azure.queue import AzureQueue
from haulier.queues.memory import MemoryQueue
from haulier.queues.opening import QueueBackend, queue_backend
from haulier.queues.seam import Queue, QueueOpener
from haulier.queues.sqlite.queue import SqliteQueue
from haulier.rows.seam import Rows
from haulier.testing.clock import FakeClock


def opener(url: str, base: Path, lease_seconds: float = 60.0) -> QueueOpener:
    return backend(url, base, lease_seconds).open_queue


def backend(url: str, base: Path, lease_seconds: float = 60.0) -> QueueBackend:
    return queue_backend(url, base=base, source="flights", clock=FakeClock(), lease_seconds=lease_seconds)


def rows_of(found: QueueBackend) -> Rows:
    _, rows = found.open_both()
    assert rows is not None
    return rows


async def enqueue_one(queue: Queue) -> None:
    await queue.enqueue([b"one"])
    await queue.close()


async def test_sqlite_stands_beside_the_source_file(tmp_path: Path) -> None:
    """``sqlite`` is a file in .haulier/<source>, made by the first call and not by the opening."""
    queue = opener("sqlite", tmp_path)()
    assert isinstance(queue, SqliteQueue)
    assert list(tmp_path.iterdir()) == []
    await enqueue_one(queue)
    assert (tmp_path / ".haulier" / "flights" / "queue.sqlite3").exists()


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("queue.db", "queue.db"),
        ("my/own/queue.db", "my/own/queue.db"),
        ("a%20b.db", "a b.db"),
        ("../up.db", "../up.db"),
    ],
)
async def test_three_slashes_are_relative(tmp_path: Path, written: str, path: str) -> None:
    """A path with three slashes is relative to the source file's folder."""
    base = tmp_path / "base"
    base.mkdir()
    await enqueue_one(opener(f"sqlite:///{written}", base)())
    assert (base / path).exists()


async def test_four_slashes_are_absolute(tmp_path: Path) -> None:
    """A path with four slashes is absolute."""
    await enqueue_one(opener(f"sqlite:///{tmp_path}/sub/queue.db", Path("elsewhere"))())
    assert (tmp_path / "sub" / "queue.db").exists()


async def test_memory_is_shared_by_its_clients(tmp_path: Path) -> None:
    """All clients of one opener share one queue in memory; another opener has another."""
    one, another = opener("memory", tmp_path), opener("memory", tmp_path)
    queue = one()
    assert isinstance(queue, MemoryQueue)
    await enqueue_one(queue)
    assert await one().peek(1) == [b"one"]
    assert await another().peek(1) == []


async def test_clients_wait_less_than_a_third_of_the_lease(tmp_path: Path) -> None:
    """A renewal that had to wait for a busy file still comes in time, however short the lease."""
    open_both = backend("sqlite", tmp_path, lease_seconds=0.4).open_both
    (queue, rows), (other, _) = open_both(), open_both()
    assert rows is not None
    await queue.enqueue([b"one"])
    said: list[str] = []

    def change(old: bytes | None) -> bytes:
        with pytest.raises(QueueUnavailableError) as caught:
            asyncio.run(other.enqueue([b"two"]))
        said.append(str(caught.value))
        return b"row"

    await rows.update("scope", change)
    assert "held by another process for 0.1 s" in said[0]
    for client in (queue, rows, other):
        await client.close()


async def test_rows_of_a_file_share_the_connection_of_its_queue(tmp_path: Path) -> None:
    """The rows stand in the queue's file, and one client of both is one connection, closed by either."""
    found = backend("sqlite", tmp_path)
    assert found.local_file == tmp_path / ".haulier" / "flights" / "queue.sqlite3"
    queue, rows = found.open_both()
    assert rows is not None
    await rows.update("scope", lambda _: b"row")
    assert isinstance(queue, SqliteQueue)
    assert queue.rows is rows
    await rows.close()
    with pytest.raises(RuntimeError, match="closed"):
        await queue.depth()
    await queue.close()
    (queue, rows) = found.open_both()
    assert rows is not None
    assert await rows.read("scope") == b"row"
    await queue.close()


async def test_rows_in_memory_are_shared_by_their_clients(tmp_path: Path) -> None:
    """All clients of one backend share their rows; those of another have others. No file stands for them."""
    one, another = backend("memory", tmp_path), backend("memory", tmp_path)
    assert one.local_file is None
    await rows_of(one).update("scope", lambda _: b"row")
    assert await rows_of(one).read("scope") == b"row"
    assert await rows_of(another).read("scope") is None


def test_the_longest_name_of_an_azure_queue(tmp_path: Path) -> None:
    """With that of its poison queue it just fits. Nothing is asked, and no rows are kept."""
    found = backend(f"azure-queue://shop/{'a' * 56}", tmp_path)
    queue, rows = found.open_both()
    assert isinstance(queue, AzureQueue)
    assert rows is None
    assert found.local_file == tmp_path / ".haulier" / "flights" / "azure-queue"


SLASHES = r"The URL of a SQLite queue has three slashes: write sqlite:///path/to/queue\.sqlite3\."
NAMES_A_FILE = r"A queue's URL names a file and nothing else\. Write sqlite:///path/to/queue\.sqlite3\."
SUPPORTED = (
    r'Write queue = "sqlite", queue = "sqlite:///path/to/file\.sqlite3", queue = "memory" or '
    r'queue = "azure-queue://ACCOUNT/QUEUE"\.'
)
AZURE = r"The URL of an Azure queue is azure-queue://ACCOUNT/QUEUE, and nothing else\."
AZURE_NAME = r"is not the name of an Azure queue: that has 3 to 56 of a-z, 0-9 and single hyphens, and .*\."


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:", SLASHES),
        ("sqlite:queue.db", SLASHES),
        ("sqlite:/queue.db", SLASHES),
        ("sqlite://queue.db", SLASHES),
        ("sqlite:///", NAMES_A_FILE),
        ("sqlite:////", NAMES_A_FILE),
        ("sqlite:///folder/", NAMES_A_FILE),
        ("sqlite:///queue.db?mode=ro", NAMES_A_FILE),
        ("sqlite:///queue.db#1", NAMES_A_FILE),
        ("sqlite:///queue%00.db", NAMES_A_FILE),
        ("sqlite:///.", NAMES_A_FILE),
        ("memory:", r'A queue in memory has no address\. Write queue = "memory"\.'),
        ("", rf"A queue of kind '' is not supported\. {SUPPORTED}"),
        ("redis://localhost", rf"A queue of kind 'redis' is not supported\. {SUPPORTED}"),
        ("SQLite", rf"A queue of kind 'SQLite' is not supported\. {SUPPORTED}"),
        ("azure-queue:", AZURE),
        ("azure-queue://flights", AZURE),
        ("azure-queue:///flights", AZURE),
        ("azure-queue://shop/flights/items", AZURE),
        ("azure-queue://shop/flights?sig=x", AZURE),
        ("azure-queue://me:hunter2@shop/flights", AZURE),
        ("azure-queue://shop/Flights", AZURE_NAME),
        (
            "azure-queue://shop/flights-first",
            r"'flights-first' is the name of a queue that haulier makes beside another one: .* -first or -poison .*\.",
        ),
        ("azure-queue://shop/flights-poison", r"'flights-poison' is the name of .* Choose another name\."),
        ("azure-queue://shop/two--hyphens", AZURE_NAME),
        ("azure-queue://shop/ab", AZURE_NAME),
        (f"azure-queue://shop/{'a' * 57}", AZURE_NAME),
        ("azure-queue://My_Shop/flights", r"'My_Shop' is not the name of a storage account: .*\."),
        (
            "postgres://host/db",
            rf"'postgres' is not supported\. PostgreSQL is planned for a later version\. {SUPPORTED}",
        ),
        (
            "postgresql+psycopg://host",
            rf"'postgresql\+psycopg' is not supported\. PostgreSQL is planned .*\. {SUPPORTED}",
        ),
        ("sqs://queue", rf"'sqs' is not supported\. Amazon SQS is planned for a later version\. {SUPPORTED}"),
    ],
)
def test_url_that_is_none(tmp_path: Path, url: str, words: str) -> None:
    """Each URL that names no queue is refused with what to write instead."""
    with pytest.raises(UsageError, match=f"{words}$"):
        opener(url, tmp_path)


def test_password_is_not_repeated(tmp_path: Path) -> None:
    """G7: of a URL that is refused only the scheme is said."""
    with pytest.raises(UsageError) as caught:
        opener("postgresql://me:hunter2@host/db", tmp_path)
    assert "hunter2" not in str(caught.value)


def test_absolute_path_with_a_slash_too_few(tmp_path: Path) -> None:
    """A path that was meant to be absolute does not become a folder beside the source file."""
    with pytest.raises(
        UsageError, match=r"relative to .*, where there is no 'tmp', but /tmp exists\. Write sqlite:////tmp/"
    ):
        opener("sqlite:///tmp/queue.db", tmp_path)
    (tmp_path / "tmp").mkdir()
    assert isinstance(opener("sqlite:///tmp/queue.db", tmp_path)(), SqliteQueue)
