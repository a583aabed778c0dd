"""`[streams.NAME]`: one kind of record, how it is asked for, and how a run is divided into items."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from haulier.api.pages import Paginator
from haulier.config.asking import LOOKUP_TABLE, QUERY, TOTAL_TABLE, PathText
from haulier.config.divisions import IDS_TABLE, WINDOWS_TABLE
from haulier.config.fields import Field, Opened, Shape
from haulier.config.kinds import HeaderPairs, JsonBody, JsonPath, TableOf
from haulier.config.pages_table import PagesKind
from haulier.config.place import Place
from haulier.sources.recipe import Enumeration, Pairs, StreamRecipe, WindowsRecipe
from haulier.sources.templates import WordError, check_words, strings_of

IDS = Field("ids", IDS_TABLE, IDS_TABLE.shape.doc, "[streams.NAME.full.ids]")
WINDOWS = Field("windows", WINDOWS_TABLE, WINDOWS_TABLE.shape.doc, "[streams.NAME.full.windows]")
FULL = Shape("How a run that pulls everything is divided into items.", IDS, WINDOWS, one_of=("ids", "windows"))
INCREMENTAL = Shape("How a run that pulls what is new is divided into items.", WINDOWS, one_of=("windows",))


def read_full(table: Opened) -> Enumeration:
    return table.need(IDS) if IDS in table else table.need(WINDOWS)


def read_incremental(table: Opened) -> WindowsRecipe:
    return table.need(WINDOWS)


GET = Field("get", PathText(), "The path of a page, below the API's url.", 'get = "/items"')
POST = Field("post", PathText(), "The same, where a page is asked for by POST.", 'post = "/search"')
JSON = Field("json", JsonBody(), "The body of a POST.", 'json = { filter = "active" }')
HEADERS = Field(
    "headers", HeaderPairs(), "Headers of this stream's requests.", 'headers = { Accept = "application/json" }'
)
RECORDS = Field(
    "records", JsonPath(), "Where the records stand in an answer; `.` for a root array.", 'records = "items"', True
)
PAGES = Field(
    "pages", PagesKind(), "How one page leads to the next.", 'pages = { cursor = "next", query = "cursor" }', True
)
TOTAL = Field("total", TOTAL_TABLE, TOTAL_TABLE.shape.doc, 'total = { at = "total", is = "exact" }')
EXPECT = Field(
    "expect",
    LOOKUP_TABLE,
    "How many records the API says that there are in all.",
    'expect = { get = "/count", at = "count" }',
)
FULL_FIELD = Field("full", TableOf(FULL, read_full), FULL.doc, "[streams.NAME.full.ids]")
INCREMENTAL_FIELD = Field(
    "incremental", TableOf(INCREMENTAL, read_incremental), INCREMENTAL.doc, "[streams.NAME.incremental.windows]"
)

STREAM = Shape(
    "One kind of record.",
    GET,
    POST,
    QUERY,
    JSON,
    HEADERS,
    RECORDS,
    PAGES,
    TOTAL,
    EXPECT,
    FULL_FIELD,
    INCREMENTAL_FIELD,
    one_of=("get", "post"),
)


def read_stream(name: str, value: Any, place: Place) -> StreamRecipe:
    """The stream's recipe, with every word in braces looked at."""
    table = STREAM.open(value, place)
    is_get = GET in table
    if is_get and JSON in table:
        raise place.at("json").error("a GET has no body.", "Write `post` in place of `get`, or use `query`.")
    if is_get and _needs_body(table.need(PAGES)):
        raise place.at("pages").error("they are asked for in the body, and a GET has none.", "Write `post` for `get`.")
    if FULL_FIELD not in table and INCREMENTAL_FIELD not in table:
        raise place.error(
            "nothing says how a run is divided into items.",
            f"Write a table [{place.key}.full.ids] (ranges of IDs) or [{place.key}.full.windows] (windows of time).",
        )
    recipe = StreamRecipe(
        name=name,
        method="GET" if is_get else "POST",
        path=table.need(GET if is_get else POST),
        query=table.get(QUERY, ()),
        json=table.get(JSON, None),
        headers=table.get(HEADERS, ()),
        records=table.need(RECORDS),
        pages=table.need(PAGES),
        total=table.get(TOTAL, None),
        expect=table.get(EXPECT, None),
        full=table.get(FULL_FIELD, None),
        incremental=table.get(INCREMENTAL_FIELD, None),
    )
    for mode, division in (("full", recipe.full), ("incremental", recipe.incremental)):
        if division is not None:
            kind = next(iter(value[mode]))
            _check_words(recipe, division.query, place, place.at(mode).at(kind))
    _check_plain(recipe, place)
    return recipe


def _needs_body(pages: Paginator) -> bool:
    keys = (pages, *getattr(pages, "also", ()))
    return any(getattr(key, "body", "") or getattr(key, "place", "query") == "body" for key in keys)


def _check_words(recipe: StreamRecipe, query: Pairs, stream: Place, division: Place) -> None:
    """Both ends of an item must reach the API: without them each item would fetch everything."""
    allowed = ("start", "end", "snapshot_time")
    method = "get" if recipe.method == "GET" else "post"
    texts = [(stream.at(method), [recipe.path]), (stream.at("json"), strings_of(recipe.json))]
    texts += [(stream.at("query").at(name), [text]) for name, text in recipe.query]
    texts += [(stream.at("headers").at(name), [text]) for name, text in recipe.headers]
    texts += [(division.at("query").at(name), [text]) for name, text in query]
    found = {word for place, strings in texts for word in _words(strings, allowed, place)}
    twice = [name for name, _ in query if name in dict(recipe.query)]
    if twice:
        raise (
            division.at("query")
            .at(twice[0])
            .error("the stream's own query has this parameter too.", "Keep it in one of the two tables.")
        )
    missing = [f"{{{word}}}" for word in ("start", "end") if word not in found]
    if missing:
        raise division.error(
            f"{' and '.join(missing)} {'stand' if len(missing) > 1 else 'stands'} nowhere in the request, "
            "so an item would fetch more than its own records.",
            'Write, for example: query = { from = "{start}", to = "{end}" }',
        )


def _check_plain(recipe: StreamRecipe, stream: Place) -> None:
    """Requests that are made once for a run have no item whose words could be filled in."""
    lookups: list[tuple[Place, Pairs, str]] = []
    if recipe.expect is not None:
        lookups.append((stream.at("expect"), recipe.expect.query, recipe.expect.path))
    for place, query, path in lookups:
        _words([path], (), place.at("get"))
        for name, text in query:
            _words([text], (), place.at("query").at(name))


def _words(strings: Iterable[str], allowed: tuple[str, ...], place: Place) -> list[str]:
    try:
        return [word for text in strings for word in check_words(text, allowed)]
    except WordError as error:
        raise place.error(error.problem, error.remedy) from error
