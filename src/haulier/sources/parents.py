"""A stream that is asked for by the records of its parent: the comments of each post.

An item of the parent's list has no records: it reads the list's pages, takes the named fields of each record, and
divides itself into batches. A batch has the records of its parents, which it asks for one after the other.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from msgspec import Raw

from haulier.api.records.page import Page
from haulier.api.records.paths import explain_missing, raw_at
from haulier.errors import ItemError
from haulier.items.workitem import WorkItem
from haulier.sources.context import Context
from haulier.sources.division import Division
from haulier.sources.recipe import ParentRecipe, StreamRecipe
from haulier.sources.stream_pages import fetch_pages, templates_of
from haulier.sources.templates import PARENT, PlaceholderValue, PlaceholderValues, find_placeholders
from haulier.sources.values import scalar_text

_INTEGER_DIGITS = 18
"""Longer numbers stay text: their reader may not have such integers."""


class Parents:
    def __init__(self, recipe: StreamRecipe, rule: ParentRecipe, parent: StreamRecipe) -> None:
        @dataclass(frozen=True)
        class Batch(WorkItem, stream=recipe.name, kind=f"{recipe.name}_batch"):
            parents: tuple[tuple[str, ...], ...]

        self.batch: type[WorkItem] = Batch
        self.fields = parent_fields(recipe)
        self._make = Batch
        self._recipe = recipe
        self._rule = rule
        self._parent = parent

    def splitting(self, division: Division) -> Callable[[WorkItem, Context], AsyncGenerator[WorkItem, None]]:
        """Processor of the parent's list, whose ``division`` is under this stream's name. A parent that is listed twice
        is asked for once."""

        async def split(item: WorkItem, context: Context) -> AsyncGenerator[WorkItem, None]:
            seen: set[tuple[str, ...]] = set()
            batch: list[tuple[str, ...]] = []
            async for page in fetch_pages(self._parent, division.query, division.fill(item), context):
                for record in page.records:
                    parent = tuple(self._field(bytes(record), field) for field in self.fields)
                    if parent in seen:
                        continue
                    seen.add(parent)
                    batch.append(parent)
                    if len(batch) == self._rule.batch:
                        yield self._make(tuple(batch))
                        batch = []
            if batch:
                yield self._make(tuple(batch))

        return split

    async def pages(self, item: WorkItem, context: Context) -> AsyncGenerator[Page, None]:
        assert isinstance(item, self._make)
        for parent in item.parents:
            exact = {f"{PARENT}{field}": Raw(text.encode()) for field, text in zip(self.fields, parent, strict=True)}
            values: PlaceholderValues = {name: _value_of(value) for name, value in exact.items()}
            skips_absent = self._rule.skips_absent
            async for page in fetch_pages(self._recipe, (), values, context, exact=exact, skips_absent=skips_absent):
                yield page
                del page  # As in `haulier.sources.rest`.

    def halves(self, item: WorkItem) -> tuple[WorkItem, ...]:
        """Two batches; empty for a single parent."""
        assert isinstance(item, self._make)
        middle = len(item.parents) // 2
        return (self._make(item.parents[:middle]), self._make(item.parents[middle:])) if middle else ()

    def _field(self, record: bytes, field: str) -> str:
        """A number stays one, and is sent as one when its children are asked for."""
        found = raw_at(record, field)
        if found is None or scalar_text(found) is None:
            reason = (
                explain_missing(record, field)
                if found is None
                else f"the value at {field!r} is neither text nor a number"
            )
            raise ItemError(
                f"A record of {self._parent.name!r} cannot be a parent of {self._recipe.name!r}: {reason}. "
                f"Correct {{{PARENT}{field}}} in streams.{self._recipe.name}."
            )
        return bytes(found).decode()


def parent_fields(recipe: StreamRecipe) -> tuple[str, ...]:
    """Sorted fields of a parent's record that a stream uses."""
    names = {name for text in templates_of(recipe) for name in find_placeholders(text)}
    return tuple(sorted(name.removeprefix(PARENT) for name in names if name.startswith(PARENT)))


def _value_of(value: Raw) -> PlaceholderValue:
    text = scalar_text(value)
    assert text is not None
    is_integer = bytes(value).decode().removeprefix("-").isdigit() and len(text) <= _INTEGER_DIGITS
    return int(text) if is_integer else text
