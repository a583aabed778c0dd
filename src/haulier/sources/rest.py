"""`RestSource`: recipes as work items, enumerators and processors, the same that Python code registers by hand."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, assert_never

from haulier.api.page import Page
from haulier.errors import UsageError
from haulier.items.workitem import WorkItem
from haulier.sources.context import SourceContext
from haulier.sources.fingerprint import fingerprint
from haulier.sources.ids import IdsDivision
from haulier.sources.lookup import ask, whole_number
from haulier.sources.recipe import Enumeration, IdsRecipe, Pairs, StreamRecipe, WindowsRecipe
from haulier.sources.templates import Words, fill, fill_path, fill_value
from haulier.sources.windows import WindowsDivision

if TYPE_CHECKING:
    from haulier.api.client import ItemApi

RestProcessor = Callable[[Any, SourceContext], AsyncGenerator[Page, None]]
RestExpect = Callable[["ItemApi"], Awaitable[dict[str, int]]]


class Division(Protocol):
    """How one stream is divided into items."""

    item: type[WorkItem]
    query: Pairs

    @property
    def words(self) -> tuple[str, ...]:
        """The words in braces that `fill` gives a value."""
        ...

    def items(self, context: SourceContext) -> AsyncIterator[WorkItem]: ...

    def fill(self, item: WorkItem) -> Words: ...


class RestSource:
    """The items and processors of a source that is described by recipes. Full runs only, so far."""

    def __init__(self, name: str, streams: Iterable[StreamRecipe]) -> None:
        self.name = name
        self._streams = {recipe.name: recipe for recipe in streams}
        self._divisions: dict[str, Division] = {}
        self.processors: dict[type[WorkItem], RestProcessor] = {}
        """The processor of each class of work item."""
        for recipe in self._streams.values():
            if recipe.full is not None:
                division = _divide(recipe.name, "full", recipe.full)
                self._divisions[recipe.name] = division
                self.processors[division.item] = _processor(recipe, division)

    @property
    def items(self) -> tuple[type[WorkItem], ...]:
        """The classes of work items, in the order of the streams."""
        return tuple(self.processors)

    async def enumerate(self, mode: str, streams: Iterable[str], context: SourceContext) -> AsyncIterator[WorkItem]:
        """The items of a run of these streams, one stream after the other."""
        if mode != "full":
            raise UsageError(f"Source {self.name!r} can make the items of full runs only, not of {mode} ones.")
        for stream in streams:
            division = self._divisions.get(stream)
            if division is None:
                raise UsageError(
                    f"Stream {stream!r} of source {self.name!r} has no part in a {mode} run. "
                    f"Write a table [streams.{stream}.{mode}.ids] or [streams.{stream}.{mode}.windows]."
                )
            async for item in division.items(context):
                yield item

    def expect_of(self, streams: Iterable[str]) -> RestExpect | None:
        """What asks the API how many records each of these streams should hold; None where none declares it.

        A stream that declares no ``expect`` is left out of the answer.
        """
        chosen = [self._streams[stream] for stream in streams]
        lookups = {recipe.name: recipe.expect for recipe in chosen if recipe.expect is not None}

        async def expect(api: ItemApi) -> dict[str, int]:
            counts = {}
            for name, lookup in lookups.items():
                found = await ask(api, lookup)
                counts[name] = whole_number(found, lookup, f"streams.{name}.expect", "Correct `at`, or the query.")
            return counts

        return expect if lookups else None

    def fingerprint(self, mode: str, streams: Iterable[str]) -> bytes:
        """Canonical bytes of all that shapes the records of these streams in a run of ``mode``, and of nothing else."""
        return fingerprint(mode, [self._streams[stream] for stream in streams])


@dataclass(frozen=True)
class Asked:
    """A stream's request with the words of one item filled in."""

    path: str
    query: Pairs
    json: Any
    headers: Pairs


def request_of(recipe: StreamRecipe, query: Pairs, words: Words) -> Asked:
    """The request for an item's first page; ``query`` is the division's own, behind the stream's."""
    return Asked(
        path=fill_path(recipe.path, words),
        query=tuple((name, fill(value, words)) for name, value in (*recipe.query, *query)),
        json=_fill_tree(recipe.json, words),
        headers=tuple((name, fill(value, words)) for name, value in recipe.headers),
    )


def _divide(stream: str, mode: str, recipe: Enumeration) -> Division:
    match recipe:
        case IdsRecipe():
            return IdsDivision(stream, mode, recipe)
        case WindowsRecipe():
            return WindowsDivision(stream, mode, recipe)
        case _:
            assert_never(recipe)


def _processor(recipe: StreamRecipe, division: Division) -> RestProcessor:
    async def process(item: WorkItem, context: SourceContext) -> AsyncGenerator[Page, None]:
        words = {**division.fill(item), "snapshot_time": snapshot_text(context.snapshot_time)}
        asked = request_of(recipe, division.query, words)
        pages = context.api.pages(
            asked.path,
            asked.query,
            pages=recipe.pages,
            records=recipe.records,
            total=recipe.total,
            method=recipe.method,
            json=asked.json,
            headers=asked.headers,
        )
        async for page in pages:
            yield page

    return process


def snapshot_text(snapshot_time: datetime) -> str:
    """`{snapshot_time}`: whole seconds, UTC, as most APIs read a time."""
    return f"{snapshot_time:%Y-%m-%dT%H:%M:%SZ}"


def _fill_tree(tree: Any, words: Words) -> Any:
    if isinstance(tree, str):
        return fill_value(tree, words)
    if isinstance(tree, Mapping):
        return {key: _fill_tree(value, words) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_fill_tree(value, words) for value in tree]
    return tree
