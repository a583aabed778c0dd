"""Runs of a lake that were made by hand, for commands that look at many of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

from haulier.runs.run import Run
from haulier.testing.clock import FakeClock
from tests.cli.conftest import Place as Shop
from tests.runs.rig import Place, finish, thing

SOURCE = """
source = "shop"
[api]
url = "http://127.0.0.1:9"
[streams.things]
get = "/things"
records = "."
pages = "single"
full.once = {}
[streams.others]
get = "/others"
records = "."
pages = "single"
full.once = {}
"""
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
T = TypeVar("T")


class History:
    """Runs of a lake, made by hand, and what the command says of them."""

    def __init__(self, shop: Shop) -> None:
        shop.toml.write_text(SOURCE)
        self.shop = shop
        self.place = Place(shop.folder / "lake", FakeClock(LONG_AGO))

    def run(self, mode: str, *starts: int) -> Run:
        """A run of an ID each, worked and closed."""

        async def work() -> Run:
            process = self.place.process()
            run = await process.claim(mode=mode)
            await process.enqueue(run, [thing(start) for start in starts])
            await finish(self.place, run)
            return run

        return self.do(work)

    def end(self, run: Run, verdict: Literal["superseded", "cancelled"]) -> None:
        self.do(lambda: self.place.process().closer.end(run, verdict))

    def redrive(self, run: Run) -> None:
        self.do(lambda: self.place.process().redriver.redrive(run))

    def finish(self, run: Run) -> None:
        self.do(lambda: finish(self.place, run))

    def claim(self, mode: str) -> Run:
        return self.do(lambda: self.place.process().claim(mode=mode))

    def do(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async def whole() -> T:
            try:
                return await work()
            finally:
                await self.place.close()

        self.place.clock.advance(HOUR.total_seconds())
        return asyncio.run(whole())

    def listed(self, *words: str) -> list[str]:
        said = self.shop.run("latest", "things", "--json", *words)
        assert said.code == 0, said.err
        return [each["run_id"] for each in said.json["snapshots"]]
