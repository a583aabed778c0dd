"""Helper of the contract suites."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class _Client(Protocol):
    async def close(self) -> None: ...


C = TypeVar("C", bound=_Client)


async def in_threads(opener: Callable[[], C], work: Callable[[C], Awaitable[T]], threads: int) -> Sequence[T]:
    """Do ``work`` in several threads at once, each with its own event loop and client."""

    async def with_client() -> T:
        client = opener()
        try:
            return await work(client)
        finally:
            await client.close()

    return await asyncio.gather(*(asyncio.to_thread(lambda: asyncio.run(with_client())) for _ in range(threads)))
