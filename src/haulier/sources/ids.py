from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from haulier.api.records.paths import describe
from haulier.errors import UsageError
from haulier.items.ranges import IdRange, id_ranges
from haulier.items.workitem import WorkItem
from haulier.sources.context import Context
from haulier.sources.lookup import MissingValue, ask, whole_number
from haulier.sources.recipe import IdsRecipe, Lookup, Pairs
from haulier.sources.templates import PlaceholderValues

if TYPE_CHECKING:
    from haulier.api.client import ItemApi

_TEXT_ID = re.compile("(?P<letters>[^0-9]*[A-Za-z][^0-9]*)(?P<digits>[0-9]+)|(?P<zeros>0[0-9]+)")


def check_ends(recipe: IdsRecipe, first: int, last: int) -> None:
    """Raises `UsageError` if the ends of all items, as an API is told them, cannot be written."""
    start, end = recipe.bounds.of(IdRange(first, last + 1))
    recipe.written.check_ends(int(start), last if recipe.only_start else int(end))


class IdsDivision:
    """The last ID is asked for once, at planning: newer ones belong to the next run."""

    placeholders = ("start", "end")

    def __init__(self, stream: str, kind: str, where: str, recipe: IdsRecipe) -> None:
        @dataclass(frozen=True)
        class Ids(WorkItem, stream=stream, kind=kind):
            ids: IdRange

        self.item: type[WorkItem] = Ids
        self.query: Pairs = recipe.query
        self._make = Ids
        self._recipe = recipe
        self._where = where

    async def items(self, context: Context) -> AsyncIterator[WorkItem]:
        """The ranges ascend, without gap or overlap. Raises `UsageError` where the API does not say the last ID."""
        found = await self._edges(context.api)
        if found is None:
            return
        first, last = found
        for ids in id_ranges(first, last + 1, step=self._recipe.step):
            yield self._make(ids)

    def fill(self, item: WorkItem) -> PlaceholderValues:
        assert isinstance(item, self._make)
        start, end = self._recipe.bounds.of(item.ids)
        written = self._recipe.written
        if self._recipe.only_start:
            return {"start": written.of(int(start)), "end": int(end)}
        return {"start": written.of(int(start)), "end": written.of(int(end))}

    def halves(self, item: WorkItem) -> tuple[WorkItem, ...]:
        """Empty for a single ID, and where the API is told the start alone."""
        assert isinstance(item, self._make)
        if self._recipe.only_start:
            return ()
        return tuple(self._make(half) for half in item.ids.halves() or ())

    async def _edges(self, api: ItemApi) -> tuple[int, int] | None:
        """The first ID and the last. None where the API has no items and may have none."""
        last = await self._edge(api, "last", self._recipe.last)
        first = None if last is None else await self._edge(api, "first", self._recipe.first)
        if first is None or last is None:
            return None
        if last < first:
            if self._recipe.may_be_empty:
                return None
            raise UsageError(
                f"{self._where}.last: the last ID is {last}, below the first, {first}. {self._empty_remedy('last')}"
            )
        try:
            check_ends(self._recipe, first, last)
        except UsageError as error:
            raise UsageError(f"{self._where}: {error}") from error
        return first, last

    async def _edge(self, api: ItemApi, name: str, edge: int | Lookup) -> int | None:
        """None where the API has no items and may have none."""
        if isinstance(edge, int):
            return edge
        found = await ask(api, edge)
        if isinstance(found, MissingValue) and found.is_empty and self._recipe.may_be_empty:
            return None
        written, answered = self._recipe.written, f"{self._where}.{name}: {edge.method} {edge.path} was answered"
        if written.are_numbers and isinstance(found, str) and (text := _TEXT_ID.fullmatch(found)):
            what, write = ("zeros", "") if text["zeros"] else ("letters", "the letters in `prefix`, and ")
            raise UsageError(
                f"{answered}, and the ID has {what} in front, which a number does not keep. Write {write}how many "
                f"digits each ID has: digits = {len(text['zeros'] or text['digits'])}"
            )
        if written.are_numbers or isinstance(found, MissingValue):
            return whole_number(found, edge, f"{self._where}.{name}", self._empty_remedy(name))
        number = written.number_in(found)
        if number is None:
            raise UsageError(
                f"{answered}, but the value at {edge.at!r} is {describe(found)}, not {written.words}. Correct "
                f"`prefix` or `digits`, or the `at` of `{name}`."
            )
        return number

    def _empty_remedy(self, name: str) -> str:
        if self._recipe.may_be_empty:
            return "Correct `at` or the query."
        return (
            f'Correct `at` or the query of `{name}`, or write `empty = "no items"` there if the API may hold nothing.'
        )
