"""Checks the placeholders of a stream: each has a value, and together they tell the API one item."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from haulier.api.paging.graphql import GraphQL
from haulier.api.records.record_finder import is_plain
from haulier.config.place import Place
from haulier.sources.division import divide
from haulier.sources.recipe import FeedRecipe, IdsRecipe, ListLookup, Lookup, Pairs, StreamRecipe, ValuesRecipe
from haulier.sources.record_links import is_link
from haulier.sources.templates import ANY_PARENT, ANY_PARENTS, KEY, PARENT, PARENTS, PlaceholderError, strings_of
from haulier.sources.templates import check_placeholders as check_text

SNAPSHOT = "snapshot_time"

Strings = tuple[Place, Iterable[str]]


def check_placeholders(recipe: StreamRecipe, value: Any, place: Place) -> None:
    """`SourceFileError` for a placeholder without a value, and where an item would fetch more than its own records."""
    for asked, at in _once_a_run(recipe, place):
        # It is asked once for a run: there is no item whose values could be filled in.
        _check(_lookup_strings(asked, at), ())
    added = [
        (at, [text.replace(KEY, "") for text in texts]) for at, texts in _pair_strings(recipe.add, place.at("add"))
    ]
    _check_key(recipe, place.at("add"))
    if recipe.parent is not None:
        of_records = (ANY_PARENT, ANY_PARENTS, SNAPSHOT)
        _check(added, of_records)
        found = _check(_stream_strings(recipe, place), of_records)
        _check_joined_parents(recipe, found, place)
        if not any(placeholder.startswith(PARENT) for placeholder in found):
            itself = f"{PARENTS}{recipe.parent.stream}."
            field = next((name.removeprefix(itself) for name in found if name.startswith(itself)), "")
            raise place.error(
                "the request uses no field of the parent, so every parent would fetch the same records.",
                f"Write {{{PARENT}{field}}} for {{{itself}{field}}}, which is of the parent itself."
                if field
                else 'Write, for example: get = "/posts/{parent.id}/comments"',
            )
    for mode in ("full", "incremental"):
        division = recipe.enumeration(mode)
        if division is not None:
            placeholders = divide(recipe.name, division, where="").placeholders
            kind = next(iter(value[mode]))
            is_joined = isinstance(division, ValuesRecipe) and division.join is not None
            _check(added, (SNAPSHOT,) if is_joined else (*placeholders, SNAPSHOT))
            needed = ("start",) if getattr(division, "only_start", False) else placeholders
            if isinstance(division, IdsRecipe) and division.only_start and not division.written.are_numbers:
                placeholders = needed
            found = _check_division(recipe, division.query, placeholders, place, place.at(mode).at(kind))
            _check_needed(needed, found, place.at(mode).at(kind))


def _check_key(recipe: StreamRecipe, place: Place) -> None:
    for name, text in recipe.add:
        if KEY in text and is_plain(recipe.records, recipe.shape):
            raise place.at(name).error(
                "records of a list have no {key}.",
                'Write shape = "values", where they stand in an object by their keys, or `*` in `records` for each '
                "member of an object with lists.",
            )


def _check_joined_parents(recipe: StreamRecipe, found: set[str], place: Place) -> None:
    if recipe.parent is None or recipe.parent.join is None:
        return
    fields = sorted(f"{{{name}}}" for name in found if name.startswith(PARENT))
    if len(fields) > 1:
        raise place.at("join").error(
            f"one field of many parents is joined, and the request uses {' and '.join(fields)}.",
            "Keep one of them, or leave `join` out.",
        )
    if is_link(recipe.path):
        raise place.at("join").error("each link leads to one record.", "Leave `join` out.")
    _check(_pair_strings(recipe.add, place.at("add")), (ANY_PARENTS, SNAPSHOT))


def _check_division(
    recipe: StreamRecipe, query: Pairs, placeholders: tuple[str, ...], stream: Place, division: Place
) -> set[str]:
    strings = [*_stream_strings(recipe, stream), *_pair_strings(query, division.at("query"))]
    found = _check(strings, (*placeholders, SNAPSHOT))
    named = {name for name, _ in recipe.query}
    for name, _ in query:
        if name in named:
            raise (
                division.at("query")
                .at(name)
                .error("the stream's own query has this parameter too.", "Keep it in one of the two tables.")
            )
    return found


def _check_needed(needed: tuple[str, ...], found: set[str], division: Place) -> None:
    missing = [f"{{{placeholder}}}" for placeholder in needed if placeholder not in found]
    if not missing:
        return
    remedy = 'Write, for example: query = { name = "{value}" }'
    if "start" in needed:
        remedy = 'Write, for example: query = { from = "{start}", to = "{end}" }'
        if missing == ["{end}"]:
            remedy += "; or only_start = true, if the start alone tells the API the whole item."
    raise division.error(
        f"the request does not use {' and '.join(missing)}, so an item would fetch more than its own records.",
        remedy,
    )


def _once_a_run(recipe: StreamRecipe, place: Place) -> Iterator[tuple[Lookup | ListLookup, Place]]:
    if recipe.expect is not None:
        yield recipe.expect, place.at("expect")
    for mode, ids in (("full", recipe.full), ("incremental", recipe.incremental)):
        if isinstance(ids, IdsRecipe):
            for name, edge in (("first", ids.first), ("last", ids.last)):
                if isinstance(edge, Lookup):
                    yield edge, place.at(mode).at("ids").at(name)
    feed = recipe.incremental
    if isinstance(feed, FeedRecipe) and feed.values is not None and isinstance(feed.values.values, ListLookup):
        kind = "if_changed" if feed.feed.is_condition else "feed"
        yield feed.values.values, place.at("incremental").at(kind).at("values").at("from")
    division, at = recipe.full, place.at("full")
    if isinstance(division, ValuesRecipe) and isinstance(division.values, ListLookup):
        yield division.values, at.at("values").at("from")


def _stream_strings(recipe: StreamRecipe, place: Place) -> Iterator[Strings]:
    yield place.at("get" if recipe.method == "GET" else "post"), [recipe.path]
    yield place.at("variables" if isinstance(recipe.json, GraphQL) else "json"), strings_of(recipe.json)
    yield from _pair_strings(recipe.form or (), place.at("form"))
    yield from _pair_strings(recipe.query, place.at("query"))
    yield from _pair_strings(recipe.headers, place.at("headers"))


def _lookup_strings(lookup: Lookup | ListLookup, place: Place) -> Iterator[Strings]:
    yield place.at("get"), [lookup.path]
    yield from _pair_strings(lookup.query, place.at("query"))


def _pair_strings(pairs: Pairs, place: Place) -> Iterator[Strings]:
    for name, text in pairs:
        yield place.at(name), [text]


def _check(strings: Iterable[Strings], allowed: tuple[str, ...]) -> set[str]:
    """The placeholders that were found. `SourceFileError` for one that is not ``allowed``."""
    found: set[str] = set()
    for place, texts in strings:
        try:
            for text in texts:
                found.update(check_text(text, allowed))
        except PlaceholderError as error:
            raise place.error(error.problem, error.remedy) from error
    return found


def check_strings(strings: Iterable[Strings], allowed: tuple[str, ...]) -> set[str]:
    """As `_check`, for the tables that have a request of their own kind."""
    return _check(strings, allowed)
