from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from msgspec import Raw

from haulier.api.paging.graphql import GraphQL
from haulier.api.paging.paginator import Paginator, text_of_raw
from haulier.api.records.page import Page
from haulier.api.records.paths import first_byte
from haulier.api.requester import Usage
from haulier.items.windows import TimeWindow
from haulier.sources.context import Context
from haulier.sources.joined import Asked, JoinedText
from haulier.sources.recipe import Pairs, StreamRecipe
from haulier.sources.record_links import PagesOfLink, fill_link, is_link
from haulier.sources.search.pages import search_pages
from haulier.sources.stream_rules import TOO_LONG, with_rules
from haulier.sources.templates import (
    KEY,
    PlaceholderValue,
    PlaceholderValues,
    fill,
    fill_path,
    fill_query,
    fill_value,
    lone_placeholder,
    strings_of,
)


@dataclass(frozen=True)
class StreamRequest:
    """A stream's request for one item."""

    path: str
    query: Pairs
    json: Any
    form: Pairs | None
    headers: Pairs


def build_request(
    recipe: StreamRecipe, query: Pairs, values: PlaceholderValues, exact: Mapping[str, Raw]
) -> StreamRequest:
    """Make the first page's request; the division's ``query`` comes after the stream's."""
    return StreamRequest(
        path=fill_link(recipe.path, values, recipe.link_origin, recipe.link_base)
        if is_link(recipe.path)
        else fill_path(recipe.path, values),
        query=tuple((name, fill_query(value, values)) for name, value in (*recipe.query, *query)),
        json=_fill_tree(recipe.json, values, exact),
        form=None if recipe.form is None else tuple((name, fill(value, values)) for name, value in recipe.form),
        headers=tuple((name, fill(value, values)) for name, value in recipe.headers),
    )


def templates_of(recipe: StreamRecipe) -> list[str]:
    pairs = (*recipe.query, *(recipe.form or ()), *recipe.headers, *recipe.add)
    return [recipe.path, *(value for _, value in pairs), *strings_of(recipe.json)]


def fetch_pages(
    recipe: StreamRecipe,
    query: Pairs,
    values: PlaceholderValues,
    context: Context,
    *,
    exact: Mapping[str, Raw] = MappingProxyType({}),
    skips_absent: bool = False,
    joined: Asked | None = None,
    window: TimeWindow | None = None,
) -> AsyncIterator[Page]:
    """With ``skips_absent``, a list that is not there has no pages. Records of a request for ``joined`` values are
    compared with these.

    ``exact`` has values as they are written in JSON, so that bodies and fields added to records keep the digits that
    came. ``window``: what a search is asked for.
    """
    values = {**values, "snapshot_time": snapshot_text(context.snapshot_time)}
    if recipe.search is not None:
        found = search_pages(recipe, recipe.search, window, values, context)
        return _with_fields(found, recipe.add, values, exact) if recipe.add else found
    asked = build_request(recipe, query, values, exact)
    skips_absent = skips_absent or (joined is not None and joined.skips_absent)
    rules = recipe.rules if joined is None else (*recipe.rules, *TOO_LONG)

    def pages_of(asked: StreamRequest, *, skips_absent: bool) -> AsyncIterator[Page]:
        return context.api.pages(
            asked.path,
            asked.query,
            pages=with_rules(_paginator(recipe), rules, skips_absent=skips_absent),
            records=recipe.records,
            shape=recipe.shape,
            format=recipe.format,
            empty=recipe.empty.declared,
            total=recipe.total,
            method=recipe.method,
            json=asked.json,
            form=asked.form,
            skip=recipe.skip,
            headers=asked.headers,
            job=recipe.job,
        )

    def again(fewer: Asked) -> AsyncIterator[Page]:
        """A 404 says that none of them is there, as the first answer did."""
        less = {name: fewer.text if isinstance(value, JoinedText) else value for name, value in values.items()}
        return pages_of(build_request(recipe, query, less, exact), skips_absent=True)

    pages = pages_of(asked, skips_absent=skips_absent)
    if joined is not None:
        pages = joined.compared(pages, context.api.usage.counts.note_presence, context.api.most_pages, again)
    elif skips_absent:
        pages = noting_absent(pages, context.api.usage)
    if any(KEY in text for _, text in recipe.add):
        return _with_keys(pages, recipe.add, values, exact)
    return _with_fields(pages, recipe.add, values, exact) if recipe.add else pages


def _paginator(recipe: StreamRecipe) -> Paginator:
    return PagesOfLink(recipe.pages) if is_link(recipe.path) else recipe.pages


def build_fields(add: Pairs, values: PlaceholderValues, exact: Mapping[str, Raw]) -> dict[str, Any]:
    """A placeholder that is the whole text keeps its type."""
    fields: dict[str, Any] = {}
    for name, text in add:
        alone = lone_placeholder(text)
        fields[name] = exact[alone] if alone is not None and alone in exact else fill_value(text, values)
    return fields


async def noting_absent(pages: AsyncIterator[Page], usage: Usage) -> AsyncIterator[Page]:
    """Counts a list as there, or as absent."""
    before = usage.ended_lists
    async for page in pages:
        yield page
        del page  # As in `haulier.sources.rest`.
    is_absent = usage.ended_lists > before
    usage.counts.note_presence(0 if is_absent else 1, 1 if is_absent else 0)


def _with_fields(
    pages: AsyncIterator[Page], add: Pairs, values: PlaceholderValues, exact: Mapping[str, Raw]
) -> AsyncIterator[Page]:
    fields = build_fields(add, values, exact)
    return _changed(pages, lambda page: page.with_fields(fields))


def _with_keys(
    pages: AsyncIterator[Page], add: Pairs, values: PlaceholderValues, exact: Mapping[str, Raw]
) -> AsyncIterator[Page]:
    def fields_of(key: bytes) -> dict[str, Any]:
        raw = Raw(key)
        return build_fields(add, {**values, "key": text_of_raw(raw, KEY)}, {**exact, "key": raw})

    return _changed(pages, lambda page: page.with_keyed_fields(fields_of))


async def _changed(pages: AsyncIterator[Page], change: Callable[[Page], Page]) -> AsyncIterator[Page]:
    async for page in pages:
        changed = change(page)
        del page
        yield changed
        del changed  # As in `haulier.sources.rest`.


def snapshot_text(snapshot_time: datetime) -> str:
    """Whole seconds in UTC, as most APIs read a time."""
    return f"{snapshot_time:%Y-%m-%dT%H:%M:%SZ}"


def _fill_tree(tree: Any, values: PlaceholderValues, exact: Mapping[str, Raw]) -> Any:
    if isinstance(tree, str):
        return _exact_value(tree, values, exact)
    if isinstance(tree, GraphQL):
        return replace(tree, variables=_fill_tree(tree.variables, values, exact))
    if isinstance(tree, Mapping):
        return {key: _fill_tree(value, values, exact) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_fill_tree(value, values, exact) for value in tree]
    return tree


def _exact_value(text: str, values: PlaceholderValues, exact: Mapping[str, Raw]) -> PlaceholderValue | Raw:
    """A placeholder that is the whole text keeps its type, and a number its digits."""
    alone = lone_placeholder(text)
    if alone is not None and alone in exact and isinstance(values[alone], str) and first_byte(exact[alone]) != b'"':
        return exact[alone]
    return fill_value(text, values)
