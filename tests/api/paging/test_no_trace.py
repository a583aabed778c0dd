"""A list of one page and a misspelt path look the same (Ends: token `missing, null or ""` is the end).

Many APIs leave the key of the next page, and all around it, out of the last one, so that this must stay an end. An
exact total tells the two apart; without one `haulier try` says what was taken for granted.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from haulier.api.client import Total
from haulier.api.errors import Action, ApiError
from haulier.api.paging.cursors import Cursor
from haulier.api.paging.links import LinkHeader, NextUrl, OData
from haulier.api.paging.paginator import Paginator
from haulier.api.paging.positions import Offset
from tests.api.paging.rig import Asked, Reply, ids_of, rows, serving, session_with

MISSPELT = Cursor("pagin.next.after", query="after")
TOML = """
source = "shop"

[api]
url = "{url}"

[streams.items]
get = "/items"
records = "value"
pages = {{ cursor = "{at}", query = "after" }}

[streams.items.full.once]
"""


def two_pages(asked: Asked) -> Reply:
    """HubSpot's: `paging` is missing altogether on the last page."""
    if "after" in asked.query:
        return Reply({"value": rows(2, 3), "n": 3})
    return Reply({"value": rows(0, 2), "n": 3, "paging": {"next": {"after": "2"}}})


def strange_pages(asked: Asked) -> Reply:
    """Its token has a name that nobody knows."""
    return Reply({"value": rows(0, 2), "n": 3, "forth": "2"})


def one_page(asked: Asked) -> Reply:
    return Reply({"value": rows(0, 2), "paging": None, "more": False})


async def assumed(answer: object, pages: Paginator, total: Total | None = None) -> str:
    """What was taken for granted after the whole list was read."""
    async with session_with(answer) as (api, _):  # type: ignore[arg-type]
        await ids_of(api.pages("/items", pages=pages, records="value", total=total))
        return api.assumption


@pytest.mark.parametrize(
    ("pages", "said"),
    [
        (MISSPELT, "there is nothing at 'pagin.next.after': taken as the last page"),
        (NextUrl("links.next"), "there is nothing at 'links.next': taken as the last page"),
        (OData(), "there is nothing at '@odata.nextLink': taken as the last page"),
        (NextUrl(from_header="X-Next"), "no header is called 'X-Next': taken as the last page"),
        (LinkHeader(), "no link has the relation 'next': taken as the last page"),
    ],
)
async def test_a_list_of_one_page_says_what_it_was_taken_for(pages: Paginator, said: str) -> None:
    """Ends: no trace of a next page at the first one: the end, and worth a word."""
    assert await assumed(one_page, pages) == said


@pytest.mark.parametrize(
    ("answer", "pages"),
    [
        (two_pages, Cursor("paging.next.after", query="after")),
        (lambda asked: Reply({"value": rows(0, 1), "next": None}), Cursor("next", query="after")),
        (lambda asked: Reply({"value": rows(0, 1), "next": ""}), Cursor("next", query="after")),
        (lambda asked: Reply({"value": rows(0, 1) if not asked.number("offset") else []}), Offset()),
        (one_page, LinkHeader(missing="end")),
        (one_page, OData(missing="end")),
        (one_page, Cursor("paging.next.after", query="after", missing="end")),
    ],
)
async def test_a_sign_that_was_there_needs_no_word(answer: object, pages: Paginator) -> None:
    """Ends: an end that the API gave, or a last page without the key that the first one had, is nothing to wonder
    at."""
    assert await assumed(answer, pages) == ""


async def test_a_total_that_is_missing_is_none_of_the_signs() -> None:
    """What else was looked for in the answer is not taken for the sign of the next page."""
    said = await assumed(one_page, MISSPELT, Total(header="X-Total", is_exact=False))
    assert said == "there is nothing at 'pagin.next.after': taken as the last page"


async def test_an_exact_total_finds_a_misspelt_path() -> None:
    """Ends, G3: the promise is not kept, and the item does not end well."""
    async with session_with(strange_pages) as (api, _):
        with pytest.raises(ApiError, match="promised 3 records and sent 2") as caught:
            await ids_of(api.pages("/items", pages=MISSPELT, records="value", total=Total("n")))
        assert caught.value.action is Action.RESTART


@pytest.mark.parametrize(("at", "answer"), [("paging.next.after", two_pages), ("pagin.next.after", strange_pages)])
async def test_try_says_it(at: str, answer: Callable[[Asked], Reply], tmp_path: Path) -> None:
    """`haulier try`: one line that names the path; none where the path leads somewhere."""
    async with serving(answer) as server:
        source = tmp_path / "shop.toml"
        source.write_text(TOML.format(url=server.url, at=at))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "haulier", "try", str(source)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        _, err = await process.communicate()
    said = "there is nothing at 'pagin.next.after': taken as the last page; check `pages` if there should be more"
    assert process.returncode == 0, err.decode()
    assert (said in err.decode()) is (at != "paging.next.after")
