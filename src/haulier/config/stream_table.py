"""`[streams.NAME]`: one kind of record, the request for it, and the division of a run into items."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from haulier.api.paging.graphql import body_of
from haulier.api.paging.pages_ahead import check_parallel
from haulier.api.paging.paginator import PageRequest, Paginator
from haulier.api.paging.totals import Total
from haulier.config.divisions import IDS_TABLE, NEW_IDS_TABLE, NEW_WINDOWS_TABLE, WINDOWS_TABLE
from haulier.config.feed_table import FEED_TABLE, IF_CHANGED_TABLE, check_feed
from haulier.config.fields import Field, TableReader, TableShape
from haulier.config.format_table import FORMAT, check_format
from haulier.config.graphql_fields import GRAPHQL_FIELDS, read_graphql
from haulier.config.job_table import JOB_TABLE, check_job
from haulier.config.joins import JOIN
from haulier.config.lookups import COUNT_TABLE, DIVIDE_TABLE, QUERY, TOTAL_TABLE, PathText
from haulier.config.pages_table import LINK_BASE, LINK_ORIGIN, PagesKind
from haulier.config.place import Place
from haulier.config.placeholders import check_placeholders
from haulier.config.request_kinds import (
    SHAPE,
    EmptyAnswers,
    FieldTexts,
    HeaderPairs,
    JsonBody,
    JsonPath,
    JsonPaths,
    QueryPairs,
)
from haulier.config.rules_table import RULES
from haulier.config.search_table import SEARCH_TABLE, read_search_stream
from haulier.config.skip_table import SKIP, check_skip
from haulier.config.value_kinds import NamedValue, TableOf, Text, WholeNumber, errors_at
from haulier.config.values_table import ONCE_TABLE, VALUES_TABLE
from haulier.items.workitem import MAX_NAME_LENGTH
from haulier.sources.recipe import Enumeration, ParentRecipe, StreamRecipe
from haulier.sources.record_links import is_link

IDS = Field("ids", IDS_TABLE, IDS_TABLE.shape.doc, "[streams.NAME.full.ids]")
WINDOWS = Field("windows", WINDOWS_TABLE, WINDOWS_TABLE.shape.doc, "[streams.NAME.full.windows]")
VALUES = Field("values", VALUES_TABLE, VALUES_TABLE.shape.doc, "[streams.NAME.full.values]")
ONCE = Field("once", ONCE_TABLE, ONCE_TABLE.shape.doc, "[streams.NAME.full.once]")
_FULL: tuple[Field[Any], ...] = (IDS, WINDOWS, VALUES, ONCE)
FULL = TableShape(
    "How a run that pulls everything is divided into items.", *_FULL, one_of=("ids", "windows", "values", "once")
)
NEW_IDS = Field("ids", NEW_IDS_TABLE, NEW_IDS_TABLE.shape.doc, "[streams.NAME.incremental.ids]")
NEW_WINDOWS = Field("windows", NEW_WINDOWS_TABLE, NEW_WINDOWS_TABLE.shape.doc, "[streams.NAME.incremental.windows]")
NEW_FEED = Field("feed", FEED_TABLE, FEED_TABLE.shape.doc, "[streams.NAME.incremental.feed]")
IF_CHANGED = Field("if_changed", IF_CHANGED_TABLE, IF_CHANGED_TABLE.shape.doc, "[streams.NAME.incremental.if_changed]")
INCREMENTAL = TableShape(
    "How a run that pulls what is new is divided into items.",
    NEW_WINDOWS,
    NEW_IDS,
    NEW_FEED,
    IF_CHANGED,
    one_of=("windows", "ids", "feed", "if_changed"),
)


MAX_NEW_CHARACTERS = MAX_NAME_LENGTH - len("_new_windows")
"""Limits the name of a stream with incremental runs: their kinds are that name and a suffix."""


def only(**division: Enumeration) -> Enumeration:
    """The one division of the table."""
    (recipe,) = division.values()
    return recipe


GET = Field("get", PathText(), "The path of a page, below the API's url.", 'get = "/items"', to="path")
POST = Field("post", PathText(), "The path of a page that is asked for by POST.", 'post = "/search"', to="path")
SEARCH = Field("search", SEARCH_TABLE, SEARCH_TABLE.shape.doc, 'search = { index = "clicks-*", time = "@timestamp" }')
JSON = Field("json", JsonBody(), "The JSON body of a POST.", 'json = { filter = "active" }')
FORM = Field(
    "form", QueryPairs(are_of_form=True), "The form of a POST, in place of `json`.", 'form = { status = "open" }'
)
HEADERS = Field(
    "headers", HeaderPairs(), "Headers of this stream's requests.", 'headers = { Accept = "application/json" }'
)
RECORDS = Field(
    "records",
    JsonPath(),
    "The path of the records in an answer; `.` if the answer itself is the array. `*` is each member of a list or "
    "object: `groups.*.items`.",
    'records = "items"',
    True,
)
EMPTY = Field(
    "empty",
    EmptyAnswers(),
    "Answers that are pages without records, besides an empty list; anything else is an error.",
    'empty = ["null", 204]',
)
PAGES = Field(
    "pages", PagesKind(), "How one page leads to the next.", 'pages = { cursor = "next", query = "cursor" }', True
)
TOTAL = Field("total", TOTAL_TABLE, TOTAL_TABLE.shape.doc, 'total = { at = "total", is = "exact" }')
DIVIDE = Field("divide", DIVIDE_TABLE, DIVIDE_TABLE.shape.doc, "divide = { above = 10000 }")
JOB_FIELD = Field("job", JOB_TABLE, JOB_TABLE.shape.doc, "[streams.NAME.job]")
EXPECT = Field(
    "expect",
    COUNT_TABLE,
    "A request for the number of all records.",
    'expect = { get = "/count", at = "count" }',
)
RECORD_KEY = Field(
    "key",
    JsonPaths(),
    "The path of a record's unique key, or a list of paths that are unique together. An item with a duplicate "
    "key starts over, and then fails; `haulier verify` compares the records of all items.",
    'key = "id"',
)
ADD = Field(
    "add",
    FieldTexts(),
    "Fields that are put in front of each record's own bytes, such as the ID of its parent where the API "
    "leaves it out. A record that has such a field already is an error.",
    'add = { author_id = "{parent.id}" }',
)
FULL_FIELD = Field("full", TableOf(FULL, only), FULL.doc, "[streams.NAME.full.ids]")
INCREMENTAL_FIELD = Field(
    "incremental", TableOf(INCREMENTAL, only), INCREMENTAL.doc, "[streams.NAME.incremental.windows]"
)

PARENT = Field(
    "parent",
    Text("the name of a stream"),
    "The stream whose records are asked about one by one, such as posts for their comments; takes the place of `full`.",
    'parent = "posts"',
    to="stream",
)
BATCH = Field("batch", WholeNumber(), "The number of parents in one item.", "batch = 100")
ABSENT = Field(
    "absent",
    NamedValue({"fail": False, "skip": True}),
    "The meaning of a 404 or 410 for one parent: a failure, or that it has no records.",
    'absent = "skip"',
    to="skips_absent",
)

PRIORITY = Field(
    "priority",
    WholeNumber(0),
    "Within a run, streams with a higher priority are planned first, and so worked first.",
    "priority = 10",
)

_REQUEST_FIELDS = (GET, POST, QUERY, JSON, FORM, HEADERS, RECORDS, SHAPE, FORMAT, SKIP, EMPTY, PAGES)
_RECORD_FIELDS = (EXPECT, RECORD_KEY, ADD, RULES, PRIORITY)
_MODE_FIELDS = (FULL_FIELD, INCREMENTAL_FIELD)
_PARENT_FIELDS = (PARENT, BATCH, ABSENT, JOIN)
_LINK_FIELDS = (LINK_ORIGIN, LINK_BASE)

STREAM = TableShape(
    "One kind of record.",
    *_REQUEST_FIELDS,
    SEARCH,
    *GRAPHQL_FIELDS,
    TOTAL,
    DIVIDE,
    *_RECORD_FIELDS,
    JOB_FIELD,
    *_PARENT_FIELDS,
    *_LINK_FIELDS,
    *_MODE_FIELDS,
    one_of=("get", "post", "search"),
    alone="search",
)


def read_stream(name: str, value: Any, place: Place) -> StreamRecipe:
    """The stream's recipe, with every placeholder checked."""
    table = STREAM.open(value, place)
    _check_division(table, name)
    if SEARCH in table:
        return read_search_stream(name, table, value, table.need(SEARCH), (*_RECORD_FIELDS, *_MODE_FIELDS))
    is_get = GET in table
    for body in (JSON, FORM):
        if is_get and body in table:
            raise place.at(body.name).error(
                "a GET request has no body.", "Write `post` in place of `get`, or use `query`."
            )
    if JSON in table and FORM in table:
        raise place.error("`json` and `form` cannot be used together.", "Keep the one that the API reads.")
    if FORM in table and getattr(table.need(PAGES), "body_at", None):
        raise place.error("`form` cannot be used with `body_at` in `pages`, which is about JSON.", "Write `json`.")
    if is_get and _needs_body(table.need(PAGES)):
        raise place.at("pages").error(
            "these pages are asked for in the body, and a GET request has none.", "Write `post` in place of `get`."
        )
    recipe = StreamRecipe(
        name=name,
        method="GET" if is_get else "POST",
        total=_read_total(table),
        parent=_read_parent(table),
        **table.arguments(*_REQUEST_FIELDS, JOB_FIELD, *_RECORD_FIELDS, *_LINK_FIELDS, *_MODE_FIELDS),
    )
    check_feed(recipe, value.get("pages", ""), place)
    check_job(recipe, value.get("pages", ""), place)
    graphql = read_graphql(table, is_get=is_get, has_json=JSON in table)
    if graphql is not None and FORM in table:
        raise place.error("`graphql` and `form` cannot be used together.", "Keep the one that the API reads.")
    if graphql is not None:
        recipe = replace(recipe, json=graphql)
        with errors_at(place.at("pages")):
            graphql.check_pages(recipe.pages)
    for field in _LINK_FIELDS:
        if field in table and not is_link(recipe.path):
            raise place.at(field.name).error(
                "only a stream whose path is a link of its parent's record can have this key.",
                'Remove it, or write, for example: get = "{parent.url}"; links to further pages have it in `pages`.',
            )
    check_placeholders(recipe, value, place)
    check_format(recipe, recipe.total, place)
    with errors_at(place.at("pages")):
        # What a kind needs of the request that it begins with, such as a limit.
        first = recipe.pages.first(PageRequest(recipe.path, recipe.query, json=body_of(recipe.json), form=recipe.form))
        for path in _body_paths(recipe.pages):
            first = first.with_field(path, "")
        check_parallel(recipe.pages, recipe.total)
    return recipe


