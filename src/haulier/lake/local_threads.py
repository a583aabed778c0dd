"""The threads that do the local lake's blocking work, and the words for what its disk refuses."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

from haulier.errors import LakeUnavailableError

THREADS = 8
"""Enough for a disk to join the fsyncs of several items into one; 16 and 32 gained nothing where it was measured."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class LocalThreads:
    """Runs blocking work for a lake at ``root``. No `OSError` gets out: what the disk refuses is told in words."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="haulier-lake")

    async def run(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """``work(*arguments)`` on a thread. When this returns, raises or is cancelled, the work has ended.

        A thread cannot be stopped. A caller that went on after a cancellation would close or reuse a descriptor that
        the thread still writes to.
        """
        future = asyncio.get_running_loop().run_in_executor(self._executor, self._in_words, work, *arguments)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            while not future.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([future])
            raise

    async def close(self) -> None:
        """Let the threads end. Idempotent; `run` is an error afterwards."""
        await asyncio.to_thread(self._executor.shutdown)

    def _in_words(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        try:
            return work(*arguments)
        except OSError as error:
            raise unavailable(error, self._root) from error


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
