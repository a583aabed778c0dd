"""From what a source file says (`queue = "sqlite"`) to a backend."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from haulier.clock import Clock
from haulier.errors import UsageError
from haulier.queues.memory import MemoryQueueOpener
from haulier.queues.seam import QueueOpener, ThisProcess
from haulier.queues.sqlite.queue import BUSY_TIMEOUT_SECONDS, SqliteQueue

SUPPORTED = 'queue = "sqlite", queue = "sqlite:///path/to/file.sqlite3" or queue = "memory"'
_LATER = {
    "azure-queue": "Azure Storage Queue comes in a later version.",
    "postgresql": "PostgreSQL comes in a later version.",
    "postgres": "PostgreSQL comes in a later version.",
    "sqs": "Amazon SQS comes in a later version.",
}


def queue_opener(
    url: str, *, base: Path, source: str, clock: Clock, lease_seconds: float, process: ThisProcess | None = None
) -> QueueOpener:
    """What opens clients of the queue named by ``url``.

    ``sqlite`` is ``base/.haulier/<source>/queue.sqlite3``. ``sqlite:///queue.sqlite3`` is relative to ``base``, the
    source file's folder; ``sqlite:////var/lib/queue.sqlite3``, with four slashes, is absolute. ``memory`` lives and
    dies with the opener. ``lease_seconds`` bounds how long a client waits for a busy file, ``process``
    says whose its leases are. Opens nothing yet; raises
    `UsageError` for anything else.
    """
    path = file_of(url, base=base, source=source)
    if path is None:
        return MemoryQueueOpener(clock)
    # Below a third of the lease, so that a renewal that had to wait still comes in time.
    busy_timeout_seconds = min(BUSY_TIMEOUT_SECONDS, lease_seconds / 4)

    def open_client() -> SqliteQueue:
        return SqliteQueue(path, clock, busy_timeout_seconds=busy_timeout_seconds, process=process)

    return open_client


def file_of(url: str, *, base: Path, source: str) -> Path | None:
    """The file of the queue named by ``url``; None of one in memory. Raises `UsageError` as `queue_opener` does."""
    if url == "memory":
        return None
    if url == "sqlite":
        return base / ".haulier" / source / "queue.sqlite3"
    if url.startswith("sqlite:///"):
        return _path(url.removeprefix("sqlite:///"), base)
    if url.startswith("sqlite:"):
        raise UsageError("The URL of a SQLite queue has three slashes: write sqlite:///path/to/queue.sqlite3.")
    raise _unsupported(url)


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
            f"Write sqlite:////{written} for the absolute path, or make the folder {base / first}."
        )
    return base / path


def _unsupported(url: str) -> UsageError:
    # A URL of another queue may carry a password: only its scheme is repeated.
    scheme = url.partition(":")[0][:40]
    later = _LATER.get(scheme.partition("+")[0], "")
    return UsageError(f"A queue of kind {scheme!r} is not supported. {later} Write {SUPPORTED}.".replace(".  ", ". "))
