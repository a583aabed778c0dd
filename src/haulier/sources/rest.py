from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from haulier.api.paging.graphql import GraphQL
from haulier.api.paging.pages_ahead import is_parallel
from haulier.api.records.page import Page
from haulier.errors import UsageError
from haulier.items.ranges import IdRange
from haulier.items.spans import Span
from haulier.items.windows import TimeWindow
from haulier.items.workitem import WorkItem
from haulier.sources.ancestry import Ancestry, line_of
from haulier.sources.context import Context
from haulier.sources.division import Division, asked_by, divide, divide_new, window_of
from haulier.sources.feeds import FeedDivision, feed_processor
from haulier.sources.fingerprint import fingerprint
from haulier.sources.finished import Finished
from haulier.sources.lookup import Expect, expect_by
from haulier.sources.new_ids import NewIdsDivision
from haulier.sources.new_windows import NewWindowsDivision
from haulier.sources.parents import Parents
from haulier.sources.recipe import FeedRecipe, StreamRecipe, WindowsRecipe
from haulier.sources.search.pages import check_before
from haulier.sources.stream_pages import fetch_pages, snapshot_text

CLOCKS_APART = timedelta(hours=1)
"""A full run does not ask the API for its time: so much earlier than its own it is over by the API's clock, too."""

RestProcessor = Callable[[Any, Context], AsyncGenerator[Page | WorkItem, None]]


