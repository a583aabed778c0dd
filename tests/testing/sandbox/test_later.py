"""The sandbox as an API with a feed and with exports, read by a source file that users would write for them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from haulier.config.source_file import load_source
from haulier.sources.finished import Finished
from haulier.sources.rest import RestSource
from haulier.testing.sandbox import Sandbox, SandboxSettings, record_ids
from tests.sources.situation import situation

SETTINGS = SandboxSettings(records=150, page_size=40, gap_after=50, gap_ids=200)
SOURCE = """
source = "sandbox"
lake = "lake"
[api]
url = "{url}"
[streams.changes]
get = "/feed"
records = "items"
pages = {{ cursor = "next", query = "cursor" }}
[streams.changes.incremental.feed]
token = "sync"
query = "since"
[streams.exported]
post = "/exports"
json = {{ query = {{ from_id = "{{start}}", to_id = "{{end}}" }} }}
records = "items"
pages = "single"
[streams.exported.job]
id = "id"
poll = "/exports/{{job}}"
state = "state"
done = "done"
failed = "failed"
files = "files"
count = "count"
empty = "no files"
every = "10ms"
[streams.exported.full.ids]
last = {{ get = "/items/newest", at = "id" }}
step = 70
"""


async def read(file: Path, url: str, mode: str, stream: str, since: str = "") -> tuple[list[int], str]:
    """The IDs of the records, and where a feed ends."""
    file.write_text(SOURCE.format(url=url))
    settings = load_source(file, {})
    source = RestSource(settings.name, settings.streams)
    found: list[int] = []
    async with situation(settings.api) as context:
        context = dataclasses.replace(context, finished=Finished(feeds={stream: {"": since}} if since else {}))
        async for item in source.enumerate(mode, (stream,), context):
            async for page in source.processors[type(item)](item, context):
                found += [json.loads(record)["id"] for record in page.records]  # type: ignore[union-attr]
        end = context.api.usage.feed_end
    # In front of it stands which request it belongs to.
    return found, "" if end is None else end.end.rpartition(" ")[2]


async def test_a_feed_has_all_records_and_then_those_that_came_since(tmp_path: Path) -> None:
    ids = list(record_ids(SETTINGS))
    async with Sandbox(SETTINGS) as sandbox:
        assert await read(tmp_path / "s.toml", sandbox.url, "incremental", "changes") == (ids, "150")
        sandbox.change(records=190)
        assert (await read(tmp_path / "s.toml", sandbox.url, "incremental", "changes", "150"))[0] == list(
            record_ids(sandbox.settings)
        )[150:]
        sandbox.change(records=100)  # The token is beyond them: the feed begins anew.
        assert await read(tmp_path / "s.toml", sandbox.url, "incremental", "changes", "150") == (ids[:100], "100")


async def test_exports_have_every_record_once(tmp_path: Path) -> None:
    async with Sandbox(SETTINGS) as sandbox:
        assert (await read(tmp_path / "s.toml", sandbox.url, "full", "exported"))[0] == list(record_ids(SETTINGS))
