from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from typing import Any

from haulier.api.records.page import Page
from haulier.errors import UsageError
from haulier.items.workitem import WorkItem
from haulier.sources.context import Context
from haulier.sources.division import Division, divide
from haulier.sources.fingerprint import fingerprint
from haulier.sources.lookup import Expect, expect_by
from haulier.sources.parents import Parents
from haulier.sources.recipe import ParentRecipe, StreamRecipe
from haulier.sources.stream_pages import fetch_pages

RestProcessor = Callable[[Any, Context], AsyncGenerator[Page | WorkItem, None]]


class RestSource:
    """Recipes as items and processors, like those that Python code registers. Full runs only, so far."""

    def __init__(self, name: str, streams: Iterable[StreamRecipe]) -> None:
        self.name = name
        self._streams = {recipe.name: recipe for recipe in streams}
        self._divisions: dict[str, Division] = {}
        self.processors: dict[type[WorkItem], RestProcessor] = {}
        self._halves: dict[type[WorkItem], Callable[[WorkItem], tuple[WorkItem, ...]]] = {}
        for recipe in self._streams.values():
            if recipe.parent is not None:
                self._add_child(recipe, recipe.parent)
            elif recipe.full is not None:
                division = divide(recipe.name, recipe.full, where=f"streams.{recipe.name}.full")
                self._divisions[recipe.name] = division
                self.processors[division.item] = _processor(recipe, division)
                self._halves[division.item] = division.halves

    @property
    def keys(self) -> dict[str, tuple[str, ...]]:
        return {recipe.name: recipe.key for recipe in self._streams.values() if recipe.key}

    @property
    def items(self) -> tuple[type[WorkItem], ...]:
        return tuple(self.processors)

    async def enumerate(self, mode: str, streams: Iterable[str], context: Context) -> AsyncIterator[WorkItem]:
        if mode != "full":
            raise UsageError(f"Source {self.name!r} supports full runs only, not {mode} ones.")
        for stream in streams:
            division = self._divisions.get(stream)
            if division is None:
                raise UsageError(
                    f"Stream {stream!r} of source {self.name!r} takes no part in a {mode} run. "
                    f"Write a table [streams.{stream}.{mode}.ids] or [streams.{stream}.{mode}.windows]."
                )
            async for item in division.items(context):
                yield item

    def halves(self, item: WorkItem) -> tuple[WorkItem, ...]:
        return self._halves[type(item)](item)

    def expect_of(self, streams: Iterable[str]) -> Expect | None:
        """None where no stream declares ``expect``."""
        chosen = [self._streams[stream] for stream in streams]
        lookups = {recipe.name: recipe.expect for recipe in chosen if recipe.expect is not None}
        return expect_by(lookups, "streams.{}.expect")

    def fingerprint(self, mode: str, streams: Iterable[str]) -> bytes:
        """Canonical bytes of what shapes these streams' records in a run of ``mode``, and of nothing else."""
        return fingerprint(mode, [self._streams[stream] for stream in streams], self._streams)

    def _add_child(self, recipe: StreamRecipe, rule: ParentRecipe) -> None:
        parent = self._streams.get(rule.stream)
        if parent is None or parent.full is None:
            raise UsageError(
                f"Stream {recipe.name!r} has the parent {rule.stream!r}, which does not say how a full run is divided."
            )
        # The parent's list is divided again under the child's name: each stream of a run has items of its own.
        division = divide(recipe.name, parent.full, where=f"streams.{parent.name}.full", kind=f"{recipe.name}_parents")
        work = Parents(recipe, rule, parent, division)
        self._divisions[recipe.name] = division
        self.processors[division.item] = work.split
        self.processors[work.batch] = work.pages
        self._halves |= {division.item: division.halves, work.batch: work.halves}


def _processor(recipe: StreamRecipe, division: Division) -> RestProcessor:
    async def process(item: WorkItem, context: Context) -> AsyncGenerator[Page, None]:
        async for page in fetch_pages(recipe, division.query, division.fill(item), context):
            yield page
            del page  # It keeps its answer alive, which must not be there twice while the next one comes.

    return process
