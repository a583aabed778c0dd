"""The one span of an item, read from its payload."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from haulier.items.codec import canonical, encode_canonical
from haulier.items.ranges import IdRange
from haulier.items.span_of import span_of
from haulier.items.windows import TimeWindow
from haulier.items.workitem import WorkItem
from haulier.sources.finished import Finished

START = datetime(2026, 3, 1, 12, 30, 0, 250_000, tzinfo=UTC)
WINDOW = TimeWindow(START, START + timedelta(hours=1))


@dataclass(frozen=True)
class Alone(WorkItem, stream="orders", kind="alone"):
    window: TimeWindow


@dataclass(frozen=True)
class InShop(WorkItem, stream="orders", kind="in_shop"):
    shop: str
    day: date
    ids: IdRange
    rate: float = 1


@dataclass(frozen=True)
class Both(WorkItem, stream="orders", kind="both"):
    window: TimeWindow
    ids: IdRange


@dataclass(frozen=True)
class Many(WorkItem, stream="orders", kind="many"):
    ids: tuple[IdRange, ...]


def found(item: WorkItem) -> object:
    return span_of(encode_canonical(canonical(item)))


def test_a_span_is_read_back_as_it_was() -> None:
    """Fractions of a second too; what stands beside it tells the groups apart."""
    assert found(Alone(WINDOW)) == ("", WINDOW)
    group = '{"day":"2026-03-01","rate":1,"shop":"Köln"}'
    assert found(InShop("Köln", START.date(), IdRange(-5, 7))) == (group, IdRange(-5, 7))


def test_a_whole_number_is_one_however_it_is_written() -> None:
    """A person asks for what is finished with ``rate=1``; the item, whose field is a float, has 1.0."""
    day, ids = START.date(), (IdRange(1, 7),)
    groups = [span_of(encode_canonical(canonical(InShop("a", day, ids[0], rate)))) for rate in (1, 2.5)]
    finished = Finished({"orders": {found[0]: ids for found in groups if found is not None}})
    for rate in (1, 1.0, 2.5):
        assert finished.ids("orders", shop="a", day=day, rate=rate) == ids
    assert finished.ids("orders", shop="a", day=day, rate=2) == ()


def test_an_item_with_no_span_or_several_tells_none() -> None:
    """Which of two would be finished nobody can say."""
    assert found(Both(WINDOW, IdRange(1, 2))) is None
    assert found(Many((IdRange(1, 2),))) is None
    assert span_of(b'{"page":{"start":"first","end":"last"}}') is None
    assert span_of(b'{"page":{"start":"2026-03-01T00:00:00","end":"2026-03-02T00:00:00"}}') is None
