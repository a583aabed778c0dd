from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, assert_never

from haulier.items.windows import TimeWindow
from haulier.items.workitem import WorkItem
from haulier.sources.context import Context
from haulier.sources.feeds import FeedDivision
from haulier.sources.ids import IdsDivision
from haulier.sources.joined import Asked, Join
from haulier.sources.joined_values import JoinedValuesDivision
from haulier.sources.new_ids import NewIdsDivision
from haulier.sources.new_windows import NewWindowsDivision
from haulier.sources.recipe import (
    Enumeration,
    FeedRecipe,
    IdsRecipe,
    NewEnumeration,
    OnceRecipe,
    Pairs,
    ValuesRecipe,
    WindowsRecipe,
)
from haulier.sources.templates import PlaceholderValues
from haulier.sources.values import OnceDivision, ValuesDivision
from haulier.sources.windows import WindowsDivision


class Division(Protocol):
    """How a stream is divided into items, and how the API is told one of them."""

    item: type[WorkItem]
    query: Pairs

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Placeholders that `fill` gives a value."""
        ...

    def items(self, context: Context) -> AsyncIterator[WorkItem]:
        """Raises `UsageError` where the API does not say what they are."""
        ...

    def fill(self, item: WorkItem) -> PlaceholderValues: ...

    def halves(self, item: WorkItem) -> tuple[WorkItem, ...]:
        """Two items that together ask for the same records; empty where the item cannot be divided."""
        ...


def divide(stream: str, recipe: Enumeration, *, where: str, kind: str = "") -> Division:
    """``where`` is the place of the recipe's table, for messages. The kind of the items is the stream's name with
    ``_ids``, ``_windows``, ``_values``, ``_joined`` or ``_once``, unless given."""
    match recipe:
        case IdsRecipe():
            return IdsDivision(stream, kind or f"{stream}_ids", f"{where}.ids", recipe)
        case WindowsRecipe():
            return WindowsDivision(stream, kind or f"{stream}_windows", f"{where}.windows", recipe)
        case ValuesRecipe(join=Join() as join):
            return JoinedValuesDivision(stream, kind or f"{stream}_joined", f"{where}.values", recipe, join)
        case ValuesRecipe():
            return ValuesDivision(stream, kind or f"{stream}_values", f"{where}.values", recipe)
        case OnceRecipe():
            return OnceDivision(stream, kind or f"{stream}_once", recipe)
        case FeedRecipe():
            return divide_new(stream, recipe, where=where, kind=kind)
        case _:
            assert_never(recipe)


def divide_new(stream: str, recipe: NewEnumeration, *, where: str, kind: str = "") -> Division:
    """As `divide`, for incremental runs. The kinds end in ``_new_ids`` and ``_new_windows``: items of two kinds never
    share a key, and a message says by its kind how it was planned."""
    if isinstance(recipe, FeedRecipe):
        name = "if_changed" if recipe.feed.is_condition else "feed"
        return FeedDivision(stream, kind or f"{stream}_new_feed", f"{where}.{name}", recipe)
    if isinstance(recipe, IdsRecipe):
        return NewIdsDivision(stream, kind or f"{stream}_new_ids", f"{where}.ids", recipe)
    return NewWindowsDivision(stream, kind or f"{stream}_new_windows", f"{where}.windows", recipe)


def asked_by(division: Division, item: WorkItem) -> Asked | None:
    """What the item's one request asks for, where that is several values."""
    return division.asked(item) if isinstance(division, JoinedValuesDivision) else None


def window_of(division: Division, item: WorkItem) -> TimeWindow | None:
    """None where the stream is not divided by time."""
    return item.window if isinstance(division, WindowsDivision | NewWindowsDivision) else None  # type: ignore[attr-defined]
