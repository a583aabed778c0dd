"""The pages of a stream for one item: its request with the words filled in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from msgspec import Raw

from haulier.api.records.page import Page
from haulier.sources.context import Context
from haulier.sources.recipe import Pairs, StreamRecipe
from haulier.sources.ruled import ruled
from haulier.sources.templates import Words, fill, fill_path, fill_query, fill_value, lone_word, strings_of


@dataclass(frozen=True)
class Asked:
    """A stream's request with the words of one item filled in."""

    path: str
    query: Pairs
    json: Any
    headers: Pairs


def request_of(recipe: StreamRecipe, query: Pairs, words: Words) -> Asked:
    """The request for an item's first page; ``query`` is the division's own, behind the stream's."""
    return Asked(
        path=fill_path(recipe.path, words),
        query=tuple((name, fill_query(value, words)) for name, value in (*recipe.query, *query)),
        json=_fill_tree(recipe.json, words),
        headers=tuple((name, fill(value, words)) for name, value in recipe.headers),
    )


def templates_of(recipe: StreamRecipe) -> list[str]:
    """Every string of a stream in which a word of an item may stand."""
    pairs = (*recipe.query, *recipe.headers, *recipe.add)
    return [recipe.path, *(value for _, value in pairs), *strings_of(recipe.json)]


def listed(
    recipe: StreamRecipe,
    query: Pairs,
    words: Words,
    context: Context,
    *,
    exact: Mapping[str, Raw] = MappingProxyType({}),
    skips_absent: bool = False,
) -> AsyncIterator[Page]:
    """The pages of one item. With ``skips_absent`` a list that is not there has none.

    ``exact`` are words as they stood in JSON: what is added to records keeps the digits that it came with.
    """
    words = {**words, "snapshot_time": snapshot_text(context.snapshot_time)}
    asked = request_of(recipe, query, words)
    pages = context.api.pages(
        asked.path,
        asked.query,
        pages=ruled(recipe.pages, recipe.rules, skips_absent=skips_absent),
        records=recipe.records,
        empty=recipe.empty.declared,
        total=recipe.total,
        method=recipe.method,
        json=asked.json,
        headers=asked.headers,
    )
    return _with_fields(pages, fields_of(recipe.add, words, exact)) if recipe.add else pages


def fields_of(add: Pairs, words: Words, exact: Mapping[str, Raw]) -> dict[str, Any]:
    """The fields that are put in front of an item's records. A word that stands alone keeps its type."""
    fields: dict[str, Any] = {}
    for name, text in add:
        word = lone_word(text)
        fields[name] = exact[word] if word is not None and word in exact else fill_value(text, words)
    return fields


async def _with_fields(pages: AsyncIterator[Page], fields: Mapping[str, Any]) -> AsyncIterator[Page]:
    async for page in pages:
        with_fields = page.with_fields(fields)
        del page
        yield with_fields
        del with_fields  # As in `haulier.sources.rest`.


def snapshot_text(snapshot_time: datetime) -> str:
    """`{snapshot_time}`: whole seconds, UTC, as most APIs read a time."""
    return f"{snapshot_time:%Y-%m-%dT%H:%M:%SZ}"


def _fill_tree(tree: Any, words: Words) -> Any:
    if isinstance(tree, str):
        return fill_value(tree, words)
    if isinstance(tree, Mapping):
        return {key: _fill_tree(value, words) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_fill_tree(value, words) for value in tree]
    return tree
