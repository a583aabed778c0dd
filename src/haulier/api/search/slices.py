"""Slices of one point in time, read at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from haulier.api.search.hits import HitPage


async def merge(walks: Sequence[AsyncGenerator[HitPage, None]]) -> AsyncGenerator[HitPage, None]:
    """Yield the pages of all walks as they come. Each walk asks for its next page while one of its pages waits here, so
    that at most two pages of a walk are in memory. The first error ends all."""
    queue: asyncio.Queue[HitPage | BaseException | None] = asyncio.Queue(1)

    async def feed(walk: AsyncGenerator[HitPage, None]) -> None:
        try:
            async with aclosing(walk):
                async for page in walk:
                    await queue.put(page)
                    del page
        except Exception as error:  # noqa: BLE001 - handed on to who reads the merged pages
            await queue.put(error)
        else:
            await queue.put(None)

    # No task group: it would wrap the end of this generator, which may come at any page, into an error.
    tasks = [asyncio.create_task(feed(walk)) for walk in walks]
    try:
        running = len(tasks)
        while running:
            found = await queue.get()
            if isinstance(found, BaseException):
                raise found
            if found is None:
                running -= 1
            else:
                yield found
            del found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
