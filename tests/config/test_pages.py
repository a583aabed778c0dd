"""Every kind of paging in a source file."""

from __future__ import annotations

from pathlib import Path

import pytest

from haulier.api.paging.continuation import Continuation
from haulier.api.paging.cursors import Cursor, Key, Seek
from haulier.api.paging.link_list import LinkList
from haulier.api.paging.links import LinkHeader, NextUrl, OData
from haulier.api.paging.paginator import Paginator, Single
from haulier.api.paging.positions import Offset, PageNumber
from haulier.config.pages_table import TABLES
from haulier.config.source_file import load_source
from haulier.errors import SourceFileError

SOURCE = """
source = "s"
[api]
url = "https://api.example.com"
[streams.t]
post = "/t"
records = "."
full = { once = {} }
"""

PAGES: dict[str, Paginator] = {
    '"single"': Single(),
    '"link"': LinkHeader(),
    '{ link = "more" }': LinkHeader("more"),
    """{ link = "next", end_if = 'results="false"', end = ["empty page"], missing = "end", keep_query = true }""": (
        LinkHeader(end=("empty page",), end_if='results="false"', missing="end", keep_query=True)
    ),
    '"odata"': OData(),
    '{ odata = "v4", page_size = 500 }': OData(500),
    '{ odata = "v2" }': OData(version="v2"),
    '{ odata = "v3", nested = "cut" }': OData(version="v3", nested="cut"),
    '{ odata = "v4", nested = "cut" }': OData(nested="cut"),
    '{ odata = "v4", end = ["repeated"], missing = "end", keep_query = true }': OData(
        end=("repeated",), missing="end", keep_query=True
    ),
    '{ cursor = "next", query = "after" }': Cursor("next", query="after"),
    '{ cursor = "page.next", body = "page.after" }': Cursor("page.next", body="page.after"),
    '{ cursor_header = "X-Next", header = "X-Cursor" }': Cursor(from_header="X-Next", header="X-Cursor"),
    '{ cursor = "next", query = "after", done = "last" }': Cursor("next", query="after", done="last"),
    '{ cursor = "next.id", query = "id", also = [{ at = "next.time", query = "time" }] }': Cursor(
        "next.id", query="id", also=(Key("next.time", query="time"),)
    ),
    '{ offset = "skip", limit = 50, limit_name = "take", start = 1, overlap = 1, more = "more" }': Offset(
        50, "skip", "take", 1, "query", "more", overlap=1
    ),
    '{ offset = "from", limit = 50, limit_name = "size", in = "body" }': Offset(50, "from", "size", place="body"),
    '{ offset = "from", limit = 50, advance = "limit", empty_pages = 3 }': Offset(
        50, "from", advance="limit", empty_pages=3
    ),
    '{ page_info = "data.a.pageInfo" }': Cursor(
        "data.a.pageInfo.endCursor", body="variables.after", more="data.a.pageInfo.hasNextPage", end=("flag",)
    ),
    '{ offset = "from", more = "more", missing = "end" }': Offset(offset_name="from", more="more", missing="end"),
    '{ page = "p", done = "done", missing = "end" }': PageNumber("p", done="done", missing="end"),
    '{ seek = "id", query = "q", more = "more", missing = "end" }': Seek("id", "q", more="more", missing="end"),
    '{ next_url = "next", keep_query = false }': NextUrl("next", keep_query=False),
    '{ offset = "from", limit = 50, parallel = true }': Offset(50, "from", is_parallel=True),
    '{ page = "page", parallel = true }': PageNumber(is_parallel=True),
    '{ page = "page", empty_pages = 1 }': PageNumber(empty_pages=1),
    '{ page = "page", size = 100, pages_header = "X-WP-TotalPages", end_status = 400, end_text = "invalid_page" }': (
        PageNumber(size=100, pages_header="X-WP-TotalPages", end_status=400, end_text="invalid_page")
    ),
    '{ page = "p", first = 0, size = 10, size_name = "n", pages = "meta.pages" }': PageNumber(
        "p", 0, 10, "n", pages="meta.pages"
    ),
    '{ seek = "sys_id", query = "q", template = "sys_id>{key}^ORDERBYsys_id", inclusive = true }': Seek(
        "sys_id", "q", template="sys_id>{key}^ORDERBYsys_id", is_inclusive=True
    ),
    '{ next_url = "links.next", done = "done" }': NextUrl("links.next", done="done"),
    '{ next_url = "next", more = "more", end = ["flag", "empty page"], missing = "end", keep_query = true }': NextUrl(
        "next", more="more", end=("flag", "empty page"), missing="end", keep_query=True
    ),
    '{ cursor = "next", query = "c", end = ["repeated"], missing = "end" }': Cursor(
        "next", query="c", end=("repeated",), missing="end"
    ),
    '{ single = "may be full" }': Single(may_be_full=True),
    '{ next_url_header = "X-Next" }': NextUrl(from_header="X-Next"),
    '{ next_url = "next", link_origin = "own", link_base = "api" }': NextUrl(
        "next", link_origin="own", link_base="api"
    ),
    '{ links = "links" }': LinkList("links"),
    '{ continue = "continue" }': Continuation("continue"),
    '{ continue = "more.continue", missing = "end" }': Continuation("more.continue", missing="end"),
    '{ cursor = "next", query = "c", alone = true, end = ["zero"] }': Cursor(
        "next", query="c", alone=True, end=("zero",)
    ),
    '{ cursor = "id", body = "scroll.0", alone = true, next_path = "/scroll" }': Cursor(
        "id", body="scroll.0", alone=True, next_path="/scroll"
    ),
    """{ links = "link", rel = "more", rel_at = "relation", url_at = "url", end_if = 'a="b"', link_base = "api" }""": (
        LinkList("link", "more", "relation", "url", end_if='a="b"', link_base="api")
    ),
    '{ links = "links", body_at = "body", merge_at = "merge" }': LinkList("links", body_at="body", merge_at="merge"),
}


@pytest.mark.parametrize("written", PAGES)
def test_every_kind_of_pages_can_be_written(written: str, tmp_path: Path) -> None:
    """Each kind of paging has one way to be written, with all of its settings."""
    file = tmp_path / "s.toml"
    total = 'total = { at = "n", is = "exact" }\n' if "parallel" in written else ""
    file.write_text(f"{SOURCE}pages = {written}\n{total}")
    assert load_source(file, {}).streams[0].pages == PAGES[written]


def test_every_kind_of_pages_is_tried_above() -> None:
    """No kind of paging is without an example here."""
    assert {name for name in TABLES if any(f"{{ {name} = " in written for written in PAGES)} == set(TABLES)


def test_what_is_in_the_way_in_the_body_is_refused(tmp_path: Path) -> None:
    """When the file is read, and not behind the first page."""
    file = tmp_path / "s.toml"
    file.write_text(f'{SOURCE}json = {{ after = ["x"] }}\npages = {{ cursor = "next", body = "after.id" }}\n')
    with pytest.raises(SourceFileError, match=r"streams\.t\.pages: the body has a list of 1 on the way to 'after\.id'"):
        load_source(file, {})
