"""Mistakes in `pages`: a kind of paging that does not exist, or lacks something."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.rig import PAGES, Mistake, check

KINDS = (
    'Write one of: "single", "link", "odata", { cursor = ... }, { cursor_header = ... }, { continue = ... }, '
    "{ page_info = ... }, "
    "{ offset = ... }, { page = ... }, { seek = ... }, { next_url = ... }, { next_url_header = ... }, { links = ... }."
)

MISTAKES: dict[str, Mistake] = {
    "pages word": (
        PAGES,
        'pages = "cursor"',
        (
            "streams.flights.pages: the kind of paging 'cursor' needs more than its name. Write pages = { "
            'cursor = "next", ... }.'
        ),
    ),
    "pages word2": (
        PAGES,
        'pages = "singel"',
        "streams.flights.pages: \"singel\" is not a kind of paging. Did you mean 'single'?",
    ),
    "pages word3": (
        PAGES,
        'pages = "auto"',
        f'streams.flights.pages: "auto" is not a kind of paging. {KINDS}',
    ),
    "pages int": (
        PAGES,
        "pages = 5",
        f"streams.flights.pages: expected a kind of paging, found a number. {KINDS}",
    ),
    "pages end": (
        PAGES,
        'pages = { cursor = "next", query = "_next", end = ["empty"] }',
        (
            'streams.flights.pages.end[0]: expected "flag", "repeated", "empty page", "zero" or "null", found '
            "\"empty\". Did you mean 'empty page'?"
        ),
    ),
    "pages end flag": (
        PAGES,
        'pages = { cursor = "next", query = "_next", end = ["flag"] }',
        'streams.flights.pages: end = ["flag"] needs a flag: declare `more` or `done`.',
    ),
    "pages end_if": (
        PAGES,
        'pages = { link = "next", end_if = "results" }',
        ("streams.flights.pages: end_if is 'results'; write an attribute and its value, such as 'results=\"false\"'."),
    ),
    "pages missing flag": (
        PAGES,
        'pages = { next_url = "next", missing = true }',
        'streams.flights.pages.missing: expected "end", found true. Write, for example: missing = "end"',
    ),
    "pages keep_query": (
        PAGES,
        'pages = { cursor = "next", query = "_next", keep_query = true }',
        "streams.flights.pages.keep_query: unknown key. Did you mean 'query'?",
    ),
    "pages zero": (
        PAGES,
        'pages = { next_url = "next", end = ["zero"] }',
        (
            'streams.flights.pages.end[0]: expected "flag", "repeated" or "empty page", found "zero". '
            'Write, for example: end = ["flag"]'
        ),
    ),
    "pages origin": (
        PAGES,
        'pages = { links = "links", link_origin = "any" }',
        'streams.flights.pages.link_origin: expected "own", found "any". Write, for example: link_origin = "own"',
    ),
    "pages links flag": (
        PAGES,
        'pages = { links = "links", done = "done" }',
        (
            "streams.flights.pages.done: unknown key. Available: links, rel, rel_at, url_at, body_at, merge_at, "
            "end_if, end, missing, keep_query, link_origin, link_base."
        ),
    ),
    "pages continue more": (
        PAGES,
        'pages = { continue = "continue", query = "c" }',
        (
            "streams.flights.pages.query: unknown key beside `continue`: it goes with `cursor`, `cursor_header` or "
            "`seek`. Available: continue, missing."
        ),
    ),
    "pages next_path": (
        PAGES,
        'pages = { cursor = "next", query = "c", next_path = "https://evil.example/x" }',
        (
            'streams.flights.pages.next_path: "https://evil.example/x" leads to another origin, and credentials are '
            'sent to the API\'s own url only. Write a path below `api.url`, for example: next_path = "/search/scroll"'
        ),
    ),
    "pages two": (
        PAGES,
        'pages = { cursor = "next", offset = "o" }',
        ("streams.flights.pages: `cursor` and `offset` cannot be used together. Keep the one that the API uses."),
    ),
    "pages none": (
        PAGES,
        'pages = { curser = "next" }',
        "streams.flights.pages: no key of this table tells the kind of paging. Did you mean 'cursor'?",
    ),
    "pages without the kind": (
        PAGES,
        'pages = { size = 100, more = "has_more" }',
        "streams.flights.pages: no key of this table tells the kind of paging. Write `page` too.",
    ),
    "pages swapped letters": (
        PAGES,
        'pages = { page = "page", pagse = "pages" }',
        "streams.flights.pages.pagse: unknown key. Did you mean 'pages'?",
    ),
    "pages empty": (
        PAGES,
        "pages = { }",
        f"streams.flights.pages: no key of this table tells the kind of paging. {KINDS}",
    ),
    "pages noquery": (
        PAGES,
        'pages = { cursor = "next" }',
        (
            "streams.flights.pages: a cursor is sent back in one place. Write `query` (a parameter), `body` (a path of "
            "the JSON body) or `header`."
        ),
    ),
    "pages body": (
        PAGES,
        'pages = { cursor = "next", body = "after" }',
        (
            "streams.flights.pages: these pages are asked for in the body, and a GET request has none. Write "
            "`post` in place of `get`."
        ),
    ),
    "pages missing": (
        PAGES,
        "",
        ('streams.flights: `pages` is missing. Write, for example: pages = { cursor = "next", query = "cursor" }'),
    ),
    "a single page of another word": (
        PAGES,
        'pages = { single = "full" }',
        (
            'streams.flights.pages.single: expected "may be full", found "full". Write, for example: single = '
            '"may be full"'
        ),
    ),
    "advance": (
        PAGES,
        'pages = { offset = "skip", limit = 10, advance = "limits" }',
        ('streams.flights.pages.advance: expected "received" or "limit", found "limits". Did you mean \'limit\'?'),
    ),
    "advance without a limit": (
        PAGES,
        'pages = { offset = "skip", advance = "limit" }',
        (
            "streams.flights.pages: `advance = \"limit\"` needs a limit, and the request has no 'limit'. Write "
            "limit = 100 in `pages`, or whatever the API allows."
        ),
    ),
    "advance and overlap": (
        PAGES,
        'pages = { offset = "skip", limit = 10, overlap = 1, advance = "limit" }',
        (
            'streams.flights.pages: `overlap` and `advance = "limit"` cannot be used together: where rows are '
            "hidden, nobody knows which record a page should begin with. Keep one of them."
        ),
    ),
    "empty pages": (
        PAGES,
        'pages = { page = "page", empty_pages = 0 }',
        (
            "streams.flights.pages.empty_pages: expected a whole number of at least 1, found 0. Write, for "
            "example: empty_pages = 3"
        ),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_message_names_the_place_and_the_remedy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake is told in one line: file, key, what is wrong, what to write instead."""
    check(MISTAKES[name], tmp_path, monkeypatch)
