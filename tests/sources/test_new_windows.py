"""What incremental runs ask an API for, night after night, in every way of writing a time: no record is passed over."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from haulier.errors import UsageError
from haulier.items.bounds import Bounds
from haulier.items.ranges import IdRange
from haulier.items.spans import LOWEST_TIME, merge
from haulier.items.windows import TimeWindow
from haulier.items.zones import day_start, local, zone_of
from haulier.sources.finished import Finished
from haulier.sources.new_ids import NewIdsDivision
from haulier.sources.new_windows import NewWindowsDivision
from haulier.sources.recipe import ALL_AT_ONCE, IdsRecipe, WindowsRecipe
from tests.sources.situation import context_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2026, 10, 21, tzinfo=UTC)
"""Four days before the clocks of London are set back."""
LONDON = zone_of("Europe/London")

Shown = Callable[[datetime], object]
"""A record's time as the API compares it with what it is sent."""


def shown_local(form: str) -> Shown:
    return lambda moment: local(moment, LONDON).strftime(form)


def compared_by_day(moment: datetime) -> date:
    return local(moment, LONDON).date()


# How a time is written, and how the API compares its records with what it reads there.
WAYS: dict[str, tuple[Bounds, Callable[[str], object], Shown]] = {
    "iso": (Bounds(granule=timedelta(milliseconds=1)), datetime.fromisoformat, lambda moment: moment),
    "iso, until 23:59:59": (Bounds(end="inclusive"), datetime.fromisoformat, lambda m: m.replace(microsecond=0)),
    "seconds, of records with fractions": (
        Bounds(end="inclusive", format="epoch_seconds", granule=timedelta(milliseconds=1)),
        lambda text: EPOCH + timedelta(seconds=int(text)),
        lambda moment: moment,
    ),
    "offsets": (
        Bounds("exclusive", "inclusive", "%Y-%m-%dT%H:%M:%S.%f%z", timedelta(milliseconds=1), "Europe/London"),
        lambda text: datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z"),
        lambda moment: moment,
    ),
    "hours": (Bounds(granule=HOUR), datetime.fromisoformat, lambda m: m.replace(minute=0, second=0, microsecond=0)),
    "local minutes": (
        Bounds(format="%Y-%m-%d %H:%M", zone="Europe/London", granule=timedelta(minutes=1)),
        str,
        shown_local("%Y-%m-%d %H:%M"),
    ),
    "days": (Bounds(format="date", zone="Europe/London"), date.fromisoformat, compared_by_day),
    "days, both included": (
        Bounds(end="inclusive", format="date", zone="Europe/London"),
        date.fromisoformat,
        compared_by_day,
    ),
    "days, as search servers round them": (
        Bounds(end="inclusive", format="%Y-%m-%d||/d", zone="Europe/London"),
        lambda text: date.fromisoformat(text.removesuffix("||/d")),
        compared_by_day,
    ),
}


def due(recipe: WindowsRecipe, at: datetime, finished: Finished | tuple[TimeWindow, ...]) -> list[TimeWindow]:
    division = NewWindowsDivision("items", "items_new_windows", "streams.items.incremental.windows", recipe)
    known = finished if isinstance(finished, Finished) else Finished({"items": {"": finished}})
    context = replace(context_of(None, at), finished=known)  # type: ignore[arg-type]

    async def items() -> list[TimeWindow]:
        return [item.window async for item in division.items(context)]  # type: ignore[attr-defined]

    return asyncio.run(items())


