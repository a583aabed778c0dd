"""`streams.NAME.search`: documents of Elasticsearch or OpenSearch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from haulier.api.search.search import HIT_FIELDS, UNITS, Search
from haulier.config.fields import Field, TableReader, TableShape
from haulier.config.pages_table import WORDS
from haulier.config.place import Place
from haulier.config.placeholders import SNAPSHOT, check_strings
from haulier.config.request_kinds import JsonBody
from haulier.config.value_kinds import Choice, ListOf, TableOf, Text, WholeNumber, unexpected
from haulier.items.bounds import Bounds
from haulier.sources.division import divide
from haulier.sources.recipe import FeedRecipe, StreamRecipe, WindowsRecipe
from haulier.sources.templates import strings_of


class QueryClause:
    """A clause of the query DSL, written as TOML."""

    def read(self, value: Any, place: Place, example: str) -> Any:
        if not isinstance(value, Mapping) or not value:
            raise unexpected(value, place, "a clause of the query DSL", example)
        return JsonBody().read(value, place, example)

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "minProperties": 1}


INDEX = Field(
    "index",
    Text(),
    "The index, data stream or alias; a pattern, or several with commas between them.",
    'index = "clicks-*"',
    is_required=True,
)
TIME = Field("time", Text("a field"), "The field that windows are about.", 'time = "@timestamp"')
UNIT = Field("unit", Choice(UNITS), "The unit of that field, where it is a number and no date.", 'unit = "ms"')
CLAUSE = Field(
    "query",
    QueryClause(),
    "A further condition, in the query DSL. It filters; nothing is scored.",
    'query = { term = { country = "se" } }',
)
ADD = Field(
    "add", ListOf(Choice(HIT_FIELDS)), "Fields of the hit that are put in front of its document.", 'add = ["_id"]'
)
SIZE = Field("size", WholeNumber(), "The number of documents in a page, 10,000 at most.", "size = 5000")
TIE = Field(
    "tie",
    Text("a field"),
    "A field that is different in each document, to page by where the server has no `_shard_doc`.",
    'tie = "event_id"',
)
SLICES = Field(
    "slices", WholeNumber(), "The number of slices of a large item that are read at once, 32 at most.", "slices = 4"
)
KEEP_ALIVE = Field(
    "keep_alive",
    Text("a time"),
    "The time for which the server keeps a point in time after each page.",
    'keep_alive = "1m"',
)
SEARCH_TABLE = TableOf(
    TableShape(
        "Documents of Elasticsearch or OpenSearch; takes the place of `get`, `records`, `pages` and `total`.",
        *(INDEX, TIME, UNIT, CLAUSE, ADD, SIZE, TIE, SLICES, KEEP_ALIVE),
    ),
    Search,
)

_OWN: Final = ("query", "bounds", "only_start")
"""Keys of a division that tell an API the item."""


def read_search_stream(
    name: str, table: TableReader, value: Any, search: Search, own: tuple[Field[Any], ...]
) -> StreamRecipe:
    """``own``: the fields of a stream that one with a search may have."""
    place = table.place
    for key in value:
        if key != "search" and key not in {each.name for each in own}:
            raise place.at(key).error(
                f"`search` and `{key}` cannot be used together.",
                "Remove it: what a search asks, and how it is paged, stands in `search`.",
            )
    recipe = StreamRecipe(
        name=name, path="", records="", pages=WORDS["single"], method="POST", search=search, **table.arguments(*own)
    )
    if (lacking := next((path for path in recipe.key if path in HIT_FIELDS and path not in search.add), "")) != "":
        raise place.at("key").error(
            f"a document has no {lacking!r}: it stands beside it, in the hit.",
            f"Put it in front: add = {json.dumps([*search.add, lacking])} in `search`.",
        )
    kinds = [recipe.enumeration(mode) for mode in ("full", "incremental")]
    if search.time and any(kinds) and not any(isinstance(kind, WindowsRecipe) for kind in kinds):
        at = place.at("search").at("time")
        raise at.error(
            "windows alone are about a field of time, and the stream has none.",
            "Divide it by `windows`, or leave out `time` and `unit`.",
        )
    bounds = Bounds(format="epoch_seconds" if search.unit == "s" else "epoch_milliseconds")
    for mode in ("full", "incremental"):
        division = recipe.enumeration(mode)
        if division is None:
            continue
        kind = next(iter(value[mode]))
        at = place.at(mode).at(kind)
        if isinstance(division, FeedRecipe):
            raise at.error(
                "a search has no feed that could be gone on with.", "Divide it by `windows` of a field of time."
            )
        for key in _OWN:
            if key in value[mode][kind]:
                raise at.at(key).error(
                    "a search tells the server its items by itself.",
                    "Remove it." if search.time else "Write placeholders into the `query` of `search`.",
                )
        if isinstance(division, WindowsRecipe):
            told = replace(division, bounds=bounds)
            recipe = replace(recipe, full=told) if mode == "full" else replace(recipe, incremental=told)
        _check_placeholders(recipe, search, mode, place, at)
    return recipe


def _check_placeholders(recipe: StreamRecipe, search: Search, mode: str, place: Place, at: Place) -> None:
    division = recipe.enumeration(mode)
    assert division is not None
    is_by_time = isinstance(division, WindowsRecipe)
    names = divide(recipe.name, division, where="").placeholders
    check_strings([(place.at("add").at(name), [text]) for name, text in recipe.add], (*names, SNAPSHOT))
    clause = place.at("search").at("query")
    found = check_strings([(clause, strings_of(search.query))], (SNAPSHOT,) if is_by_time else (*names, SNAPSHOT))
    if is_by_time and not search.time:
        raise place.at("search").error(
            "windows are about a field of time, and the search names none.", f"Write, for example: {TIME.example}"
        )
    if missing := [f"{{{name}}}" for name in names if not is_by_time and name not in found]:
        raise at.error(
            f"the search does not use {' and '.join(missing)}, so an item would fetch more than its own documents.",
            'Write, for example: query = { term = { country = "{value}" } }'
            if missing == ["{value}"]
            else 'Write, for example: query = { range = { number = { gte = "{start}", lt = "{end}" } } }',
        )
