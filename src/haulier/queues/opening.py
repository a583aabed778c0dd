"""Queues, and the shared rows that go with them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from haulier.clock import Clock
from haulier.errors import UsageError
from haulier.queues.memory import MemoryQueueOpener
from haulier.queues.seam import Queue, QueueOpener, ThisProcess
from haulier.queues.sqlite.queue import BUSY_TIMEOUT_SECONDS, SqliteQueue
from haulier.rows.memory import MemoryRows, RowStore
from haulier.rows.seam import Rows
from haulier.schemes import Scheme, examples


@dataclass(frozen=True)
class QueueBackend:
    """Nothing is open yet."""

    open_queue: QueueOpener
    open_both: Callable[[], tuple[Queue, Rows | None]]
    """The two clients may share one connection. None: the queue keeps no rows, and the lake must."""
    local_file: Path | None = None
    """All processes of a source on this machine keep files beside it. It need not exist. None if they share none."""
    system: str = "memory"
    """As telemetry names it."""
    name: str = ""
    """Empty for one that is the source's own, under its name."""


@dataclass(frozen=True)
class _Setting:
    base: Path
    source: str
    clock: Clock
    lease_seconds: float
    process: ThisProcess | None
    is_reader: bool


def queue_backend(
    url: str,
    *,
    base: Path,
    source: str,
    clock: Clock,
    lease_seconds: float,
    process: ThisProcess | None = None,
    is_reader: bool = False,
) -> QueueBackend:
    """Opens nothing yet. Raises `UsageError` for a URL that names no queue.

    ``sqlite`` is ``base/.haulier/<source>/queue.sqlite3``. ``sqlite:///queue.sqlite3`` is relative to ``base``, the
    source file's folder; ``sqlite:////var/lib/queue.sqlite3``, with four slashes, is absolute. ``memory`` lives and
    dies with what is returned. ``azure-queue://account/queue`` keeps no rows. ``lease_seconds`` bounds the wait for a
    busy file and for an answer. ``is_reader``: what is not there is empty, and is made by nothing that only reads.
    """
    name = url.partition(":")[0]
    scheme = _SCHEMES.get(name)
    if scheme is None:
        # A URL of another queue may carry a password: only its scheme is repeated.
        later = _LATER.get(name.partition("+")[0], "")
        refused = f"A queue of kind {name[:40]!r} is not supported. {later}".rstrip()
        raise UsageError(f"{refused} Write {examples(_SCHEMES.values())}.")
    return scheme.open(url, _Setting(base, source, clock, lease_seconds, process, is_reader))


def own_file(base: Path, source: str) -> Path:
    """That of ``sqlite``."""
    return base / ".haulier" / source / "queue.sqlite3"


def anchor_url(url: str, folder: Path) -> str:
    """Make the path in ``url`` absolute, for somebody who typed it in ``folder``. ``sqlite`` alone stays the source's
    own file. Raises `UsageError` for a path that lacks its fourth slash."""
    written = url.removeprefix("sqlite:///")
    if written == url or unquote(written).startswith("/"):
        return url
    _path(written, folder)
    return f"sqlite:///{quote(str(folder))}/{written}"


def _open_memory(url: str, setting: _Setting) -> QueueBackend:
    if url != "memory":
        raise UsageError('A queue in memory has no address. Write queue = "memory".')
    open_queue, store = MemoryQueueOpener(setting.clock), RowStore()
    return QueueBackend(open_queue, lambda: (open_queue(), MemoryRows(store)))


def _open_sqlite(url: str, setting: _Setting) -> QueueBackend:
    path = _sqlite_file(url, setting)
    # Below a third of the lease, so that a renewal that had to wait still comes in time.
    busy_timeout_seconds = min(BUSY_TIMEOUT_SECONDS, setting.lease_seconds / 4)

    def open_queue() -> SqliteQueue:
        return SqliteQueue(
            path,
            setting.clock,
            busy_timeout_seconds=busy_timeout_seconds,
            process=setting.process,
            is_reader=setting.is_reader,
        )

    def open_both() -> tuple[Queue, Rows | None]:
        queue = open_queue()
        return queue, queue.rows

    return QueueBackend(open_queue, open_both, local_file=path, system="sqlite")


