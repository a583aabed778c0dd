"""One connection to a queue's file: opened at first use, healed when it breaks."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import apsw

from haulier.errors import NewerFormatError, QueueUnavailableError, UsageError
from haulier.queues.sqlite.place import locked, prepare_folder, remove_orphans, set_aside
from haulier.queues.sqlite.schema import make_tables, not_a_queue, require_safe_sqlite, set_up

T = TypeVar("T")
Work = Callable[[apsw.Connection], T]
_READ = "BEGIN"

_logger = logging.getLogger("haulier.queues")


class SqliteFile:
    """All methods block, and belong to one thread.

    A damaged file is moved aside and a fresh one made. One that was moved or deleted under the connection is left for
    what stands at ``path`` now. A warning says either, and the work is done once more: plan and lake rebuild what was
    in the queue (G1). To a reader a file that is not there is empty, and no read makes it.
    """

    def __init__(self, path: Path, busy_timeout_seconds: float, *, is_reader: bool = False) -> None:
        self.path = path
        self._is_reader = is_reader
        self.generation = ""
        self._busy_timeout_seconds = busy_timeout_seconds
        self._connection: apsw.Connection | None = None
        self._moved = ctypes.c_int(0)

    def write(self, work: Work[T]) -> T:
        """Do ``work`` durably, or not at all. The write lock is taken first, so that no upgrade can fail."""
        return self._run(work, "BEGIN IMMEDIATE")

    def read(self, work: Work[T]) -> T:
        return self._run(work, _READ)

    def close(self) -> None:
        """Leaves an empty log if nobody else is at work. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with contextlib.suppress(apsw.Error):
            connection.set_busy_timeout(0)
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        connection.close(force=True)

    def _read_nothing(self, work: Work[T]) -> T:
        self._drop()
        with contextlib.closing(apsw.Connection(":memory:")) as connection:
            make_tables(connection)
            return work(connection)

    def _run(self, work: Work[T], begin: str) -> T:
        try:
            try:
                return self._once(work, begin)
            except (_MovedError, apsw.CorruptError, apsw.NotADBError) as error:
                self._replace(error)
                return self._once(work, begin)
        except (_MovedError, apsw.Error, OSError) as error:
            raise self._in_words(error) from error

    def _once(self, work: Work[T], begin: str) -> T:
        if self._is_reader and begin == _READ and not self.path.exists():
            return self._read_nothing(work)
        connection = self._connection or self._open()
        try:
            connection.execute(begin)
            result = work(connection)
            connection.execute("COMMIT")
            # Asked afterwards: what went into a file that has no name any more is done once more in the one that has.
            if self._has_moved(connection):
                raise _MovedError
        except BaseException:
            # SQLite has rolled back by itself after some errors, such as a full disk.
            if not connection.get_autocommit():
                with contextlib.suppress(apsw.Error):
                    connection.execute("ROLLBACK")
            raise
        return result

    def _open(self) -> apsw.Connection:
        require_safe_sqlite()
        prepare_folder(self.path)
        with locked(self.path.parent, self._busy_timeout_seconds):
            remove_orphans(self.path)
            try:
                self._connection = self._connect()
            except (apsw.CorruptError, apsw.NotADBError) as error:
                # A queue of ours always has its log beside it, since none of us deletes that. A file without one that
                # is no database is somebody's file, named by mistake.
                if not os.path.exists(f"{self.path}-wal"):
                    raise not_a_queue(self.path) from error
                self._set_aside(error)
                self._connection = self._connect()
        return self._connection

    def _connect(self) -> apsw.Connection:
        connection = apsw.Connection(str(self.path))
        try:
            # The last to close would delete the log by its *name*. After a damaged file was moved aside, that name is
            # the fresh file's.
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            connection.set_busy_timeout(round(self._busy_timeout_seconds * 1000))
            self.generation = set_up(connection, self.path)
        except BaseException as error:
            if isinstance(error, UsageError) and not isinstance(error, NewerFormatError):
                # Somebody else's file: SQLite takes away what it laid beside it.
                connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
            connection.close(force=True)
            raise
        return connection

    def _has_moved(self, connection: apsw.Connection) -> bool:
        connection.file_control("main", apsw.SQLITE_FCNTL_HAS_MOVED, ctypes.addressof(self._moved))
        return bool(self._moved.value)

    def _replace(self, error: Exception) -> None:
        if self._connection is None:
            raise error
        # Of several that find the damage the first one moves the file; to the others it has moved.
        if not self._has_moved(self._connection):
            with locked(self.path.parent, self._busy_timeout_seconds):
                if not self._has_moved(self._connection):
                    self._set_aside(error)
                    self._drop()
                    return
        self._say(f"The queue's file {self.path} was moved or deleted while it was open; it is opened again.")
        self._drop()

    def _set_aside(self, error: Exception) -> None:
        target = set_aside(self.path)
        self._say(
            f"The queue's file {self.path} is damaged ({error}). It was moved to {target.name} and a fresh queue was "
            "made; what was in it is sent again from the plan, and nothing is lost."
        )

    def _say(self, notice: str) -> None:
        _logger.warning("The queue's file was replaced: %s", notice)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close(force=True)

    def _in_words(self, error: Exception) -> QueueUnavailableError:
        match error:
            case apsw.BusyError() | apsw.LockedError() | apsw.ProtocolError():
                return QueueUnavailableError(
                    f"The queue {self.path} has been held by another process for {self._busy_timeout_seconds:g} s. "
                    "Is that process suspended? haulier keeps trying."
                )
            case apsw.FullError():
                return QueueUnavailableError(f"The disk of the queue {self.path} is full. Make room; nothing was lost.")
            case _:
                # What the connection still believes about its files may be wrong: the next call opens another.
                self._drop()
                return QueueUnavailableError(
                    f"The queue {self.path} cannot be used: {str(error) or 'it keeps moving'}."
                )


class _MovedError(Exception):
    """The path no longer leads to the file that the connection holds."""
