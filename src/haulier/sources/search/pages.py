from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

from haulier.api.records.page import Page
from haulier.api.search.search import Search
from haulier.items.formats import EPOCH
from haulier.items.windows import TimeWindow
from haulier.sources.context import Context
from haulier.sources.recipe import StreamRecipe, WindowsRecipe
from haulier.sources.templates import PlaceholderValues, fill_tree


def search_pages(
    recipe: StreamRecipe, search: Search, values: PlaceholderValues, context: Context
) -> AsyncIterator[Page]:
    """``values`` hold the ends of the item's window in its unit, if the search has a time."""
    asked = replace(search, query=fill_tree(search.query, values))
    window = _window_of(search, values) if search.time and "start" in values else None
    return context.api.search(asked, window, rules=recipe.rules)


async def check_before(recipe: StreamRecipe, mode: str, context: Context, snapshot: PlaceholderValues) -> None:
    """Raises `UsageError` where a run of the mode would find less than there is."""
    if recipe.search is None:
        return
    by_time = isinstance(recipe.enumeration(mode), WindowsRecipe)
    asked = recipe.search if by_time else replace(recipe.search, time="", unit="", query=None)
    asked = replace(asked, query=fill_tree(asked.query, snapshot))
    await context.api.check_search(asked, rules=recipe.rules)


def _window_of(search: Search, values: PlaceholderValues) -> TimeWindow:
    unit = timedelta(seconds=1) if search.unit == "s" else timedelta(milliseconds=1)
    start, end = values["start"], values["end"]
    assert isinstance(start, int)
    assert isinstance(end, int)
    return TimeWindow(EPOCH + start * unit, EPOCH + end * unit)
