"""A stream that is asked for by the records of its parent: the comments of each post.

An item of the parent's list has no records: it reads the list's pages, takes the named fields of each record, and
divides itself into batches. A batch has the records of its parents, which it asks for one after the other. Where the
parent has a parent too, a batch of those reads one list for each, and divides itself into batches of what it finds.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from msgspec import Raw

from haulier.api.records.page import Page
from haulier.api.records.paths import explain_missing, raw_at
from haulier.errors import ItemError
from haulier.items.workitem import WorkItem
from haulier.sources.ancestry import Ancestry, Column
from haulier.sources.context import Context
from haulier.sources.division import Division
from haulier.sources.recipe import ParentRecipe
from haulier.sources.record_links import is_link
from haulier.sources.stream_pages import fetch_pages
from haulier.sources.templates import PlaceholderValue, PlaceholderValues
from haulier.sources.values import scalar_text

Row = tuple[str, ...]
"""Fields of a record and of those above it, each as it is written in JSON."""

_INTEGER_DIGITS = 18
"""Longer numbers stay text: their reader may not have such integers."""


class Parents:
    """The items of one stream below the list of the stream that has no parent."""

    def __init__(self, ancestry: Ancestry) -> None:
        self.batches = tuple(_Batches(ancestry, level) for level in range(ancestry.depth))
        """From the top; the last ones have the records."""
        self._ancestry = ancestry

    def splitting(self, division: Division) -> Callable[[WorkItem, Context], AsyncGenerator[WorkItem, None]]:
        """Processor of the list at the top, whose ``division`` is under this stream's name."""

        async def split(item: WorkItem, context: Context) -> AsyncGenerator[WorkItem, None]:
            top, filling = self._ancestry.line[0], self.batches[0].filling()
            async for page in fetch_pages(top, division.query, division.fill(item), context):
                for batch in filling.add((), page):
                    yield batch
            for batch in filling.rest():
                yield batch

        return split

    def processor(self, level: int) -> Callable[[WorkItem, Context], AsyncGenerator[Page | WorkItem, None]]:
        """Of the batches of one level."""
        batches = self.batches[level]
        if level + 1 == len(self.batches):
            return batches.pages

        async def split(item: WorkItem, context: Context) -> AsyncGenerator[WorkItem, None]:
            filling = self.batches[level + 1].filling()
            for row in batches.rows(item):
                async for page in batches.pages_of(row, context):
                    for batch in filling.add(row, page):
                        yield batch
            for batch in filling.rest():
                yield batch

        return split


class _Batches:
    """Batches of records of one level, which tell the level below what it is asked with."""

    def __init__(self, ancestry: Ancestry, level: int) -> None:
        stream, below = ancestry.line[-1], ancestry.line[level + 1]
        steps = ancestry.depth - level
        assert below.parent is not None

        @dataclass(frozen=True)
        class Batch(WorkItem, stream=stream.name, kind=f"{stream.name}_batch" + (f"_{steps}" if steps > 1 else "")):
            parents: tuple[tuple[str, ...], ...]
            is_key_hashed = any(is_link(lower.path) for lower in ancestry.line)

        self.item: type[WorkItem] = Batch
        self.make: Callable[[tuple[Row, ...]], WorkItem] = Batch
        self.level = level
        self.columns = ancestry.columns(level)
        self.carried = ancestry.columns(level - 1) if level else ()
        self.rule: ParentRecipe = below.parent
        self._ancestry = ancestry
        self._below = below
        self._names = tuple(ancestry.placeholder(level + 1, column) for column in self.columns)

    def rows(self, item: WorkItem) -> tuple[Row, ...]:
        found: Any = item
        rows: tuple[Row, ...] = found.parents
        return rows

    async def pages(self, item: WorkItem, context: Context) -> AsyncGenerator[Page, None]:
        for row in self.rows(item):
            async for page in self.pages_of(row, context):
                yield page
                del page  # As in `haulier.sources.rest`.

    def pages_of(self, row: Row, context: Context) -> AsyncIterator[Page]:
        """Of the stream below, for one record above it."""
        exact = {name: Raw(text.encode()) for name, text in zip(self._names, row, strict=True)}
        values: PlaceholderValues = {name: _value_of(value) for name, value in exact.items()}
        return fetch_pages(self._below, (), values, context, exact=exact, skips_absent=self.rule.skips_absent)

    def halves(self, item: WorkItem) -> tuple[WorkItem, ...]:
        """Two batches; empty for a single parent."""
        rows = self.rows(item)
        middle = len(rows) // 2
        return (self.make(rows[:middle]), self.make(rows[middle:])) if middle else ()

    def filling(self) -> _Filling:
        return _Filling(self)

    def field(self, record: bytes, column: Column) -> str:
        """A number stays one, and is sent as one when its children are asked for."""
        field = column[1]
        found = raw_at(record, field)
        if found is None or scalar_text(found) is None:
            reason = (
                explain_missing(record, field)
                if found is None
                else f"the value at {field!r} is neither text nor a number"
            )
            above, user, placeholder = self._ancestry.line[self.level].name, *self._ancestry.user_of(column)
            raise ItemError(
                f"A record of {above!r} cannot be a parent of {user!r}: {reason}. "
                f"Correct {{{placeholder}}} in streams.{user}."
            )
        return bytes(found).decode()


class _Filling:
    """The batches of one list, or of several. A record that is listed twice is asked for once."""

    def __init__(self, batches: _Batches) -> None:
        self._batches = batches
        self._seen: set[Row] = set()
        self._rows: list[Row] = []

    def add(self, above: Row, page: Page) -> list[WorkItem]:
        """The batches that a page fills. ``above``: the row by which the page was asked for."""
        batches, full = self._batches, []
        carried = dict(zip(batches.carried, above, strict=True))
        for record in page.records:
            text = bytes(record)
            row = tuple(
                batches.field(text, column) if column[0] == batches.level else carried[column]
                for column in batches.columns
            )
            if row in self._seen:
                continue
            self._seen.add(row)
            self._rows.append(row)
            if len(self._rows) == batches.rule.batch:
                full += self.rest()
        return full

    def rest(self) -> list[WorkItem]:
        rows, self._rows = tuple(self._rows), []
        return [self._batches.make(rows)] if rows else []


def _value_of(value: Raw) -> PlaceholderValue:
    text = scalar_text(value)
    assert text is not None
    is_integer = bytes(value).decode().removeprefix("-").isdigit() and len(text) <= _INTEGER_DIGITS
    return int(text) if is_integer else text
