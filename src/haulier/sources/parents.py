"""A stream that is asked for by the records of its parent: the comments of each post.

An item of the parent's list has no records: it reads the list's pages, takes the named fields of each record, and
divides itself into batches. A batch has the records of its parents, which it asks for one after the other. Where the
parent has a parent too, a batch of those reads one list for each, and divides itself into batches of what it finds.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from msgspec import Raw

from haulier.api.records.page import Page
from haulier.api.records.paths import explain_missing, raw_at
from haulier.errors import ItemError, UsageError
from haulier.items.workitem import WorkItem
from haulier.sources.ancestry import Ancestry, Column
from haulier.sources.context import Context
from haulier.sources.division import Division, asked_by, window_of
from haulier.sources.joined import Asked, Packing
from haulier.sources.recipe import ParentRecipe
from haulier.sources.record_links import is_link
from haulier.sources.scalars import scalar_text
from haulier.sources.stream_pages import fetch_pages
from haulier.sources.templates import PlaceholderValue

Row = tuple[str, ...]
"""Fields of a record and of those above it, each as it is written in JSON."""

RowsOf = Callable[[bytes], tuple[Row, ...]]
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
            top, filling, asked = self._ancestry.line[0], self.batches[0].filling(), asked_by(division, item)
            values, window = division.fill(item), window_of(division, item)
            async for page in fetch_pages(top, division.query, values, context, joined=asked, window=window):
                for batch in filling.add(page, lambda record: ((),)):
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
            for rows in batches.requests(item):
                rows_of = batches.owners(rows)
                async for page in batches.pages_of(rows, context):
                    for batch in filling.add(page, rows_of):
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
        rule: ParentRecipe = below.parent

        @dataclass(frozen=True)
        class Batch(WorkItem, stream=stream.name, kind=f"{stream.name}_batch" + (f"_{steps}" if steps > 1 else "")):
            parents: tuple[tuple[str, ...], ...]
            is_asked_whole = rule.join is not None
            is_key_hashed = any(is_link(lower.path) for lower in ancestry.line)

        self.item: type[WorkItem] = Batch
        self.make: Callable[[tuple[Row, ...]], WorkItem] = Batch
        self.level = level
        self.columns = ancestry.columns(level)
        self.carried = ancestry.columns(level - 1) if level else ()
        self.rule = rule
        self._ancestry = ancestry
        self._below = below
        self._names = tuple(ancestry.placeholder(level + 1, column) for column in self.columns)
        self._joined = 0
        self._shared: tuple[int, ...] = ()
        if self.rule.join is not None:
            own = ancestry.own_columns(level + 1)
            if len(own) != 1:
                raise UsageError(
                    f"streams.{below.name}: `join` is about one field of the parent, and there are {len(own)}."
                )
            self._joined = self.columns.index(own[0])
            self._shared = tuple(self.columns.index(column) for column in ancestry.other_columns(level + 1))

    def rows(self, item: WorkItem) -> tuple[Row, ...]:
        found: Any = item
        rows: tuple[Row, ...] = found.parents
        return rows

    def requests(self, item: WorkItem) -> Iterator[tuple[Row, ...]]:
        """Rows that are asked for at once."""
        rows = self.rows(item)
        if self.rule.join is not None:
            yield rows
            return
        for row in rows:
            yield (row,)

    async def pages(self, item: WorkItem, context: Context) -> AsyncGenerator[Page, None]:
        for rows in self.requests(item):
            async for page in self.pages_of(rows, context):
                yield page
                del page  # As in `haulier.sources.rest`.

    def pages_of(self, rows: tuple[Row, ...], context: Context) -> AsyncIterator[Page]:
        """Of the stream below, for one record above it; with a ``join`` for several, which differ in what is joined."""
        exact = {name: Raw(text.encode()) for name, text in zip(self._names, rows[0], strict=True)}
        values: dict[str, PlaceholderValue] = {name: _value_of(value) for name, value in exact.items()}
        joined = None
        if self.rule.join is not None:
            joined = Asked(self.rule.join, tuple(dict.fromkeys(self.joined_value(row) for row in rows)))
            name = self._names[self._joined]
            values[name] = joined.text
            del exact[name]
        skips_absent = self.rule.skips_absent
        return fetch_pages(self._below, (), values, context, exact=exact, skips_absent=skips_absent, joined=joined)

    def owners(self, rows: tuple[Row, ...]) -> RowsOf:
        """Tells of a record that came for which rows it did."""
        join = self.rule.join
        if join is None:
            return lambda record: rows
        by_value: dict[str, tuple[Row, ...]] = {}
        for row in rows:
            value = self.joined_value(row)
            by_value[value] = (*by_value.get(value, ()), row)
        return lambda record: by_value[join.of_record(record)]

    def joined_value(self, row: Row) -> str:
        text = scalar_text(Raw(row[self._joined].encode()))
        assert text is not None
        return text

    def joinable_value(self, row: Row) -> str:
        value = self.joined_value(row)
        if self.rule.join is not None and (problem := self.rule.join.problem_of(value)):
            above, below = self._ancestry.line[self.level].name, self._below.name
            raise ItemError(
                f"A record of {above!r} cannot be a parent of {below!r}: {problem} Write another text in `join.with` "
                f"of streams.{below}."
            )
        return value

    def shared(self, row: Row) -> Row:
        """What all rows of one request have in common."""
        return tuple(row[place] for place in self._shared)

    def halves(self, item: WorkItem) -> tuple[WorkItem, ...]:
        """Two batches; empty for a single parent."""
        rows = self.rows(item)
        middle = len(rows) // 2
        return (self.make(rows[:middle]), self.make(rows[middle:])) if middle else ()

    def filling(self) -> _Filling:
        return _Filling(self)

    def field(self, record: bytes, column: Column, number: int) -> str:
        """A number stays one, and is sent as one when its children are asked for. ``number``: of the record in its
        page."""
        field = column[1]
        found = raw_at(record, field)
        if found is None or scalar_text(found) is None:
            reason = (
                explain_missing(record, field, "the record")
                if found is None
                else f"the value at {field!r} is neither text nor a number"
            )
            above, user, placeholder = self._ancestry.line[self.level].name, *self._ancestry.user_of(column)
            raise ItemError(
                f"Record {number:,} of a page of {above!r} cannot be a parent of {user!r}: {reason}. "
                f"Correct {{{placeholder}}} in streams.{user}."
            )
        return bytes(found).decode()


class _Filling:
    """The batches of one list, or of several. A record that is listed twice is asked for once."""

    def __init__(self, batches: _Batches) -> None:
        self._batches = batches
        self._seen: set[Row] = set()
        self._rows: list[Row] = []
        join = batches.rule.join
        self._packing = None if join is None else Packing(join, batches.rule.batch)

    def add(self, page: Page, rows_of: RowsOf) -> list[WorkItem]:
        """The batches that a page fills. ``rows_of`` tells by which rows a record was asked for."""
        batches, full = self._batches, []
        for number, record in enumerate(page.records, 1):
            text = bytes(record)
            for above in rows_of(text):
                carried = dict(zip(batches.carried, above, strict=True))
                row = tuple(
                    batches.field(text, column, number) if column[0] == batches.level else carried[column]
                    for column in batches.columns
                )
                if row not in self._seen:
                    self._seen.add(row)
                    full += self._put(row)
        return full

    def rest(self) -> list[WorkItem]:
        rows, self._rows = tuple(self._rows), []
        if self._packing is not None:
            self._packing.clear()
        return [self._batches.make(rows)] if rows else []

    def _put(self, row: Row) -> list[WorkItem]:
        batches = self._batches
        if self._packing is None:
            self._rows.append(row)
            return self.rest() if len(self._rows) == batches.rule.batch else []
        full: list[WorkItem] = []
        if self._rows and batches.shared(self._rows[0]) != batches.shared(row):
            full += self.rest()
        value = batches.joinable_value(row)
        if not self._packing.takes(value):
            full += self.rest()
            self._packing.takes(value)
        self._rows.append(row)
        return full


def _value_of(value: Raw) -> PlaceholderValue:
    text = scalar_text(value)
    assert text is not None
    is_integer = bytes(value).decode().removeprefix("-").isdigit() and len(text) <= _INTEGER_DIGITS
    return int(text) if is_integer else text