def check_new_name(name: str, place: Place, why: str = "") -> None:
    """`SourceFileError` where a name is too long for the kinds of incremental items."""
    if len(name) > MAX_NEW_CHARACTERS:
        raise place.error(
            f"the name of a stream with `incremental`{why} may have {MAX_NEW_CHARACTERS} characters; this one has "
            f"{len(name)}.",
            "Write a shorter name.",
        )


def _check_division(table: TableReader, name: str) -> None:
    place = table.place
    if INCREMENTAL_FIELD in table:
        check_new_name(name, place)
    if PARENT in table:
        for field in _MODE_FIELDS:
            if field in table:
                raise place.error(f"`parent` and `{field.name}` cannot be used together.", "Keep one of them.")
        if JOIN in table and ABSENT in table:
            raise place.error(
                "`absent` is about one parent, and `join` asks for several at once.",
                'Leave `absent` out, and write missing = "skip" in `join`.',
            )
        return
    for own in (BATCH, ABSENT, JOIN):
        if own in table:
            raise place.at(own.name).error(
                "only a stream with a `parent` can have this key.", "Remove it, or name the parent."
            )
    if FULL_FIELD not in table and INCREMENTAL_FIELD not in table:
        raise place.error(
            "the stream does not say how a run is divided into items.",
            f"Write a table [{place.key}.full.ids] (ranges of IDs), [{place.key}.full.windows] (windows of time), "
            f"[{place.key}.full.values] (a list) or [{place.key}.full.once] (one item), or name a `parent`.",
        )


def _read_total(table: TableReader) -> Total | None:
    total = table.get(TOTAL, None)
    check_skip(total, table)
    if DIVIDE not in table:
        return total
    if total is None:
        raise table.place.at("divide").error(
            "`divide` needs `total`, the number of records of an item.", f"Write, for example: {TOTAL.example}"
        )
    return replace(total, **table.need(DIVIDE))


def _read_parent(table: TableReader) -> ParentRecipe | None:
    if PARENT not in table:
        return None
    return ParentRecipe(**table.arguments(*_PARENT_FIELDS))


def _needs_body(pages: Paginator) -> bool:
    return bool(_body_paths(pages) or getattr(pages, "body_at", "") or getattr(pages, "place", "query") == "body")


def _body_paths(pages: Paginator) -> list[str]:
    keys = (pages, *getattr(pages, "also", ()))
    return [body for key in keys if (body := getattr(key, "body", ""))]