class RestSource:
    """Recipes as items and processors, like those that Python code registers."""

    def __init__(self, name: str, streams: Iterable[StreamRecipe]) -> None:
        self.name = name
        self._streams = {recipe.name: recipe for recipe in streams}
        self._divisions: dict[str, dict[str, Division]] = {"full": {}, "incremental": {}}
        """By mode, then by stream."""
        self.processors: dict[type[WorkItem], RestProcessor] = {}
        self._halves: dict[type[WorkItem], Callable[[WorkItem], tuple[WorkItem, ...]]] = {}
        for recipe in self._streams.values():
            if recipe.parent is not None:
                self._add_child(recipe)
                continue
            for mode, division in _divisions(recipe, recipe.name).items():
                self._add(mode, division, _processor(recipe, division, mode))

    @property
    def keys(self) -> dict[str, tuple[str, ...]]:
        return {recipe.name: recipe.key for recipe in self._streams.values() if recipe.key}

    @property
    def parallel_streams(self) -> set[str]:
        """Streams whose items ask for pages side by side."""
        return {name for name, recipe in self._streams.items() if is_parallel(recipe.pages)}

    @property
    def query_files(self) -> set[str]:
        """Names of the files that hold GraphQL queries."""
        queries = [recipe.json for recipe in self._streams.values() if isinstance(recipe.json, GraphQL)]
        return {query.file for query in queries if query.file}

    @property
    def items(self) -> tuple[type[WorkItem], ...]:
        return tuple(self.processors)

    def streams_of(self, mode: str) -> tuple[str, ...]:
        """Streams that take part in runs of a mode, sorted."""
        return tuple(sorted(self._divisions[mode]))

    def has_start(self, stream: str) -> bool:
        """Whether the stream's own tables say where a first incremental run begins."""
        recipe = self._streams[self.owner_of(stream)].incremental
        return not isinstance(recipe, WindowsRecipe) or recipe.start is not None

    def whole_until(self, stream: str, snapshot_time: datetime) -> datetime:
        """The time up to which a full run of this snapshot time surely has every change."""
        recipe = self._streams[self.owner_of(stream)]
        windows = [each for each in (recipe.full, recipe.incremental) if isinstance(each, WindowsRecipe)]
        until = snapshot_time - CLOCKS_APART - max(each.settle for each in windows)
        return min([until, *(each.end for each in windows if each.end is not None)])

    def is_feed(self, stream: str) -> bool:
        """Whether incremental runs of a stream go on with a feed: it has no spans."""
        return isinstance(self._divisions["incremental"][stream], FeedDivision)

    def feed_groups(self, stream: str) -> tuple[str, ...] | None:
        """The groups of its feeds, as `items.span_group` writes them; None where the API tells them."""
        division = self._divisions["incremental"][stream]
        return division.groups if isinstance(division, FeedDivision) else ()

    def span_type(self, stream: str) -> type[Span]:
        """Of the items of incremental runs. What other ones have finished, before the tables were changed, counts
        nothing."""
        by_ids = isinstance(self._divisions["incremental"][stream], NewIdsDivision)
        return IdRange if by_ids else TimeWindow

    def due(self, stream: str, finished: Finished, snapshot_time: datetime) -> list[Span]:
        """What an incremental run of that time reads of a stream, without what only the API tells: new IDs. Raises
        `UsageError` where nobody says where to begin."""
        division = self._divisions["incremental"][stream]
        if isinstance(division, NewWindowsDivision):
            return [*division.due(finished, snapshot_time)]
        if isinstance(division, FeedDivision):
            return []
        assert isinstance(division, NewIdsDivision)
        return [*division.due(finished)]

    def owner_of(self, stream: str) -> str:
        """The stream whose tables say how this one is divided: the one at the top of its parents, or itself."""
        return line_of(self._streams[stream], self._streams)[0].name

    async def enumerate(self, mode: str, streams: Iterable[str], context: Context) -> AsyncIterator[WorkItem]:
        """Streams with a higher priority come first, others by name."""
        for stream in sorted(streams, key=lambda name: (-self._streams[name].priority, name)):
            owner = self._streams[self.owner_of(stream)]
            await check_before(owner, mode, context, {"snapshot_time": snapshot_text(context.snapshot_time)})
            async for item in self._divisions[mode][stream].items(context):
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

    def _add_child(self, recipe: StreamRecipe) -> None:
        line = line_of(recipe, self._streams)
        if line[0].full is None:
            child, top = line[1].name, line[0].name
            raise UsageError(f"Stream {child!r} has the parent {top!r}, which does not say how a full run is divided.")
        work = Parents(Ancestry(line))
        for level, batches in enumerate(work.batches):
            self.processors[batches.item] = work.processor(level)
            self._halves[batches.item] = batches.halves
        # The list at the top is divided again under the child's name: each stream of a run has items of its own.
        for mode, division in _divisions(line[0], recipe.name).items():
            if isinstance(division, FeedDivision):
                continue  # It tells what was changed, by records that may be deletions: no list of parents.
            self._add(mode, division, work.splitting(division))

    def _add(self, mode: str, division: Division, processor: RestProcessor) -> None:
        self._divisions[mode][division.item.stream] = division
        self.processors[division.item] = processor
        self._halves[division.item] = division.halves


def _divisions(recipe: StreamRecipe, stream: str) -> dict[str, Division]:
    """How the records of a recipe are divided under the name of a stream, its own or a child's, by mode."""
    found: dict[str, Division] = {}
    where = f"streams.{recipe.name}"
    is_own = stream == recipe.name
    if recipe.full is not None:
        kind = "" if is_own else f"{stream}_parents"
        found["full"] = divide(stream, recipe.full, where=f"{where}.full", kind=kind)
    if recipe.incremental is not None:
        kind = "" if is_own else f"{stream}_new_parents"
        found["incremental"] = divide_new(stream, recipe.incremental, where=f"{where}.incremental", kind=kind)
    return found


def _processor(recipe: StreamRecipe, division: Division, mode: str) -> RestProcessor:
    rule = recipe.enumeration(mode)
    if isinstance(rule, FeedRecipe):
        assert isinstance(division, FeedDivision)
        return feed_processor(recipe, rule, division)

    async def process(item: WorkItem, context: Context) -> AsyncGenerator[Page, None]:
        asked, window, values = asked_by(division, item), window_of(division, item), division.fill(item)
        async for page in fetch_pages(recipe, division.query, values, context, joined=asked, window=window):
            yield page
            del page  # It keeps its answer alive, which must not be there twice while the next one comes.

    return process
