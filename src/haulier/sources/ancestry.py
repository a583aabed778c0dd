"""Which fields of which streams above it a stream is asked with, and how far down each of them is carried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from haulier.errors import UsageError
from haulier.sources.recipe import StreamRecipe
from haulier.sources.stream_pages import templates_of
from haulier.sources.templates import PARENT, PARENTS, find_placeholders

Column = tuple[int, str]
"""A stream of the line, counted from the one that has no parent, and the path of a field in its records."""


@dataclass(frozen=True)
class Ancestry:
    """``line``: from the stream that has no parent down to the one that is asked for."""

    line: tuple[StreamRecipe, ...]

    @property
    def depth(self) -> int:
        return len(self.line) - 1

    def columns(self, level: int) -> tuple[Column, ...]:
        """What a row about one record of ``level`` holds: what any stream below it is asked with."""
        below = range(level + 1, len(self.line))
        return tuple(sorted({column for lower in below for column in self._used(lower) if column[0] <= level}))

    def placeholder(self, level: int, column: Column) -> str:
        """What the stream of ``level`` writes for a column."""
        above, field = column
        return f"{PARENT}{field}" if above == level - 1 else f"{PARENTS}{self.line[above].name}.{field}"

    def user_of(self, column: Column) -> tuple[str, str]:
        """The first stream that is asked with a column, and what it writes for it."""
        below = range(column[0] + 1, len(self.line))
        level = next(lower for lower in below if column in self._used(lower))
        return self.line[level].name, self.placeholder(level, column)

    def own_columns(self, level: int) -> tuple[Column, ...]:
        """What the stream of ``level`` itself is asked with, of its parent."""
        return tuple(sorted({column for column in self._used(level) if column[0] == level - 1}))

    def other_columns(self, level: int) -> tuple[Column, ...]:
        """The same of streams further up."""
        return tuple(sorted({column for column in self._used(level) if column[0] < level - 1}))

    def _used(self, level: int) -> Iterator[Column]:
        names = {recipe.name: place for place, recipe in enumerate(self.line[:level])}
        for stream, field in ancestor_fields(self.line[level]):
            if stream and stream not in names:
                raise UsageError(
                    f"streams.{self.line[level].name}: {{{PARENTS}{stream}.{field}}}: no stream {stream!r} is above it."
                )
            yield (names[stream] if stream else level - 1), field


def ancestor_fields(recipe: StreamRecipe) -> Iterator[tuple[str, str]]:
    """Fields of records above that a stream's texts name, each with its stream: "" for the parent."""
    for text in templates_of(recipe):
        for name in find_placeholders(text):
            if name.startswith(PARENTS):
                stream, _, field = name.removeprefix(PARENTS).partition(".")
                yield stream, field
            elif name.startswith(PARENT):
                yield "", name.removeprefix(PARENT)


def line_of(recipe: StreamRecipe, streams: Mapping[str, StreamRecipe]) -> tuple[StreamRecipe, ...]:
    """The streams above ``recipe``, and itself, from the top. Raises `UsageError` for one that is not there, and for a
    circle."""
    line = [recipe]
    while (rule := line[0].parent) is not None:
        parent = streams.get(rule.stream)
        if parent is None:
            raise UsageError(f"Stream {line[0].name!r} has the parent {rule.stream!r}, which is not there.")
        if circle := circle_of(parent, line):
            raise UsageError(f"Stream {recipe.name!r} is above itself: {circle}. Name another parent.")
        line.insert(0, parent)
    return tuple(line)


def circle_of(parent: StreamRecipe, line: Sequence[StreamRecipe]) -> str:
    """Names of streams, if the parent of the first one of a line is part of it; else ""."""
    names = [recipe.name for recipe in line]
    if parent.name not in names:
        return ""
    return " of ".join([parent.name, *names[: names.index(parent.name) + 1]])
