"""Items that are several values each, which one request asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from haulier.errors import UsageError
from haulier.items.workitem import WorkItem
from haulier.sources.context import Context
from haulier.sources.joined import Asked, Join, Packing
from haulier.sources.recipe import Pairs, ValuesRecipe
from haulier.sources.templates import PlaceholderValues
from haulier.sources.values import values_of


class JoinedValuesDivision:
    """Divides a stream by the values of a list, as many at once as a request takes."""

    placeholders = ("value",)

    def __init__(self, stream: str, kind: str, where: str, recipe: ValuesRecipe, join: Join) -> None:
        @dataclass(frozen=True)
        class JoinedValues(WorkItem, stream=stream, kind=kind):
            values: tuple[str, ...]
            is_asked_whole = True

        self.item: type[WorkItem] = JoinedValues
        self.query: Pairs = recipe.query
        self._make = JoinedValues
        self._recipe = recipe
        self._where = where
        self._join = join

    async def items(self, context: Context) -> AsyncIterator[WorkItem]:
        """Raises `UsageError` for what is not a list of values, and for one that cannot be joined."""
        seen: set[str] = set()
        batch: list[str] = []
        packing = Packing(self._join, self._recipe.batch)
        async for value in values_of(self._recipe, self._where, context):
            if value in seen:
                continue
            seen.add(value)
            if problem := self._join.problem_of(value):
                raise UsageError(f"{self._where}: {problem} Write another one in `join`, or leave `join` out.")
            if not packing.takes(value):
                yield self._make(tuple(batch))
                batch = []
                packing.clear()
                packing.takes(value)
            batch.append(value)
        if batch:
            yield self._make(tuple(batch))

    def fill(self, item: WorkItem) -> PlaceholderValues:
        return {"value": self.asked(item).text}

    def asked(self, item: WorkItem) -> Asked:
        found: Any = item
        return Asked(self._join, found.values)

    def halves(self, item: WorkItem) -> tuple[WorkItem, ...]:
        """Two items; empty for a single value."""
        values = self.asked(item).values
        middle = len(values) // 2
        return (self._make(values[:middle]), self._make(values[middle:])) if middle else ()
