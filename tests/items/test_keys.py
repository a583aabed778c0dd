"""Item keys: readable, deterministic, one for each item, and safe on a disk that is blind to case."""

import enum
import itertools
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulier.errors import UsageError
from haulier.items.codec import decode_payload
from haulier.items.keys import HASH_LENGTH, MAX_KEY_LENGTH, item_key
from haulier.items.ranges import IdRange
from haulier.items.windows import TimeWindow
from haulier.items.workitem import WorkItem
from haulier.queues import envelope
from tests.items.payloads import written

KEY = re.compile(r"[a-z][a-z0-9_]*(-[a-z0-9_]+)*")
HASH = re.compile(rf"[a-z2-7]{{{HASH_LENGTH}}}")


@dataclass(frozen=True)
class Flights(WorkItem, stream="flights", kind="flights_ids"):
    ids: IdRange


@dataclass(frozen=True)
class Events(WorkItem, stream="events", kind="events_windows"):
    window: TimeWindow


@dataclass(frozen=True)
class Once(WorkItem, stream="s", kind="once"):
    pass


class Side(enum.Enum):
    LEFT = "left"
    RIGHT = "Right"
    NONE = "none"


@dataclass(frozen=True)
class Inner:
    word: str | None = None
    number: int | None = None


@dataclass(frozen=True)
class Words(WorkItem, stream="s", kind="words"):
    first: str | None = None
    second: str | None = None


@dataclass(frozen=True)
class Nested(WorkItem, stream="s", kind="nested"):
    first: Inner | None = None
    second: Inner | None = None
    third: int | None = None


@dataclass(frozen=True)
class Spans(WorkItem, stream="s", kind="spans"):
    ids: IdRange | None = None
    more: IdRange | None = None
    window: TimeWindow | None = None
    number: int | None = None


@dataclass(frozen=True)
class Lists(WorkItem, stream="s", kind="lists"):
    first: tuple[str, ...] = ()
    second: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scalars(WorkItem, stream="s", kind="scalars"):
    number: int | None = None
    flag: bool | None = None
    day: date | None = None
    side: Side | None = None
    share: float = 0.0
    at: datetime | None = None


# Few and confusable values, so that hypothesis finds two items of one key if there are any.
words = st.none() | st.sampled_from(
    ["", "a", "A", "b", "none", "None", "a-b", "a_b", "_a", "a_", "1", "m1", "true", "é", "K", "k", "\u212a", "ſ",
     "s", "x" * 40, "x" * 41, "x" * 400, "a" * HASH_LENGTH, "con", "a.json", "a.ndjson.gz", "../a", "\x00"]
)  # fmt: skip
numbers = st.none() | st.integers(-2, 2) | st.sampled_from([2**70, -(2**70)])
spans = st.none() | st.tuples(st.integers(-2, 2), st.integers(1, 3)).map(
    lambda pair: IdRange(pair[0], pair[0] + pair[1])
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.integers(-2, 2).flatmap(
    lambda count: st.sampled_from([timedelta(seconds=1), timedelta(microseconds=1), timedelta(days=1)]).map(
        lambda unit: EPOCH + count * unit
    )
)
windows = st.none() | moments.map(lambda start: TimeWindow(start, start + timedelta(seconds=1)))
inners = st.none() | st.builds(Inner, words, numbers)
some = st.lists(words.filter(lambda word: word is not None), max_size=3).map(tuple)
days = st.none() | st.dates(date(2013, 1, 1), date(2013, 1, 3))
items: st.SearchStrategy[WorkItem] = st.one_of(
    st.just(Once()),
    st.builds(Words, words, words),
    st.builds(Nested, inners, inners, numbers),
    st.builds(Spans, spans, spans, windows, numbers),
    st.builds(Lists, some, some),
    st.builds(
        Scalars, numbers, st.none() | st.booleans(), days, st.none() | st.sampled_from(Side),
        st.sampled_from([0.0, 1.0, -1.0, 1e16, 1e-7, 0.1, 1]), st.none() | moments,
    ),
)  # fmt: skip


@given(items)
def test_a_key_is_safe_wherever_it_is_written(item: WorkItem) -> None:
    """A key is lower-case ASCII of at most 120 characters that starts with the kind, and a message may carry it."""
    key = item_key(item)
    assert KEY.fullmatch(key)
    assert len(key) <= MAX_KEY_LENGTH
    assert key.split("-")[0] == item.kind
    message = envelope.Envelope(kind=item.kind, key=key, run_id="r", payload=msgspec.Raw(written(item)))
    assert envelope.decode(envelope.encode(message)).key == key


@given(st.lists(items, min_size=2, max_size=40))
def test_unequal_items_never_share_a_key(found: list[WorkItem]) -> None:
    """Two items have one key if, and only if, they are equal: kinds, case, signs, None and nesting never confuse it."""
    for left, right in itertools.combinations(found, 2):
        same = type(left) is type(right) and written(left) == written(right)
        assert (item_key(left) == item_key(right)) == same


def test_all_small_items_have_keys_of_their_own() -> None:
    """The same for every pair of confusable words and ranges, not only those that chance tried."""
    some = [None, "none", "a", "A", "a_b", "a-b", "_a", "a" * HASH_LENGTH, "1", "m1", ""]
    ranges = [None, *(IdRange(start, end) for start, end in itertools.combinations(range(-3, 4), 2))]
    inner = [None, *itertools.starmap(Inner, itertools.product([None, "none", "a"], [None, 1, -1]))]
    made = {
        *itertools.starmap(Words, itertools.product(some, some)),
        *itertools.starmap(Spans, itertools.product(ranges, ranges, [None], [None, 0, 1])),
        *itertools.starmap(Nested, itertools.product(inner, inner, [None, 1])),
        *(Scalars(number=number, flag=flag) for number in (None, 1, 0, -1) for flag in (None, True, False)),
    }
    assert len({item_key(item) for item in made}) == len(made)


@given(items)
def test_a_key_is_the_same_after_a_journey(item: WorkItem) -> None:
    """Equal parameters, equal key: also for the item that a worker decoded."""
    assert item_key(decode_payload(type(item), written(item))) == item_key(item)


def test_a_key_is_the_same_in_every_process() -> None:
    """Keys do not depend on the seed of Python's hashes, the time zone, or anything else of a process."""
    program = (
        "from dataclasses import dataclass\n"
        "from haulier.items.keys import item_key\n"
        "from haulier.items.workitem import WorkItem\n"
        "@dataclass(frozen=True)\n"
        "class Words(WorkItem, stream='s', kind='words'):\n"
        "    first: str | None\n"
        "    second: str | None\n"
        "print(item_key(Words('A', 'b')), item_key(Words('São Paulo', '')), item_key(Words('a', None)))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True, encoding="utf-8",
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone},
        ).stdout
        for seed, zone in (("1", "UTC"), ("2", "America/New_York"))
    }  # fmt: skip
    here = (Words("A", "b"), Words("São Paulo", ""), Words("a", None))
    assert found == {" ".join(map(item_key, here)) + "\n"}


