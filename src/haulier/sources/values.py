from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from msgspec import Raw

from haulier.api.errors import ApiError, Shape
from haulier.api.paging.paginator import text_of_raw
from haulier.api.records.paths import describe, explain_missing, raw_at
from haulier.errors import UsageError
from haulier.items.workitem import WorkItem
from haulier.sources.context import Context
from haulier.sources.prefixes import Prefixes
from haulier.sources.recipe import ListLookup, OnceRecipe, Pairs, ValuesRecipe
from haulier.sources.scalars import scalar_text
from haulier.sources.templates import KEY, PlaceholderValues

_NO_LIST = {Shape.MISSING, Shape.ASTRAY, Shape.NULL, Shape.NO_BODY, Shape.NOT_A_LIST, Shape.NOT_OF_SHAPE}
_LIST_ADVICE = "Correct `records` or `shape` there"
_MAY_BE_EMPTY = ', or write `empty = "no items"` there if the API may hold nothing.'


class ValuesDivision:
    """Divides a stream by the values of a list, written down or asked for."""

    placeholders = ("value",)

    def __init__(self, stream: str, kind: str, where: str, recipe: ValuesRecipe) -> None:
        @dataclass(frozen=True)
        class Values(WorkItem, stream=stream, kind=kind):
            value: str

        self.item: type[WorkItem] = Values
        self.query: Pairs = recipe.query
        self._make = Values
        self._recipe = recipe
        self._where = where

    async def items(self, context: Context) -> AsyncIterator[WorkItem]:
        """Yield one item for each value, in order. Raises `UsageError` for what is not a list of values."""
        async for value in values_of(self._recipe, self._where, context):
            yield self._make(value)

    def fill(self, item: WorkItem) -> PlaceholderValues:
        assert isinstance(item, self._make)
        return {"value": int(item.value) if self._recipe.are_numbers else item.value}

    def halves(self, item: WorkItem) -> tuple[WorkItem, ...]:
        """One more character each; empty for a value that is no prefix."""
        assert isinstance(item, self._make)
        values = self._recipe.values
        return tuple(map(self._make, values.longer(item.value))) if isinstance(values, Prefixes) else ()


class OnceDivision:
    placeholders: tuple[str, ...] = ()

    def __init__(self, stream: str, kind: str, recipe: OnceRecipe) -> None:
        @dataclass(frozen=True)
        class Once(WorkItem, stream=stream, kind=kind):
            pass

        self.item: type[WorkItem] = Once
        self.query: Pairs = recipe.query
        self._make = Once

    async def items(self, context: Context) -> AsyncIterator[WorkItem]:
        yield self._make()

    def fill(self, item: WorkItem) -> PlaceholderValues:
        assert isinstance(item, self._make)
        return {}

    def halves(self, item: WorkItem) -> tuple[WorkItem, ...]:
        return ()


async def values_of(recipe: ValuesRecipe, where: str, context: Context) -> AsyncIterator[str]:
    """Raises `UsageError` for what is not a list of values. ``where`` is the place of the recipe's table."""
    values = recipe.values
    if not isinstance(values, ListLookup):
        for value in values.all() if isinstance(values, Prefixes) else values:
            yield value
        return
    is_empty = True
    listed = context.api.pages(
        values.path,
        values.query,
        pages=values.pages,
        records=values.records,
        shape=values.shape,
        format=values.format,
        empty=_empty_forms(recipe, values),
    )
    try:
        async for page in listed:
            for place, record in enumerate(page.records):
                is_empty = False
                key = page.keys[place] if values.at == KEY and place < len(page.keys) else None
                yield _value(bytes(record), values, where) if key is None else text_of_raw(Raw(key), KEY)
    except ApiError as error:
        # Advice about a stream names keys that this table has not.
        advice = error.shape.remedy if error.shape in _NO_LIST else ""
        text = str(error).replace(advice, f"{_LIST_ADVICE}{_MAY_BE_EMPTY}") if advice else str(error)
        error.args = (f"{where}.from: {text}",)
        raise
    if is_empty and not recipe.may_be_empty:
        raise UsageError(
            f"{where}.from: GET {values.path} was answered with an empty list. Correct the query{_MAY_BE_EMPTY}"
        )


def _empty_forms(recipe: ValuesRecipe, lookup: ListLookup) -> tuple[str, ...]:
    if not recipe.may_be_empty:
        return ()
    return ("no body",) if lookup.format.has_lines else ("null", "no body")


def _value(record: bytes, lookup: ListLookup, where: str) -> str:
    found = raw_at(record, lookup.at)
    text = None if found is None else scalar_text(found)
    if text is None:
        reason = (
            explain_missing(record, lookup.at) if found is None else f"{describe(found)} is neither text nor a number"
        )
        raise UsageError(f"{where}.from: GET {lookup.path}: {reason}. Correct `at`.")
    return text
