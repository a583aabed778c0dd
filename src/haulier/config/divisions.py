"""How a stream is divided into items by `ids` and `windows`, in full runs and in incremental ones."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from haulier.config.fields import Field, TableReader, TableShape
from haulier.config.lookups import EDGE_TABLE, EdgeLookup
from haulier.config.place import Place, show
from haulier.config.request_kinds import QueryPairs
from haulier.config.value_kinds import (
    Choice,
    Duration,
    Flag,
    Moment,
    NumberOr,
    TableBy,
    TableOf,
    Text,
    WholeNumber,
    errors_at,
)
from haulier.items.bounds import Bounds
from haulier.items.formats import DAY
from haulier.items.windows import TimeWindow
from haulier.items.zones import day_start, zone_of
from haulier.sources.ids import check_ends
from haulier.sources.recipe import ALL_AT_ONCE, IdsRecipe, Lookup, WindowsRecipe
from haulier.sources.written_ids import WrittenIds

_EDGES = Choice(("inclusive", "exclusive"))
START_EDGE = Field("start", _EDGES, "Whether the API includes what equals the start.", 'start = "inclusive"')
END_EDGE = Field("end", _EDGES, "Whether the API includes what equals the end.", 'end = "exclusive"')
FORMAT = Field(
    "format",
    Text(),
    "iso, date, epoch_seconds, epoch_milliseconds, or strftime text.",
    'format = "%Y-%m-%dT%H:%M:%SZ"',
)
GRANULE = Field("granule", Duration(), "The smallest difference between the times of two records.", 'granule = "1s"')
ZONE = Field("zone", Text(), "The time zone of the API's times.", 'zone = "Europe/London"')

ID_BOUNDS = TableShape("How the API is told the ends of a range of IDs.", START_EDGE, END_EDGE)
TIME_BOUNDS = TableShape(
    "How the API is told the ends of a window of time.", START_EDGE, END_EDGE, FORMAT, GRANULE, ZONE
)


@dataclass(frozen=True)
class IdNumber(WholeNumber):
    """The number of an ID, whose letters and zeros other keys write."""

    def read(self, value: Any, place: Place, example: str) -> int:
        text = re.fullmatch("([^0-9]*)([0-9]+)", value) if isinstance(value, str) else None
        if text is None:
            return super().read(value, place, example)
        prefix = f'prefix = "{text[1]}" and ' if text[1] else ""
        remedy = f"Write {place.name} = {int(text[2])}; where IDs are such texts, {prefix}digits = {len(text[2])} too."
        raise place.error(f"expected a whole number, found {show(value)}.", remedy)


QUERY = Field(
    "query",
    QueryPairs(),
    "Query parameters that tell the API the item, with {start} and {end}.",
    'query = { id__gte = "{start}", id__lt = "{end}" }',
)
FIRST = Field("first", NumberOr(IdNumber(0), EDGE_TABLE), "The lowest ID.", "first = 1")
LAST = Field(
    "last",
    NumberOr(IdNumber(0), EDGE_TABLE),
    "The highest ID: a number, or a request for it.",
    'last = { get = "/items/newest", at = "id" }',
    is_required=True,
)
IDS_STEP = Field("step", WholeNumber(), "The number of IDs in one item.", "step = 5000", is_required=True)
IDS_BOUNDS = Field(
    "bounds",
    TableOf(ID_BOUNDS, partial(Bounds, granule=1)),
    "Whether the API includes the ends.",
    'bounds = { end = "inclusive" }',
)
ONLY_START = Field(
    "only_start", Flag(), "Whether the API is told the start alone, which names the whole item.", "only_start = true"
)
ID_PREFIX = Field(
    "prefix", Text(), "Letters in front of each ID, which are part of {start} and {end}.", 'prefix = "tt"'
)
ID_DIGITS = Field(
    "digits",
    WholeNumber(),
    "The number of digits that each ID is written with, zeros in front; without it they are numbers.",
    "digits = 7",
)
_IDS = (QUERY, IDS_BOUNDS, FIRST, LAST, IDS_STEP, ONLY_START, ID_PREFIX, ID_DIGITS)
IDS = TableShape("Items that are ranges of IDs.", *_IDS)
IDS_LOOKBACK = Field(
    "lookback",
    WholeNumber(0),
    "The number of IDs that are read once more, since lower ones may appear late.",
    "lookback = 1000",
)
NEW_IDS = TableShape("Items that are ranges of new IDs.", *_IDS, IDS_LOOKBACK)

START = Field("start", Moment(), "The start of the first window.", "start = 2013-01-01T00:00:00Z", is_required=True)
END = Field(
    "end", Moment(), "The end of the last window; by default the run's snapshot time.", "end = 2014-01-01T00:00:00Z"
)
WINDOWS_STEP = Field("step", Duration(), "The length of a window.", 'step = "1d"', is_required=True)
LOOKBACK = Field(
    "lookback",
    Duration(may_be_zero=True),
    "The time that is read once more, since records may appear late.",
    'lookback = "2h"',
)
SETTLE_FOR = Field(
    "settle",
    Duration(may_be_zero=True),
    "The time between the end of the last window and now, since APIs show their newest records late.",
    'settle = "120s"',
)
WINDOWS_BOUNDS = Field(
    "bounds",
    TableOf(TIME_BOUNDS, Bounds),
    "How the ends are written, and whether the API includes them.",
    'bounds = { end = "exclusive", format = "iso" }',
)
WINDOWS_QUERY = Field("query", QUERY.kind, QUERY.doc, 'query = { updated_since = "{start}", updated_before = "{end}" }')
WINDOWS = TableShape(
    "Items that are windows of time.",
    WINDOWS_QUERY,
    WINDOWS_BOUNDS,
    START,
    END,
    WINDOWS_STEP,
    SETTLE_FOR,
    ONLY_START,
)
NEW_START = Field(
    "start",
    Moment(),
    "The time from which on the first run reads; without it, `haulier state set` has to say.",
    START.example,
)
NEW_STEP = Field(
    "step", Duration(), "The length of a window; without it, one window has all that is new.", WINDOWS_STEP.example
)
NEW_WINDOWS = TableShape(
    "Items that are windows of time, of those that no run has finished.",
    WINDOWS_QUERY,
    WINDOWS_BOUNDS,
    NEW_START,
    END,
    NEW_STEP,
    LOOKBACK,
    SETTLE_FOR,
    ONLY_START,
)


def read_ids(table: TableReader) -> IdsRecipe:
    last, first = table.need(LAST), table.get(FIRST, IdsRecipe.first)
    if isinstance(first, int) and isinstance(last, int) and last < first:
        raise table.place.at("last").error(
            f"the last ID, {last}, is below the first, {first}.", "Write a higher number."
        )
    is_one_id = table.get(ONLY_START, False) and table.need(IDS_STEP) == 1
    if ID_PREFIX in table and ID_DIGITS not in table and not is_one_id:
        raise table.place.at("prefix").error(
            "IDs that are text of different lengths do not have the order of their numbers: 'A-10' comes before 'A-9'.",
            "Write how many digits each has: digits = 7; or step = 1 and only_start = true, if each item is one ID.",
        )
    recipe = IdsRecipe(
        written=WrittenIds(**table.arguments(ID_PREFIX, ID_DIGITS)),
        bounds=table.get(IDS_BOUNDS, Bounds(granule=1)),
        first=_lookup(first),
        last=_lookup(last),
        may_be_empty=any(isinstance(edge, EdgeLookup) and edge.may_be_empty for edge in (first, last)),
        **table.arguments(QUERY, IDS_STEP, ONLY_START),
    )
    if isinstance(recipe.first, int) and isinstance(recipe.last, int):
        with errors_at(table.place):
            check_ends(recipe, recipe.first, recipe.last)
    return recipe


def read_new_ids(table: TableReader) -> IdsRecipe:
    return replace(read_ids(table), **table.arguments(IDS_LOOKBACK))


def read_windows(table: TableReader) -> WindowsRecipe:
    bounds = table.get(WINDOWS_BOUNDS, Bounds())
    return _windows(table, bounds, _moment(table.need(START), bounds), WINDOWS_STEP)


def read_new_windows(table: TableReader) -> WindowsRecipe:
    bounds = table.get(WINDOWS_BOUNDS, Bounds())
    start = table.get(NEW_START, None)
    recipe = _windows(table, bounds, None if start is None else _moment(start, bounds), NEW_STEP)
    return replace(recipe, **table.arguments(LOOKBACK))


def _windows(table: TableReader, bounds: Bounds, start: datetime | None, step: Field[timedelta]) -> WindowsRecipe:
    end = table.get(END, None)
    if end is not None:
        end = _moment(end, bounds)
        if start is not None and end <= start:
            raise table.place.at("end").error("the end is not after the start.", "Write a later end, or leave it out.")
    others = table.arguments(WINDOWS_QUERY, step, SETTLE_FOR, ONLY_START)
    recipe = WindowsRecipe(bounds=bounds, start=start, end=end, **others)
    if recipe.step != ALL_AT_ONCE:
        _check_step(recipe, table.place.at("step"))
    return recipe


IDS_TABLE = TableBy(IDS, IdsRecipe, read_ids)
WINDOWS_TABLE = TableBy(WINDOWS, WindowsRecipe, read_windows)
NEW_IDS_TABLE = TableBy(NEW_IDS, IdsRecipe, read_new_ids)
NEW_WINDOWS_TABLE = TableBy(NEW_WINDOWS, WindowsRecipe, read_new_windows)


def _lookup(edge: int | Lookup | EdgeLookup) -> int | Lookup:
    return edge.lookup if isinstance(edge, EdgeLookup) else edge


def _moment(given: datetime | date, bounds: Bounds) -> datetime:
    """A date is its first moment, in the zone of the bounds."""
    return given if isinstance(given, datetime) else day_start(given, zone_of(bounds.zone))


def _check_step(recipe: WindowsRecipe, place: Place) -> None:
    granule = recipe.bounds.granule
    if recipe.bounds.is_by_date and recipe.step % DAY:
        raise place.error(
            "the bounds are dates, so a day that two windows share would be read twice.",
            'Write whole days: step = "1d"',
        )
    if isinstance(granule, timedelta) and recipe.step < granule:
        raise place.error("the step is shorter than the granule of the bounds.", "Write a longer step.")
    if recipe.start is None:
        return
    # The last moments that the calendar has are nobody's data.
    with contextlib.suppress(OverflowError):
        first = TimeWindow(recipe.start, recipe.start + recipe.step)
        if not recipe.bounds.overlaps and recipe.bounds.widens(first):
            raise place.error(
                f"windows of this step from {recipe.start.isoformat()} on have ends that the format of the bounds "
                "cannot express, so records at these ends would be read twice.",
                "Use a step and a start of whole seconds, hours or days, as the format has them, or a finer granule: "
                'granule = "1ms".',
            )
