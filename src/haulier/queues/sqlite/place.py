"""Folders for a queue's file: writable, on a local disk, locked while the file is opened or replaced."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from haulier.disks import Mount, mount_of, mounts, sync_folder
from haulier.errors import QueueUnavailableError, UsageError

MAX_SET_ASIDE = 10
"""A disk that spoils more queues is not worth a fresh file."""

_LOCK_POLL_SECONDS = 0.05

_NO_PLACE = frozenset(
    {
        *(errno.EEXIST, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EROFS),
        *(errno.ENOENT, errno.ENAMETOOLONG, errno.ELOOP),
    }
)
"""Errors where this user cannot create the folder."""


def prepare_folder(path: Path, read_mounts: Callable[[], list[Mount]] = mounts) -> None:
    """The folder is made for its user alone. Raises `UsageError` on network and FUSE file systems, and without the
    right to write."""
    folder = path.parent
    _refuse_remote(folder, read_mounts())
    try:
        _make(folder)
    except OSError as error:
        problem = f"The queue's folder {folder} cannot be created: {error.strerror}."
        if error.errno in _NO_PLACE:
            raise UsageError(f"{problem} Name another one, on a local disk that this user can write.") from error
        raise QueueUnavailableError(problem) from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise UsageError(f"The queue's folder {folder} cannot be written. Give this user the right, or name another.")
    if path.is_dir():
        raise UsageError(f"The queue's path {path} is a folder. Name a file in it: {path / 'queue.sqlite3'}.")
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        raise UsageError(f"The queue's file {path} cannot be written. Give this user the right, or name another.")


@contextlib.contextmanager
def locked(folder: Path, patience_seconds: float) -> Iterator[None]:
    """Keep other processes from opening or replacing a queue in the folder: between the renames of a damaged file and
    its log, an opener would pair a fresh file with the old log.

    The lock is on the folder, since closing a descriptor of the queue's own files would drop SQLite's locks
    (docs/protocol.md#the-sqlite-queue).
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for _ in range(max(1, round(patience_seconds / _LOCK_POLL_SECONDS))):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                threading.Event().wait(_LOCK_POLL_SECONDS)
        else:
            raise QueueUnavailableError(
                f"Another process has held the queue's folder {folder} for {patience_seconds:g} s. "
                "Is that process suspended?"
            )
        yield
    finally:
        os.close(descriptor)


def set_aside(path: Path) -> Path:
    """Rename file, log and index to ``<name>.corrupt-<n>``. Call it under `locked`."""
    for number in range(1, MAX_SET_ASIDE + 1):
        target = path.with_name(f"{path.name}.corrupt-{number}")
        if not target.exists():
            break
    else:
        raise UsageError(
            f"{MAX_SET_ASIDE} damaged queues stand beside {path}: the disk or the memory of this machine is failing. "
            f"Check both, then remove {path.name}.corrupt-*."
        )
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{target}{suffix}")
    sync_folder(str(path.parent))
    return target


def remove_orphans(path: Path) -> None:
    """Call it under `locked`. A fresh file would share the index with clients of one that is gone: they overwrite each
    other (*seen*: the fresh file was malformed after 3,000 messages)."""
    if not path.exists():
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)


def _make(folder: Path) -> None:
    if folder.is_dir():
        return
    _make(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "a file of that name exists", str(folder))
    sync_folder(str(folder.parent))


def _refuse_remote(folder: Path, found: list[Mount]) -> None:
    mount = mount_of(os.path.realpath(folder), found)
    if mount and not mount.is_fit:
        raise UsageError(
            f"The queue's folder {folder} is on a network or FUSE file system ({mount.type}), which does not keep "
            "SQLite's locks. Name a file on a local disk or volume: "
            'queue = "sqlite:////var/lib/haulier/queue.sqlite3".'
        )
