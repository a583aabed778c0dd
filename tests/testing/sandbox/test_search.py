"""The sandbox is a search server too: a source of one can be tested against it, from a file and in Python."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from haulier import Api, App, Context, Page, Search, TimeWindow, WorkItem, time_windows
from haulier.testing import run_app
from haulier.testing.sandbox import Sandbox, SandboxSettings, record_bytes, record_ids
from haulier.testing.sandbox.answers import answer
from tests.sources.situation import situation

SETTINGS = SandboxSettings(records=1_000, event_step_seconds=600, events_per_step=7)
NOW = datetime(2024, 1, 8, tzinfo=UTC)
EVENTS = Search("events", time="changed_at", size=100)

FILE = """
source = "events"
[api]
url = "http://127.0.0.1:1"
[streams.events]
search = { index = "events", time = "changed_at", size = 60, slices = 2, add = ["_id"] }
[streams.events.full.windows]
start = 2024-01-01T00:00:00Z
step = "12h"
"""


def app() -> App:
    """The same in Python: windows of a day, whose documents the processor asks for."""
    made = App("events", api=Api("http://127.0.0.1:1"))

    @dataclass(frozen=True)
    class Day(WorkItem, stream="events", kind="events_day"):
        window: TimeWindow

    @made.enumerate("full")
    async def plan(ctx: Context) -> AsyncIterator[WorkItem]:
        await ctx.api.check_search(EVENTS)
        for window in time_windows(datetime(2024, 1, 1, tzinfo=UTC), ctx.snapshot_time, step=timedelta(days=1)):
            yield Day(window)

    @made.processor(Day)
    async def pages(item: Day, ctx: Context) -> AsyncIterator[Page]:
        async for page in ctx.api.search(EVENTS, item.window):
            yield page

    return made


async def test_a_source_in_python_is_tested_against_it() -> None:
    """G1, G6: every record once, as its own bytes, through a small run."""
    result = await run_app(app(), api=SETTINGS, now=NOW)
    assert sorted(result.lines) == sorted(record_bytes(SETTINGS, number) for number in record_ids(SETTINGS))


async def test_a_source_file_is_tested_against_it(tmp_path: Path) -> None:
    """Slices of a point in time, and the IDs of hits in front of each record."""
    file = tmp_path / "events.toml"
    file.write_text(FILE)
    result = await run_app(str(file), api=SETTINGS, now=NOW)
    wanted = [b'{"_id":"%d",' % number + record_bytes(SETTINGS, number)[1:] for number in record_ids(SETTINGS)]
    assert sorted(result.lines) == sorted(wanted)


@pytest.mark.parametrize(
    ("target", "body", "said"),
    [
        ("/_search", b'{"size":1}', b"and not both"),
        ("/events/_search", b'{"size":10001}', b"too large"),
        ("/events/_search", b'{"sort":["_doc"]}', b"sorts by _shard_doc"),
        ("/_search", b'{"pit":{"id":"other"}}', b"search_context_missing_exception"),
        ("/events/_search", b'{"query":{"bool":{"filter":[{"term":{"id":1}}]}}}', b"by a range of changed_at alone"),
    ],
)
def test_what_a_server_refuses_it_refuses(target: str, body: bytes, said: bytes) -> None:
    """A mistake of a client shows in its test."""
    made = answer(SETTINGS, target, body=body, method="POST")
    assert made.status in (400, 404)
    assert said in made.body


async def test_a_search_without_time_has_all(tmp_path: Path) -> None:
    """One point in time of the whole index, without slices."""
    async with Sandbox(SETTINGS) as server, situation(Api(server.url)) as context:
        everything = replace(EVENTS, time="")
        records = [bytes(record) async for page in context.api.search(everything) for record in page.records]
    assert records == [record_bytes(SETTINGS, number) for number in record_ids(SETTINGS)]
