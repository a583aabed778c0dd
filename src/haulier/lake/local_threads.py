"""The threads that do the local lake's blocking work, and the words for what its disk refuses."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar, TypeVarTuple

from haulier.errors import LakeUnavailableError

THREADS = 8
"""Enough for a disk to join the fsyncs of several items into one; 16 and 32 gained nothing where it was measured."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class LocalThreads:
    """Runs blocking work for a lake at ``root``. No `OSError` gets out: what the disk refuses is told in words.

    An item passes through here three times. An executor of the standard library wraps each call into two futures and a
    lock, which cost 29 us of CPU where this costs 2.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._jobs: SimpleQueue[_Job[Any]] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._is_closed = False

    async def run(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """``work(*arguments)`` on a thread. When this returns, raises or is cancelled, the work has ended.

        A thread cannot be stopped. A caller that went on after a cancellation would close or reuse a descriptor that
        the thread still writes to.
        """
        if self._is_closed:
            raise RuntimeError(f"The lake at {self._root} is closed.")
        job = _Job(asyncio.get_running_loop(), lambda: work(*arguments))
        self._jobs.put(job)
        if len(self._threads) < THREADS:
            self._start_thread()
        return await job.ended()

    async def close(self) -> None:
        """Let the threads end, after the work that they were given. Idempotent; `run` is an error afterwards."""
        self._is_closed = True
        threads, self._threads = self._threads, []
        last = [_Job(asyncio.get_running_loop(), _nothing, is_last=True) for _ in threads]
        for job in last:
            self._jobs.put(job)
        for job in last:
            await job.ended()

    def _start_thread(self) -> None:
        # A lake that nobody closed must not keep its process alive.
        thread = threading.Thread(target=self._work_off, name=f"haulier-lake-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work_off(self) -> None:
        is_last = False
        while not is_last:
            job = self._jobs.get()
            job.do(self._root)
            is_last = job.is_last
            del job  # It may hold a page's worth of records, and the next one be long in coming.


class _Job(Generic[T]):
    """A piece of work between the event loop that waits for it and the thread that does it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Callable[[], T], *, is_last: bool = False) -> None:
        self.is_last = is_last
        """Whether its thread ends with it."""
        self._loop = loop
        self._work = work
        self._waiter: asyncio.Future[T] = loop.create_future()
        self._has_ended = False

    async def ended(self) -> T:
        """What the work returns or raises, once it has ended: a cancellation waits for that too."""
        try:
            return await self._waiter
        except asyncio.CancelledError:
            while not self._has_ended:
                # The cancellation took the future with it; the work has to tell another one.
                self._waiter = self._loop.create_future()
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([self._waiter])
            if not self._waiter.cancelled():
                self._waiter.exception()  # Nobody hears of it any more.
            raise

    def do(self, root: str) -> None:
        """On the thread. Raises nothing."""
        result: T | None = None
        error: BaseException | None = None
        try:
            result = self._work()
        except OSError as refused:
            error = unavailable(refused, root)
            error.__cause__ = refused
        except BaseException as raised:  # noqa: BLE001 - whoever awaits it gets it, as from any call
            error = raised
        # A loop that was closed meanwhile has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._tell, result, error)
        del error

    def _tell(self, result: Any, error: BaseException | None) -> None:
        """On the event loop, as all that touches the future."""
        self._has_ended = True
        if self._waiter.done():
            return
        if error is None:
            self._waiter.set_result(result)
        else:
            self._waiter.set_exception(error)


def _nothing() -> None:
    """The work of a thread that is to end."""


def unavailable(error: OSError, root: str) -> LakeUnavailableError:
    """What the disk of the lake at ``root`` said, with what to do about it."""
    reason = error.strerror or str(error)
    where = f" ({error.filename})" if error.filename else ""
    match error.errno:
        case errno.ENOSPC:
            return LakeUnavailableError(
                f"The disk of the lake is full: {_free(root)} at {root}. Free some space and run again."
            )
        case errno.EDQUOT:
            return LakeUnavailableError(
                f"The quota of the lake's disk is used up at {root}. Free some space, or have the quota raised, "
                "and run again."
            )
        case errno.EFBIG:
            return LakeUnavailableError(
                f"A file of the lake at {root} reached the size limit of its disk or of this process (`ulimit -f`). "
                "Raise the limit, or make the items smaller."
            )
        case errno.EROFS | errno.EACCES | errno.EPERM:
            return LakeUnavailableError(
                f"Cannot read and write the lake at {root}: {reason}{where}. Give this user the right to, "
                "or name another folder as lake."
            )
        case errno.EMFILE | errno.ENFILE:
            return LakeUnavailableError(
                f"Too many open files for the lake at {root}. Raise the limit (`ulimit -n 4096`) or lower `in_flight`."
            )
        case errno.EXDEV:
            return LakeUnavailableError(
                f"Parts of the lake at {root} lie on different disks{where}, and a link cannot cross them. "
                "Put the whole lake on one."
            )
        case _:
            return LakeUnavailableError(
                f"The lake at {root} cannot be used: {reason}{where}. Is its disk still there and sound?"
            )


def _free(root: str) -> str:
    """Both, since either may be what is missing; what the failed call has let go of again is counted as free."""
    try:
        space = os.statvfs(root)
    except OSError:
        return "nothing free"
    room = f"{space.f_bavail * space.f_frsize} bytes"
    return f"{room} and {space.f_favail} files free" if space.f_files else f"{room} free"
