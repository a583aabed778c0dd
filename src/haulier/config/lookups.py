"""Requests for one value, and the totals that an API promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from haulier.api.paging.totals import Guard, Total
from haulier.config.environment import fill_variables
from haulier.config.fields import Field, TableReader, TableShape
from haulier.config.place import Place, show
from haulier.config.request_kinds import JsonPath, QueryPairs
from haulier.config.value_kinds import (
    Choice,
    Flag,
    NamedValue,
    Scalar,
    TableBy,
    TableOf,
    Text,
    WholeNumber,
    errors_at,
    unexpected,
)
from haulier.sources.recipe import Lookup
from haulier.sources.record_links import is_link


@dataclass(frozen=True)
class PathText:
    """A path below the API's url. It begins with a slash, or is the link of a parent's record, and cannot lead to
    another origin."""

    def read(self, value: Any, place: Place, example: str) -> str:
        if not isinstance(value, str) or not value:
            raise unexpected(value, place, "a path", example)
        path = fill_variables(value, place)
        if is_link(path):
            return path
        parts = urlsplit(path)
        if parts.scheme or parts.netloc or path.startswith("//"):
            raise place.error(
                f"{show(value)} leads to another origin, and credentials are sent to the API's own url only.",
                f"Write a path below `api.url`, for example: {example}",
            )
        if path.startswith(("{parent.", "{parents.")):
            raise place.error(
                f"{show(value)} is no path, and not the link of a record.",
                'Write the link alone, or a path behind it: get = "{parent.url}" or "{parent.url}/comments"; '
                "parameters go into `query`.",
            )
        if not path.startswith("/"):
            raise place.error(
                f"the path {show(value)} does not begin with a slash.", f'Write {place.name} = "/{value}"'
            )
        if "?" in path or "#" in path:
            raise place.error(
                f"the path {show(value)} contains a query.", 'Write it as a table: query = { name = "value" }'
            )
        return path

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^(/|\$\{|\{parents?\.)"}


GET = Field(
    "get", PathText(), "The path of the request, below the API's url.", 'get = "/items"', is_required=True, to="path"
)
QUERY = Field("query", QueryPairs(), "Query parameters.", "query = { limit = 100 }")
AT = Field("at", JsonPath(), "The path of the value in the answer.", 'at = "rows.0.id"', is_required=True)
EMPTY = Field(
    "empty",
    NamedValue({"no items": True}),
    "Declares that the API may have no items; without it that is an error.",
    'empty = "no items"',
    to="may_be_empty",
)
IS = Field(
    "is",
    Choice(("exact", "bound", "estimate")),
    "exact: as many records must come; bound: it also counts rows that are hidden from us, so fewer may come; "
    "estimate: nothing is promised.",
    'is = "exact"',
    is_required=True,
)

COUNT_AT = Field("at", JsonPath(), "The path of the number in the answer.", 'at = "count"')
COUNT_HEADER = Field("header", Text(), "The header with the number.", 'header = "X-Total-Count"')
COUNT_GET = Field("get", PathText(), GET.doc, 'get = "/count"', to="path")
COUNT_HEAD = Field(
    "head",
    PathText(),
    "The path of a HEAD request, where the API sends the number with one alone; with `header`.",
    'head = "/items"',
    to="path",
)
COUNT = TableShape(
    "A request for the number of all records.",
    COUNT_GET,
    COUNT_HEAD,
    QUERY,
    COUNT_AT,
    COUNT_HEADER,
    one_of=("at", "header"),
)
EDGE = TableShape("A request for the first or last ID.", GET, QUERY, AT, EMPTY)
TOTAL_AT = Field("at", Text(), "The path of the number in each page.", 'at = "total"')
TOTAL_HEADER = Field("header", Text(), "The header with the number.", 'header = "X-Total-Count"')
MAY_MOVE = Field(
    "may_move",
    Flag(),
    "Whether the total may change while the item is read; a change is listed as drift. By default true for "
    "cursors, keys and links; false for offsets and page numbers, which then repeat or skip rows.",
    "may_move = false",
)
GUARD_AT = Field(
    "at",
    JsonPath(),
    "The path in the answer that says whether the total is exact.",
    'at = "hits.total.relation"',
    is_required=True,
)
GUARD_IS = Field(
    "is", Scalar(), "The value at that path where the total is exact.", 'is = "eq"', is_required=True, to="equals"
)
GUARD = TableShape(
    "Where a total is exact: search servers count to a cap, and say that there is more.", GUARD_AT, GUARD_IS
)


ONLY_IF = Field(
    "only_if",
    TableOf(GUARD, Guard),
    "The total is exact only where this holds; elsewhere it ends no list and promises nothing.",
    'only_if = { at = "hits.total.relation", is = "eq" }',
)
ABOVE = Field(
    "above",
    WholeNumber(),
    "The maximum number of records that the API returns for one query; if its `total` stops there too, write one less.",
    "above = 10000",
    is_required=True,
    to="divide_above",
)
DIVIDE = TableShape(
    "When an item is divided before it is read. An item that fails again and again is divided in any case.", ABOVE
)
COUNTS_SKIPPED = Field(
    "counts_skipped",
    Flag(),
    "Whether the total counts rows that `skip` passes over.",
    "counts_skipped = false",
)
TOTAL = TableShape(
    "Where the API says how many records an item has.",
    TOTAL_AT,
    TOTAL_HEADER,
    IS,
    ONLY_IF,
    MAY_MOVE,
    COUNTS_SKIPPED,
    one_of=("at", "header"),
)


@dataclass(frozen=True)
class EdgeLookup:
    """A `Lookup` for the first or last ID; ``may_be_empty``: an API without items is no error."""

    lookup: Lookup
    may_be_empty: bool = False


def read_edge(table: TableReader) -> EdgeLookup:
    return EdgeLookup(Lookup(**table.arguments(GET, QUERY, AT)), **table.arguments(EMPTY))


def read_count(table: TableReader) -> Lookup:
    is_head = COUNT_HEAD in table
    if is_head == (COUNT_GET in table):
        raise table.place.error(
            "one of `get` and `head` is needed, and no more." if is_head else "`get` is missing.",
            f"Write, for example: {COUNT_GET.example}",
        )
    if is_head and COUNT_HEADER not in table:
        raise table.place.at("head").error(
            "the answer to a HEAD request has no body.", f"Write `header` in place of `at`: {COUNT_HEADER.example}"
        )
    arguments = table.arguments(COUNT_HEAD if is_head else COUNT_GET, QUERY, COUNT_AT, COUNT_HEADER)
    return Lookup(method="HEAD" if is_head else "GET", **arguments)


def read_total(table: TableReader) -> Total:
    promise = table.need(IS)
    arguments = table.arguments(TOTAL_AT, TOTAL_HEADER, ONLY_IF, MAY_MOVE, COUNTS_SKIPPED)
    with errors_at(table.place):
        return Total(is_exact=promise != "estimate", counts_hidden=promise == "bound", **arguments)


COUNT_TABLE = TableBy(COUNT, Lookup, read_count)
EDGE_TABLE = TableBy(EDGE, Lookup, read_edge)
TOTAL_TABLE = TableBy(TOTAL, Total, read_total)
DIVIDE_TABLE: TableOf[dict[str, Any]] = TableOf(DIVIDE, dict)
