"""Where a queue's file may stand: a writable folder on a local disk, locked while the file is opened or replaced."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

from haulier.errors import QueueUnavailableError, UsageError

MAX_SET_ASIDE = 10
"""Damaged queues kept beside the good one. A disk that spoils more than these is not worth a fresh file."""

_LOCK_POLL_SECONDS = 0.05
_MOUNTS = Path("/proc/self/mountinfo")
# Locks or shared memory of these are kept by another machine, or by a program: SQLite's documentation on WAL and on
# "how to corrupt a database file" names both as ways to lose rows.
_REMOTE = re.compile(
    "9p|acfs|afs|beegfs|ceph|cifs|coda|drvfs|fakeowner|fuse.*|gfs2?|glusterfs|gpfs|lustre|ncpfs|nfs.*|ocfs2|orangefs|"
    "prl_fs|pvfs2|smb.*|vboxsf|virtiofs|vmhgfs"
)


def prepare_folder(path: Path) -> None:
    """Make the folder of the queue's file ``path`` (for its user alone) if it is missing.

    Raises `UsageError` where a queue cannot live: network and FUSE file systems, folders without the right to write.
    """
    folder = path.parent
    _refuse_remote(folder)
    try:
        _make(folder)
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise UsageError(f"The queue's folder {folder} cannot be made: {error.strerror}. Name another one.") from error
    except OSError as error:
        words = UsageError if error.errno == errno.EROFS else QueueUnavailableError
        raise words(f"The queue's folder {folder} cannot be made: {error.strerror}.") from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise UsageError(f"The queue's folder {folder} cannot be written. Give this user the right, or name another.")
    if path.is_dir():
        raise UsageError(f"The queue's path {path} is a folder. Name a file in it: {path / 'queue.sqlite3'}.")
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        raise UsageError(f"The queue's file {path} cannot be written. Give this user the right, or name another.")


def filesystem_of(folder: Path, mountinfo: str) -> str:
    """The type of the file system that holds ``folder``, by the text of Linux's ``/proc/self/mountinfo``."""
    best, kind = -1, "unknown"
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        mount = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4]))
        # Of equal mount points the last one covers the others.
        if folder.is_relative_to(mount) and len(mount.parts) >= best:
            best, kind = len(mount.parts), after.split(" ")[0]
    return kind


def is_remote(kind: str) -> bool:
    """Whether a type of file system is known not to keep the locks of SQLite."""
    return _REMOTE.fullmatch(kind) is not None


@contextlib.contextmanager
def locked(folder: Path, patience_seconds: float) -> Iterator[None]:
    """Hold the folder against other processes that open or replace a queue in it.

    Between the renames of a damaged file and its log, an opener would marry a fresh file to the old log. The lock is on
    the folder, since closing a descriptor of the queue's own files would drop SQLite's locks
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
                f"Another process has held the queue's folder {folder} for {patience_seconds:g} s. Is one stopped?"
            )
        yield
    finally:
        os.close(descriptor)


def set_aside(path: Path) -> Path:
    """Rename the queue's three files to ``<name>.corrupt-<n>`` and return that. Call it under `locked`."""
    for number in range(1, MAX_SET_ASIDE + 1):
        target = path.with_name(f"{path.name}.corrupt-{number}")
        if not target.exists():
            break
    else:
        raise UsageError(
            f"{MAX_SET_ASIDE} damaged queues stand beside {path}: this disk or its memory is failing. "
            f"Look into that, then remove {path.name}.corrupt-*."
        )
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{target}{suffix}")
    sync_folder(path.parent)
    return target


def remove_orphans(path: Path) -> None:
    """Remove the log and the index of a queue's file that is gone. Call it under `locked`.

    Whoever deletes or moves the file alone leaves both, and a fresh file would share the index with clients that still
    hold the old one: they overwrite each other (*seen*: the fresh file was malformed after 3,000 messages).
    """
    if not path.exists():
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # On macOS fsync leaves the bytes in the drive's own cache; F_FULLFSYNC is refused by some file systems.
        full = getattr(fcntl, "F_FULLFSYNC", None)
        if full is not None:
            with contextlib.suppress(OSError):
                fcntl.fcntl(descriptor, full)
                return
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make(folder: Path) -> None:
    if folder.is_dir():
        return
    _make(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "a file of that name stands there", str(folder))
    sync_folder(folder.parent)


def _refuse_remote(folder: Path) -> None:
    try:
        kind = filesystem_of(folder.resolve(), _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape"))
    except OSError:
        return  # Not Linux, or no /proc: nothing is known, and macOS has no such table.
    if is_remote(kind):
        raise UsageError(
            f"The queue's folder {folder} is on a network or FUSE file system ({kind}), which does not keep SQLite's "
            'locks. Name a file on a local disk or volume: queue = "sqlite:////var/lib/haulier/queue.sqlite3".'
        )