@pytest.mark.parametrize("way", WAYS)
def test_g1_neighbours_of_two_nights_meet_every_record(way: str) -> None:
    """A record is in a window of the night in which it is asked for, whatever the bounds cannot say; what a night has
    not finished, a later one asks for. Nothing is finished that is still to come."""
    bounds, read, shown = WAYS[way]
    for seed in range(6):
        rng = random.Random(f"{way} {seed}")
        step = DAY * rng.randint(1, 3) if bounds.is_by_date else rng.choice([HOUR, 5 * HOUR, DAY])
        recipe = WindowsRecipe(
            START, step, bounds=bounds, settle=timedelta(seconds=rng.choice([0, 120, 5_000])),
            lookback=rng.choice([timedelta(), timedelta(minutes=90), 30 * HOUR]),
        )  # fmt: skip
        records = [START + timedelta(milliseconds=rng.randrange(10 * 86_400_000)) for _ in range(120)]
        records += [START + rng.randrange(240) * HOUR for _ in range(40)]
        met: set[datetime] = set()
        finished: tuple[TimeWindow, ...] = ()
        at = START + timedelta(minutes=10)
        while at < START + 9 * DAY:
            at += timedelta(seconds=rng.randrange(3_600, 2 * 86_400))
            for window in due(recipe, at, finished):
                if rng.random() < 0.15:
                    continue  # It failed, and is left to the next night.
                low, high = map(read, bounds.of(window))
                met |= {
                    one
                    for one in records
                    if one <= at
                    and (shown(one) > low if bounds.start == "exclusive" else shown(one) >= low)  # type: ignore[operator]
                    and (shown(one) <= high if bounds.end == "inclusive" else shown(one) < high)  # type: ignore[operator]
                }
                finished = merge([*finished, window])
            assert finished == () or finished[-1].end <= at - recipe.settle
            assert met >= {one for one in records if any(span.start <= one < span.end for span in finished)}


def test_todays_records_by_date_come_tomorrow() -> None:
    """Whole days that are over, where the API is asked by date; a day is finished as a whole or not at all."""
    start = day_start(date(2026, 10, 21), LONDON)
    recipe = WindowsRecipe(start, 2 * DAY, bounds=WAYS["days"][0], lookback=HOUR)
    at = datetime(2026, 10, 26, 23, 59, tzinfo=UTC)
    first = due(recipe, at, ())
    starts = [day_start(date(2026, 10, day), LONDON) for day in (21, 23, 25, 26)]
    assert first == [TimeWindow(*pair) for pair in pairwise(starts)]
    assert first[-1].duration == 25 * HOUR
    following = due(recipe, at + DAY, (TimeWindow(start, at - HOUR),))
    assert following == [TimeWindow(starts[-1], day_start(date(2026, 10, 27), LONDON))]


def test_nothing_is_due_twice_in_a_moment() -> None:
    """A run right after another has no items, and neither has one whose clock is behind; that is no error."""
    recipe = WindowsRecipe(START, DAY)
    at = START + 3 * DAY
    finished = merge(due(recipe, at, ()))
    assert finished == (TimeWindow(START, at - recipe.settle),)
    assert due(recipe, at, finished) == due(recipe, at - HOUR, finished) == []
    assert due(replace(recipe, end=START + DAY), at, ()) == [TimeWindow(START, START + DAY)]


def test_without_a_step_one_item_has_all_that_is_new() -> None:
    """For an API that takes no end, it begins at the earliest hole, and with that has the others too."""
    recipe = WindowsRecipe(START, ALL_AT_ONCE, settle=timedelta())
    at = START + 4 * DAY
    finished = (TimeWindow(START, START + DAY), TimeWindow(START + 2 * DAY, START + 3 * DAY))
    hole, new = TimeWindow(START + DAY, START + 2 * DAY), TimeWindow(START + 3 * DAY, at)
    assert due(recipe, at, finished) == [hole, new]
    assert due(replace(recipe, only_start=True), at, finished) == [TimeWindow(hole.start, at)]
    by_day = replace(recipe, bounds=Bounds(format="date"), only_start=True)
    assert due(by_day, at + HOUR, finished) == [TimeWindow(hole.start, at)]


