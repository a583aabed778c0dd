"""Windows with a second that holds more than the API hands out: they are divided as finely as they can be asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from haulier.app.app import App
from haulier.config.source_file import load_source
from tests.divide.api import page, says, serve
from tests.divide.rig import opened

TOML = """
source = "shop"

[api]
url = "{url}"
in_flight = 4

[streams.items]
get = "/items"
records = "items"
pages = "single"
total = {{ at = "total", is = "exact" }}
divide = {{ above = 100 }}

[streams.items.full.windows]
query = {{ from_id = "{{start}}", to_id = "{{end}}" }}
bounds = {bounds}
start = 2024-01-01T00:00:00Z
end = 2024-01-01T00:01:00Z
step = "1m"
"""
START = datetime(2024, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
UPDATED = 20_000
"""A bulk update: 2,000 rows from this millisecond on, one each."""


def of_text(form: str) -> Callable[[str], int]:
    return lambda text: (datetime.strptime(text, form).replace(tzinfo=UTC) - START) // MILLISECOND


READS: dict[str, Callable[[str], int]] = {
    'format = "iso", granule = "1ms"': lambda text: (datetime.fromisoformat(text) - START) // MILLISECOND,
    'format = "epoch_milliseconds"': lambda text: int(text) - int(START.timestamp()) * 1_000,
    'format = "%Y-%m-%d %H:%M:%S.%f", granule = "1ms"': of_text("%Y-%m-%d %H:%M:%S.%f"),
}


@pytest.mark.parametrize("bounds", READS)
@pytest.mark.parametrize("end", ["exclusive", "inclusive"])
async def test_a_second_of_2000_rows_comes_whole(tmp_path: Path, bounds: str, end: str) -> None:
    """G3, G4: no cap poisons what can be asked for in parts, and the parts meet each row once."""

    async def answer(first: int, last: int) -> web.Response:
        last += end == "inclusive"
        begin, beyond = max(first, UPDATED), min(last, UPDATED + 2_000)
        if beyond - begin > 100:
            return says(200, {"items": [], "total": beyond - begin})
        return page(begin, max(begin, beyond))

    async with serve(answer, READS[bounds]) as api:
        path = tmp_path / "shop.toml"
        path.write_text(TOML.format(url=api.url, bounds=f"{{ {bounds}, end = {json.dumps(end)} }}"))
        async with opened(App.from_settings(load_source(path, {})), tmp_path) as run:
            await run.work()
            assert (await run.verdict()).verdict == "complete"
            assert run.ids == [*range(UPDATED, UPDATED + 2_000)]
