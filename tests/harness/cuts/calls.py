"""Cuts between steps: wraps lake, queue and transport so that a process ends, or halts, at its n-th call to them.

A coroutine stands for a process. All parts of one process are wrapped by one `Cuts`; at the chosen call it raises a
`BaseException` of its own, and from then on every call does, so that no ``finally`` does what a killed process could
not. What was done before the cut stays in the lake and the queue, and fresh parts over the same store are the next
process.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

T = TypeVar("T")


class _CutOffError(BaseException):
    """The process is dead. No `except Exception` of the code under test may keep it alive."""


@dataclass(frozen=True)
class Cut:
    """Where a process ends: before or after its call number ``call`` (from 1), or the first call of that name."""

    call: int | str
    is_after: bool = False

    def is_at(self, number: int, name: str, is_after: bool) -> bool:
        return self.call in (number, name) and self.is_after == is_after


def every_cut(whole: Cuts) -> Iterator[Cut]:
    """A cut between every two neighbouring calls of a process that ran to its end, before the first and after the last.

    Before a call and after the one that precedes it are the same for everybody else, so that one of them will do.
    """
    for call in range(1, len(whole.calls) + 1):
        yield Cut(call)
    yield Cut(len(whole.calls), is_after=True)


class Cuts:
    """One process's calls, in their order. Without a cut it only counts them.

    ``on_call`` is awaited before each call and again after it, with the call's number and name: a test halts the
    process there, or lets another one go on meanwhile.
    """

    def __init__(
        self, cut: Cut | None = None, on_call: Callable[[int, str, bool], Awaitable[None]] | None = None
    ) -> None:
        self._cut = cut
        self._on_call = on_call
        self.calls: list[str] = []
        """The names of the calls made so far, such as ``LocalLake.create``."""
        self.is_dead = False

    def wrap(self, part: T) -> T:
        """The same part, seen through the cuts. Whatever its calls return that has calls of its own is wrapped too."""
        return cast(T, _Wrapped(self, part))

    async def run(self, process: Awaitable[T]) -> T | None:
        """Await a process to its end, or to its cut: None then, and `is_dead` is true."""
        try:
            return await process
        except BaseException:
            # A task group hands the cut on in a group, and code under test may have put another error on top of it.
            if not self.is_dead:
                raise
            return None

    async def pass_call(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        """Make one call, unless the process ends before it; and end after it, if that is asked."""
        number = await self._enter(name)
        result = await call()
        await self._leave(number, name)
        return result

    async def pass_listing(self, name: str, listing: AsyncIterator[T]) -> AsyncIterator[T]:
        """A listing is one call, from its first piece to its last."""
        number = await self._enter(name)
        async for piece in listing:
            yield piece
            self._refuse_dead()
        await self._leave(number, name)

    async def _enter(self, name: str) -> int:
        self._refuse_dead()
        self.calls.append(name)
        number = len(self.calls)
        self._end_at(number, name, False)
        if self._on_call is not None:
            await self._on_call(number, name, False)
            self._refuse_dead()
        return number

    async def _leave(self, number: int, name: str) -> None:
        self._refuse_dead()
        self._end_at(number, name, True)
        if self._on_call is not None:
            await self._on_call(number, name, True)
            self._refuse_dead()

    def _end_at(self, number: int, name: str, is_after: bool) -> None:
        if self._cut is not None and self._cut.is_at(number, name, is_after):
            self.is_dead = True
            self._refuse_dead()

    def _refuse_dead(self) -> None:
        if self.is_dead:
            raise _CutOffError


class Halt:
    """Stops a process at chosen calls, one after the other, until it is let go: SIGSTOP and SIGCONT between two steps.

    Pass it as ``on_call``: ``Cuts(on_call=Halt(Cut(7)))``. A name stands for its first call after the halt before it.
    """

    def __init__(self, *at: Cut) -> None:
        self._at = list(at)
        self._reached = asyncio.Event()
        self._released = asyncio.Event()

    async def __call__(self, number: int, name: str, is_after: bool) -> None:
        if self._at and self._at[0].is_at(number, name, is_after):
            self._at.pop(0)
            self._reached.set()
            await self._released.wait()
            self._released.clear()

    async def reached(self, process: asyncio.Task[Any]) -> bool:
        """Wait until the process halts. False if it ended without coming so far."""
        waiting = asyncio.ensure_future(self._reached.wait())
        await asyncio.wait({waiting, process}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        is_reached = self._reached.is_set()
        self._reached.clear()
        return is_reached

    def release(self) -> None:
        """Let the process go on, to its next halt or its end."""
        self._released.set()


class _Wrapped:
    """Stands in for a part: every call that is awaited, or listed, passes the cuts; all else is the part's own."""

    def __init__(self, cuts: Cuts, part: Any) -> None:
        self._cuts = cuts
        self._part = part

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        full_name = f"{type(self._part).__name__}.{name}"
        if inspect.iscoroutinefunction(found):
            return lambda *arguments, **options: self._call(full_name, found, *arguments, **options)
        if inspect.ismethod(found):
            return lambda *arguments, **options: self._plain(full_name, found, *arguments, **options)
        return found

    async def _call(self, name: str, call: Callable[..., Awaitable[Any]], *arguments: Any, **options: Any) -> Any:
        own = [_unwrapped(argument) for argument in arguments]
        result = await self._cuts.pass_call(name, lambda: call(*own, **options))
        return self._cuts.wrap(result) if _has_calls(result.__class__) else result

    def _plain(self, name: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        result = call(*(_unwrapped(argument) for argument in arguments), **options)
        if isinstance(result, AsyncIterator):
            return self._cuts.pass_listing(name, result)
        return result


def _unwrapped(argument: Any) -> Any:
    """A spool that went out wrapped comes back to its lake as it is."""
    return argument._part if isinstance(argument, _Wrapped) else argument


@functools.cache
def _has_calls(kind: type) -> bool:
    return any(inspect.iscoroutinefunction(member) for _, member in inspect.getmembers(kind))
