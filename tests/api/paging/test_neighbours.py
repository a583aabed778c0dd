"""Equal neighbours of two pages, where no key is declared: counted and said, and an error where it proves something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from haulier.api.errors import PagingError
from haulier.api.paging.cursors import Cursor, Seek
from haulier.api.paging.neighbours import Neighbours
from haulier.api.records.page import Page
from haulier.cli.main import main
from tests.api.paging.rig import Asked, Reply, ids_of, rows, session_with
from tests.docs import fake_server


def overlapping(asked: Any) -> list[int]:
    """The cursor names the record that the next page begins with, and is handed out as the last one of this page."""
    start = int(asked.query.get("cursor", 0))
    return [start, min(start + 10, 30)]


def by_cursor(asked: Asked) -> Reply:
    start, stop = overlapping(asked)
    return Reply({"items": rows(start, stop), "next": str(stop - 1) if stop < 30 else None})


def by_key(asked: Asked) -> Reply:
    start = asked.number("after")
    return Reply({"items": rows(start, min(start + 10, 30))})


async def test_pages_by_a_cursor_that_overlap_are_counted() -> None:
    async with session_with(by_cursor) as (api, _):
        ids = await ids_of(api.pages("/items", pages=Cursor("next", query="cursor"), records="items"))
        assert len(ids) == 30 + 3
        assert api.usage.counts.repeated == 3


async def test_a_seek_that_is_inclusive_is_an_error() -> None:
    """The key is declared to be unique, so that the record with it can only be the same one."""
    async with session_with(by_key) as (api, _):
        with pytest.raises(PagingError, match="Write inclusive = true in `pages`"):
            await ids_of(api.pages("/items", pages=Seek("id", query="after"), records="items"))
        pages = api.pages("/items", pages=Seek("id", query="after", is_inclusive=True, more=""), records="items")
        assert await ids_of(pages) == [*range(30)]


WALKS: list[tuple[list[list[bytes]], int]] = [
    ([[b"1", b"2"], [b"2", b"3"]], 1),
    ([[b"1", b"2"], [b"3", b"2"]], 0),
    ([[b"1"], [b"1"]], 1),
    ([[b"1", b"2"], [], [b"2", b"3"]], 1),
    ([[b"{}", b"{}"], [b"{}", b"{}"]], 0),
    ([[b"1", b"{}"], [b"{}", b"{}"]], 0),
    ([[b"{}", b"{}"], [b"{}", b"1"]], 0),
    ([[b"1", b"2"], [b"2", b"3"], [b"3", b"4"]], 2),
]


@pytest.mark.parametrize(("walk", "found"), WALKS)
def test_records_that_are_equal_in_their_own_right_are_not_counted(walk: list[list[bytes]], found: int) -> None:
    """A list in which equal records stand beside each other within a page says nothing by them between two."""
    neighbours = Neighbours()
    assert sum([neighbours.note(Page(records)) for records in walk]) == found


def test_the_closing_words_and_the_manifest_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(asked: fake_server.Asked) -> fake_server.Reply:
        start, stop = overlapping(asked)
        return fake_server.Reply({"items": rows(start, stop), "next": str(stop - 1) if stop < 30 else None})

    with fake_server.serving(answer) as url:
        source = tmp_path / "shop.toml"
        source.write_text(
            f'source = "shop"\n[api]\nurl = "{url}"\n[streams.items]\nget = "/items"\nrecords = "items"\n'
            'pages = { cursor = "next", query = "cursor" }\nfull = { once = {} }\n'
        )
        assert main(["run", str(source)]) == 0
    said = capsys.readouterr().err
    assert "3 pages began with the last record of the page before (`repeated` in the manifest)" in said
    assert "Declare the `key` of the stream" in said