def test_a_period_that_its_start_names_is_asked_for_from_its_start() -> None:
    """Half of a week cannot be asked for by the name of the week: it is asked for whole, until it is over."""
    recipe = WindowsRecipe(START, 7 * DAY, bounds=Bounds(format="date"), only_start=True)
    weeks = [START + count * 7 * DAY for count in range(3)]
    at = weeks[1] + 3 * DAY + HOUR
    assert due(recipe, at, ()) == [TimeWindow(weeks[0], weeks[1]), TimeWindow(weeks[1], at - HOUR)]
    following = due(recipe, at + 5 * DAY, (TimeWindow(START, at - HOUR),))
    assert following == [TimeWindow(weeks[1], weeks[2]), TimeWindow(weeks[2], at - HOUR + 5 * DAY)]


def test_a_first_run_without_a_start_is_refused_in_words() -> None:
    with pytest.raises(
        UsageError, match=r"windows: there is no `start`.*haulier state set SOURCE items --until TIME --why TEXT"
    ):
        due(WindowsRecipe(None, DAY), START, ())
    known = (TimeWindow(START, START + HOUR),)
    assert due(WindowsRecipe(None, DAY, settle=timedelta()), START + 2 * HOUR, known) == [
        TimeWindow(START + HOUR, START + 2 * HOUR)
    ]
    with pytest.raises(UsageError, match="is after the time of this run"):
        due(WindowsRecipe(START + HOUR, DAY), START, ())


def test_g1_without_a_start_a_stream_begins_where_it_ever_began() -> None:
    """What a person said is finished, and a run read once more in vain, is a hole like others."""
    recipe = WindowsRecipe(None, DAY, settle=timedelta())
    known = Finished({"items": {"": (TimeWindow(START + DAY, START + 2 * DAY),)}}, {"items": START})
    assert due(recipe, START + 3 * DAY, known) == [
        TimeWindow(START, START + DAY),
        TimeWindow(START + 2 * DAY, START + 3 * DAY),
    ]
    nothing = Finished({"items": {"": ()}}, {"items": START})
    assert due(recipe, START + HOUR, nothing) == [TimeWindow(START, START + HOUR)]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati"])
def test_where_all_before_a_day_is_finished_none_of_it_is_read(zone: str) -> None:
    """Nor the day of the year 1 in which the first moment of all falls, in some zones."""
    local_zone = zone_of(zone)
    begin, end = (day_start(date(2026, 10, day), local_zone) for day in (21, 22))
    recipe = WindowsRecipe(None, DAY, bounds=Bounds(format="date", zone=zone), lookback=HOUR)
    known = Finished({"items": {"*": (TimeWindow(LOWEST_TIME, end),)}}, {"items": LOWEST_TIME})
    assert due(recipe, end + 27 * HOUR, known) == [
        TimeWindow(begin, end),
        TimeWindow(end, day_start(date(2026, 10, 23), local_zone)),
    ]


def test_new_ids_are_those_above_what_is_finished_and_its_holes() -> None:
    """Up to the last ID that the API tells now, cut at the same marks in each run."""

    async def ids(last: int, finished: tuple[IdRange, ...], *, lookback: int = 0, only_start: bool = False) -> object:
        recipe = IdsRecipe(last, 100, lookback=lookback, only_start=only_start, may_be_empty=True)
        division = NewIdsDivision("items", "items_new_ids", "here", recipe)
        context = replace(context_of(None), finished=Finished({"items": {"": finished}}))  # type: ignore[arg-type]
        return [(item.ids.start, item.ids.end) async for item in division.items(context)]  # type: ignore[attr-defined]

    async def all_of_it() -> None:
        finished = (IdRange(1, 51), IdRange(61, 231))
        assert await ids(250, ()) == [(1, 101), (101, 201), (201, 251)]
        assert await ids(250, finished) == [(51, 61), (231, 251)]
        assert await ids(250, finished, lookback=40) == [(51, 61), (191, 201), (201, 251)]
        assert await ids(250, finished, only_start=True) == [(1, 101), (201, 251)]
        assert await ids(200, finished) == [(51, 61)]
        assert await ids(0, finished) == []

    asyncio.run(all_of_it())
