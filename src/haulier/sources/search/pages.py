from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from haulier.api.records.page import Page
from haulier.api.search.search import Search
from haulier.items.windows import TimeWindow
from haulier.sources.context import Context
from haulier.sources.recipe import StreamRecipe, WindowsRecipe
from haulier.sources.templates import PlaceholderValues, fill_tree


def search_pages(
    recipe: StreamRecipe, search: Search, window: TimeWindow | None, values: PlaceholderValues, context: Context
) -> AsyncIterator[Page]:
    """``window``: the item's, where its stream is divided by time."""
    asked = replace(search, query=fill_tree(search.query, values))
    if window is None:
        asked = replace(asked, time="", unit="")
    return context.api.search(asked, window, rules=recipe.rules)


async def check_before(recipe: StreamRecipe, mode: str, context: Context, snapshot: PlaceholderValues) -> None:
    """Raises `UsageError` where a run of the mode would find less than there is."""
    if recipe.search is None:
        return
    by_time = isinstance(recipe.enumeration(mode), WindowsRecipe)
    if by_time:
        asked = replace(recipe.search, query=fill_tree(recipe.search.query, snapshot))
    else:
        # Of its query, whose values are the items', the fields alone are looked at.
        asked = replace(recipe.search, time="", unit="")
    await context.api.check_search(asked, rules=recipe.rules)
