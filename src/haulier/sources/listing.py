"""The pages of a stream for one item: its request with the words filled in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from haulier.api.page import Page
from haulier.sources.context import SourceContext
from haulier.sources.recipe import Pairs, StreamRecipe
from haulier.sources.ruled import ruled
from haulier.sources.templates import Words, fill, fill_path, fill_query, fill_value, strings_of


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
    """Every string of a stream's request in which a word may stand."""
    pairs = (*recipe.query, *recipe.headers)
    return [recipe.path, *(value for _, value in pairs), *strings_of(recipe.json)]


def listed(
    recipe: StreamRecipe, query: Pairs, words: Words, context: SourceContext, *, skips_absent: bool = False
) -> AsyncIterator[Page]:
    """The pages of one item. With ``skips_absent`` a list that is not there has none."""
    asked = request_of(recipe, query, {**words, "snapshot_time": snapshot_text(context.snapshot_time)})
    return context.api.pages(
        asked.path,
        asked.query,
        pages=ruled(recipe.pages, recipe.rules, skips_absent=skips_absent),
        records=recipe.records,
        total=recipe.total,
        method=recipe.method,
        json=asked.json,
        headers=asked.headers,
    )


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