def read_azure_url(url: str) -> tuple[str, str]:
    """The account and the queue that it names; no SDK is needed for it. Raises `UsageError`."""
    found = _AZURE_URL.fullmatch(url)
    if found is None:
        raise UsageError("The URL of an Azure queue is azure-queue://ACCOUNT/QUEUE, and nothing else.")
    name = found["queue"]
    # Room for the name of its poison queue, the longest.
    if not _AZURE_NAME.fullmatch(name) or not 3 <= len(name) <= _LONGEST_AZURE_NAME:
        raise UsageError(
            f"{name[:80]!r} is not the name of an Azure queue: that has 3 to {_LONGEST_AZURE_NAME} of a-z, 0-9 and "
            "single hyphens, and begins and ends with a letter or digit."
        )
    if name.endswith(_TAKEN_SUFFIXES):
        raise UsageError(
            f"{name!r} is the name of a queue that haulier makes beside another one: those that end in "
            f"{' or '.join(_TAKEN_SUFFIXES)} cannot be a source's own. Choose another name."
        )
    return found["account"], name


def _open_azure(url: str, setting: _Setting) -> QueueBackend:
    from haulier.azure.account import find_account
    from haulier.queues.azure.queue import AzureQueue

    account_name, name = read_azure_url(url)
    account, seconds = find_account(account_name), setting.lease_seconds

    def open_queue() -> AzureQueue:
        return AzureQueue(
            account,
            name,
            setting.clock,
            # Below a third of the lease, so that a renewal that had no answer is asked for again in time.
            call_seconds=max(2.0, min(10.0, seconds / 4)),
            patience_seconds=2 * seconds,
        )

    local_file = setting.base / ".haulier" / setting.source / "azure-queue"
    return QueueBackend(open_queue, lambda: (open_queue(), None), local_file, "azure_storage_queue", name)


_SCHEMES: dict[str, Scheme[[str, _Setting], QueueBackend]] = {
    "sqlite": Scheme(_open_sqlite, ('queue = "sqlite"', 'queue = "sqlite:///path/to/file.sqlite3"')),
    "memory": Scheme(_open_memory, ('queue = "memory"',)),
    "azure-queue": Scheme(_open_azure, ('queue = "azure-queue://ACCOUNT/QUEUE"',), extra="azure"),
}
_LATER = {
    "postgresql": "PostgreSQL is planned for a later version.",
    "postgres": "PostgreSQL is planned for a later version.",
    "sqs": "Amazon SQS is planned for a later version.",
}
_AZURE_URL = re.compile(r"azure-queue://(?P<account>[^/?#@:]+)/(?P<queue>[^/?#]+)/?")
_AZURE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
FIRST_LANE_SUFFIX = "-first"
"""Ends the name of the queue beside an Azure queue whose messages go first."""
_TAKEN_SUFFIXES = (FIRST_LANE_SUFFIX, "-poison")
_LONGEST_AZURE_NAME = 63 - max(map(len, _TAKEN_SUFFIXES))


def _sqlite_file(url: str, setting: _Setting) -> Path:
    if url == "sqlite":
        return own_file(setting.base, setting.source)
    if url.startswith("sqlite:///"):
        return _path(url.removeprefix("sqlite:///"), setting.base)
    raise UsageError("The URL of a SQLite queue has three slashes: write sqlite:///path/to/queue.sqlite3.")


def _path(written: str, base: Path) -> Path:
    path = Path(unquote(written))
    if not path.name or written.endswith("/") or not str(path).isprintable() or any(sign in written for sign in "?#"):
        raise UsageError("A queue's URL names a file and nothing else. Write sqlite:///path/to/queue.sqlite3.")
    if path.is_absolute():
        return path
    # With three slashes /data/queue.sqlite3 would quietly become a folder beside the source file, lost with its
    # container and shared with nobody.
    first = path.parts[0]
    if len(path.parts) > 1 and first != ".." and not (base / first).exists() and (Path("/") / first).is_dir():
        raise UsageError(
            f"sqlite:///{written} is relative to {base}, where there is no {first!r}, but /{first} exists. "
            f"Write sqlite:////{written} for the absolute path, or create the folder {base / first}."
        )
    return base / path
