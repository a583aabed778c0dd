"""Rows that are left out of their page once it was cut, and how haulier reads such a list (G1, G3)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haulier.api.client import Total
from haulier.api.errors import PagingError
from haulier.api.paging.paginator import Paginator
from haulier.api.paging.positions import Offset, PageNumber
from haulier.testing.sandbox import Sandbox, SandboxSettings
from tests.api.paging.rig import client_of, ids_of
from tests.testing import wire

EVERY_TWENTIETH = SandboxSettings(records=400, hidden_after=19, hidden_rows=1)
A_WHOLE_PAGE = SandboxSettings(records=400, hidden_after=100, hidden_rows=100)
BOUND = Total("total", counts_hidden=True)


async def read(settings: SandboxSettings, path: str, pages: Paginator, **options: Any) -> tuple[list[int], int]:
    async with Sandbox(settings) as sandbox, client_of(sandbox.url) as client:
        api = client.session()
        return await ids_of(api.pages(path, pages=pages, records="items", **options)), api.usage.counts.hidden


async def test_offsets_and_totals_count_hidden_rows() -> None:
    """Each page lacks its five rows, and the next one begins behind them."""
    async with Sandbox(EVERY_TWENTIETH) as api:
        page = json.loads((await wire.answer(api.url, "/items_offset?offset=100&limit=100")).body)
    assert [record["id"] for record in page["items"]] == [number for number in range(101, 201) if number % 20]
    assert page["total"] == 400


@pytest.mark.parametrize("settings", [EVERY_TWENTIETH, A_WHOLE_PAGE])
async def test_by_the_limit_each_row_comes_once(settings: SandboxSettings) -> None:
    """G1, G3: read by the limit, or by page numbers, up to the total: each row that is shown, and how many are not."""
    number = [
        number for number in range(1, 401) if (number % 20 if settings is EVERY_TWENTIETH else (number - 1) % 200 < 100)
    ]
    for path, pages in (("/items_offset", Offset(100, advance="limit")), ("/items_page", PageNumber(size=100))):
        total = BOUND if path == "/items_offset" else Total(header="X-Total", counts_hidden=True)
        assert await read(settings, path, pages, total=total) == (number, 400 - len(number))


@pytest.mark.parametrize("settings", [EVERY_TWENTIETH, A_WHOLE_PAGE])
async def test_by_what_came_it_is_an_error(settings: SandboxSettings) -> None:
    """G1: rows that come twice, and a page that is wholly hidden, are found, and the key is named."""
    with pytest.raises(PagingError, match='Write advance = "limit"'):
        await read(settings, "/items_offset", Offset(100))


def test_hidden_rows_need_others_between_them() -> None:
    with pytest.raises(ValueError, match="hidden_rows needs hidden_after"):
        SandboxSettings(hidden_rows=1)