A, B = datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 2, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("item", "key"),
    [
        (Flights(IdRange(1, 5001)), "flights_ids-1-5001"),
        (Flights(IdRange(-5, 10)), "flights_ids-m5-10"),
        (Flights(IdRange(10**30, 10**30 + 1)), f"flights_ids-1{'0' * 30}-1{'0' * 29}1"),
        (Events(TimeWindow(A, B)), "events_windows-20130101t000000z-20130102t000000z"),
        (Events(TimeWindow(A, A + MOMENT)), "events_windows-20130101t000000z-20130101t000000_000001z"),
        (Once(), "once"),
        (Words("a", None), "words-a-none"),
        (Words("con", "_x_"), "words-con-_x_"),
        (Words("A", "b"), "words-a-b-zggtyjmytgnxjanicxnt"),
        (Words("São Paulo", ""), "words-s_o_paulo-irrpeefnb3kmfeb4isvq"),
        (Scalars(7, True, date(2013, 1, 1), Side.LEFT, 0.5, A), "scalars-7-true-20130101-left-0_5-20130101t000000z-"),
        (Lists(("a", "b"), ("c",)), "lists-a-b-c-"),
    ],
)  # fmt: skip
def test_keys_are_readable(item: WorkItem, key: str) -> None:
    """Who looks into the lake sees what an object holds. The samples pin the keys of plans that are open."""
    found = item_key(item)
    if key.endswith("-"):
        assert found.startswith(key)
        assert HASH.fullmatch(found.removeprefix(key))
    else:
        assert found == key


@pytest.mark.parametrize(
    "item",
    [
        Words("none", "a"), Words("A", "a"), Words("a" * 41, "a"), Words("x", "a" * HASH_LENGTH), Lists(),
        Lists(("a",)), Nested(Inner("a", 1)), Flights(IdRange(10**59, 10**60)), Scalars(side=Side.RIGHT),
        Scalars(side=Side.NONE), Words("Z" * 400, "Z" * 400),
    ],
)  # fmt: skip
def test_a_hash_stands_where_words_do_not_tell(item: WorkItem) -> None:
    """Whatever the words lost is in the hash, and nothing that is no hash ends like one."""
    assert HASH.fullmatch(item_key(item).split("-")[-1])


@given(items)
def test_words_that_read_like_a_key_do_not_take_it(item: WorkItem) -> None:
    """An item made of the very words of another's key, its hash among them, gets a key of its own."""
    first, *rest = item_key(item).split("-")[1:] or [""]
    if rest and isinstance(item, Words) and item != (impostor := Words(first, "-".join(rest))):
        assert item_key(impostor) != item_key(item)


def test_a_hash_as_a_word_is_hashed_again() -> None:
    """The last word of an exact key never looks like a hash, so no exact key is a hashed one."""
    hashed = item_key(Words("X", ""))
    assert item_key(Words(*hashed.split("-")[1:])) != hashed


def test_items_equal_to_python_have_one_key() -> None:
    """A moment passed in another zone, 1 for 1.0, and a negative zero change nothing."""
    eastern = timezone(timedelta(hours=-5))
    assert item_key(Scalars(at=A)) == item_key(Scalars(at=A.astimezone(eastern)))
    assert item_key(Scalars(share=1)) == item_key(Scalars(share=1.0))
    assert item_key(Scalars(share=0.0)) == item_key(Scalars(share=-0.0))


def test_an_item_that_cannot_be_written_has_no_key() -> None:
    """A key is of parameters that come back: the rest is refused as by the codec."""
    wrong: Any = "1"
    with pytest.raises(UsageError, match="Parameters of Flights cannot be encoded"):
        item_key(Flights(wrong))
