"""Threads for blocking work, and words for what the disk refuses."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, TypeVar, TypeVarTuple

from haulier.errors import LakeUnavailableError

THREADS = 8
"""Enough for a disk to join the fsyncs of several items into one; 16 and 32 gained nothing when measured."""

GROUPS_AT_ONCE = 2
"""With one group of a kind under way, a call that comes a moment late waits for the disk twice: a third slower."""

S = TypeVar("S")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_LAST = object()


class LocalThreads:
    """An `OSError` becomes a `LakeUnavailableError`. An executor of the standard library wraps each call into two
    futures and a lock: 29 us of CPU where this costs 2."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._jobs: SimpleQueue[Callable[[], object]] = SimpleQueue()
        """A thread ends with the job that answers `_LAST`."""
        self._threads: list[threading.Thread] = []
        self._groups: dict[Together[Any, Any], _Group] = {}
        self._is_closed = False

    async def run(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """The work has ended when this returns, raises or is cancelled: otherwise a caller would close or reuse a
        descriptor that the thread still writes to."""
        call: Call[None, T] = self._call(None)
        self._put([call], lambda calls: calls[0].attempt(lambda _: work(*arguments)), call.tell)
        return await call.ended()

    async def together(self, work: Together[S, T], argument: S) -> T:
        """Do in one go for all who ask meanwhile. A call that comes alone waits for nobody."""
        call: Call[S, T] = self._call(argument)
        group = self._groups.setdefault(work, _Group())
        group.waiting.append(call)
        if group.under_way < GROUPS_AT_ONCE and len(group.waiting) == 1:
            asyncio.get_running_loop().call_soon(self._hand_over, work, group)
        return await call.ended()

    def side_by_side(self, calls: Sequence[Call[S, T]], step: Callable[[S], T]) -> None:
        """One flush of the disk serves all who wait for it: in a row 16 small files took four times as long. A hint to
        begin writing (`posix_fadvise`) made it slower."""
        left, ended = deque(calls), SimpleQueue[None]()

        def work_off() -> None:
            with contextlib.suppress(IndexError):  # Another thread took the last one.
                while True:
                    left.popleft().attempt(step)
                    ended.put(None)

        for _ in range(min(THREADS, len(calls)) - 1):
            self._jobs.put(work_off)
        work_off()
        for _ in calls:
            ended.get()

    async def close(self) -> None:
        """Let the threads end after their work. Idempotent."""
        self._is_closed = True
        for work, group in self._groups.items():
            self._hand_over(work, group)
        threads, self._threads = self._threads, []
        last: list[Call[None, None]] = [Call(None) for _ in threads]
        for call in last:
            self._jobs.put(partial(self._do, asyncio.get_running_loop(), [call], _nothing, call.tell, _LAST))
        for call in last:
            await call.ended()

    def _call(self, argument: S) -> Call[S, Any]:
        if self._is_closed:
            raise RuntimeError(f"The lake at {self._root} is closed.")
        return Call(argument)

    def _hand_over(self, work: Together[Any, Any], group: _Group) -> None:
        calls, group.waiting = group.waiting, []
        if not calls:
            return
        group.under_way += 1

        def told() -> None:
            group.under_way -= 1
            for call in calls:
                call.tell()
            self._hand_over(work, group)

        self._put(calls, work, told)

    def _put(self, calls: Sequence[Call[S, T]], work: Together[S, T], told: Callable[[], None]) -> None:
        self._jobs.put(partial(self._do, asyncio.get_running_loop(), calls, work, told))
        if len(self._threads) < THREADS:
            self._start_thread()

    def _start_thread(self) -> None:
        # A lake that nobody closed must not keep its process alive.
        thread = threading.Thread(target=self._work_off, name=f"haulier-lake-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work_off(self) -> None:
        answer: object = None
        while answer is not _LAST:
            job = self._jobs.get()
            answer = job()
            del job  # It may hold a page's worth of records, and the next one be long in coming.

    def _do(
        self,
        loop: asyncio.AbstractEventLoop,
        calls: Sequence[Call[S, T]],
        work: Together[S, T],
        told: Callable[[], None],
        answer: object = None,
    ) -> object:
        """On a thread. Raises nothing."""
        try:
            work(calls)
        except BaseException as raised:  # noqa: BLE001 - a fault of ours, for which nobody may wait for ever
            for call in calls:
                call.error = raised
        for call in calls:
            call.in_words(self._root)
        # A loop that was closed meanwhile has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(told)
        return answer


class Call(Generic[S, T]):
    __slots__ = ("_has_ended", "_loop", "_waiter", "argument", "error", "result")

    def __init__(self, argument: S) -> None:
        self.argument = argument
        self.result: T | None = None
        self.error: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[T] = self._loop.create_future()
        self._has_ended = False

    def attempt(self, step: Callable[[S], T]) -> None:
        """On the thread. Does nothing after a step that failed, and raises nothing."""
        if self.error is None:
            try:
                self.result = step(self.argument)
            except BaseException as raised:  # noqa: BLE001 - whoever awaits it gets it, as from any call
                self.error = raised

    def in_words(self, root: str) -> None:
        """On the thread."""
        if isinstance(self.error, OSError):
            refused, self.error = self.error, unavailable(self.error, root)
            self.error.__cause__ = refused

    async def ended(self) -> T:
        """A cancellation waits for the work to end."""
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

    def tell(self) -> None:
        """On the event loop, as all that touches the future."""
        self._has_ended = True
        if self._waiter.done():
            return
        if self.error is None:
            self._waiter.set_result(self.result)  # type: ignore[arg-type]  # what the last step made
        else:
            self._waiter.set_exception(self.error)
        self.error = None


Together = Callable[[Sequence[Call[S, T]]], None]
"""Each step goes through `Call.attempt`, so that one failure does not fail the others."""


@dataclass
class _Group:
    waiting: list[Call[Any, Any]] = field(default_factory=list)
    under_way: int = 0


def _nothing(_: Sequence[Call[None, None]]) -> None:
    """The work of a thread that is to end."""


def unavailable(error: OSError, root: str) -> LakeUnavailableError:
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
    """Bytes and files, since either may be missing. What the failed call let go of counts as free."""
    try:
        space = os.statvfs(root)
    except OSError:
        return "nothing free"
    room = f"{space.f_bavail * space.f_frsize} bytes"
    return f"{room} and {space.f_favail} files free" if space.f_files else f"{room} free"
