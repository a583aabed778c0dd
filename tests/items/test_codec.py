"""G8: a message is data. Parameters come back typed and equal, or are refused in words."""

import enum
import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulier.errors import BrokenEnvelopeError, UsageError
from haulier.items.codec import canonical, decode_payload
from haulier.items.ranges import IdRange
from haulier.items.windows import TimeWindow
from haulier.items.workitem import WorkItem
from tests.items.payloads import written


class Region(enum.Enum):
    NORTH = "north"
    SOUTH = "Süd"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass(frozen=True)
class Corner:
    x: float
    at: datetime | None = None


@dataclass(frozen=True)
class Everything(WorkItem, stream="s", kind="everything"):
    word: str
    count: int
    share: float
    flag: bool
    at: datetime
    day: date
    ids: IdRange
    window: TimeWindow
    region: Region
    level: Level
    mode: Literal["a", "b"]
    corner: Corner
    many: tuple[int, ...]
    pair: tuple[str, datetime]
    maybe: str | None = None


@dataclass(frozen=True)
class ById(WorkItem, stream="assets", kind="by_id"):
    ids: IdRange


@dataclass(frozen=True)
class At(WorkItem, stream="s", kind="at"):
    at: datetime
    share: float = 0.0


OFFSETS = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45)), ZoneInfo("America/New_York")])
moments = st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1), timezones=OFFSETS)  # noqa: DTZ001
texts = st.text(st.characters(exclude_categories=["Cs"]))
floats = st.floats(allow_nan=False, allow_infinity=False)
ranges = st.tuples(st.integers(), st.integers(1)).map(lambda pair: IdRange(pair[0], pair[0] + pair[1]))
windows = st.tuples(moments, st.timedeltas(timedelta(microseconds=1), timedelta(days=999))).map(
    lambda pair: TimeWindow(pair[0], pair[0].astimezone(UTC) + pair[1])
)
everything = st.builds(
    Everything,
    word=texts,
    count=st.integers(),
    share=floats | st.integers(-1000, 1000),
    at=moments,
    ids=ranges,
    window=windows,
    corner=st.builds(Corner, x=floats, at=st.none() | moments),
    many=st.lists(st.integers(), max_size=4).map(tuple),
    pair=st.tuples(texts, moments),
    maybe=st.none() | texts,
)


@given(everything)
def test_what_is_written_is_read_back(item: Everything) -> None:
    """Every item comes back as an equal one of the declared types, from ASCII bytes, with its times in UTC."""
    payload = written(item)
    back = decode_payload(Everything, payload)
    assert payload.isascii()
    assert b"\n" not in payload
    assert type(back.share) is float
    assert back.at.tzinfo is UTC
    assert back.pair[1].tzinfo is UTC
    assert back == canonical(item)
    assert written(back) == payload
    # Python calls a time in a fold unequal to the same moment in UTC, so moments are compared here.
    assert back.at.timestamp() == item.at.timestamp()
    assert (back.word, back.many, back.ids, back.window) == (item.word, item.many, item.ids, item.window)


@given(everything, everything)
def test_equal_items_have_equal_bytes(left: Everything, right: Everything) -> None:
    """Equal parameters, equal bytes; unequal ones, unequal bytes."""
    assert (canonical(left) == canonical(right)) == (written(left) == written(right))


@given(moments, OFFSETS)
def test_equal_moments_have_equal_bytes(moment: datetime, zone: Any) -> None:
    """In which zone a moment was passed does not show."""
    assert written(At(moment)) == written(At(moment.astimezone(zone)))


def test_equal_numbers_have_equal_bytes() -> None:
    """1 and 1.0 in a float field are equal in Python, and so are 0.0 and -0.0."""
    at = datetime(2013, 1, 1, tzinfo=UTC)
    assert written(At(at, 1)) == written(At(at, 1.0))
    assert written(At(at, 0.0)) == written(At(at, -0.0)) == written(At(at, 0))


def test_the_bytes_stay_as_they_are() -> None:
    """A plan written by any older haulier is read by this one: the format is pinned by samples."""
    item = Everything(
        "é\uffff\U0001f600", 2**70, 0.1, True, datetime(2013, 1, 1, 1, 2, 3, 4, tzinfo=UTC), date(2013, 1, 1),
        IdRange(1, 5001), TimeWindow(datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 2, tzinfo=UTC)), Region.SOUTH,
        Level.HIGH, "b", Corner(1e16), (1, 2), ("x", datetime(2013, 1, 1, tzinfo=UTC)),
    )  # fmt: skip
    sample = (
        rb'{"word":"\u00e9\uffff\ud83d\ude00","count":1180591620717411303424,"share":0.1,"flag":true,'
        rb'"at":"2013-01-01T01:02:03.000004Z","day":"2013-01-01","ids":{"start":1,"end":5001},'
        rb'"window":{"start":"2013-01-01T00:00:00Z","end":"2013-01-02T00:00:00Z"},"region":"S\u00fcd","level":2,'
        rb'"mode":"b","corner":{"x":1e+16,"at":null},"many":[1,2],"pair":["x","2013-01-01T00:00:00Z"],"maybe":null}'
    )
    assert written(item) == sample
    assert decode_payload(Everything, sample) == item
    assert written(ById(IdRange(1, 5001))) == b'{"ids":{"start":1,"end":5001}}'


def test_a_field_more_or_less_is_a_version() -> None:
    """An older worker ignores a new field; a newer one takes the default of a field that is not there."""
    newer = b'{"at":"2013-01-01T00:00:00Z","share":0.5,"added":{"deep":[1,{}]}}'
    assert decode_payload(At, newer) == At(datetime(2013, 1, 1, tzinfo=UTC), 0.5)
    assert decode_payload(At, b'{"at":"2013-01-01T00:00:00Z"}').share == 0.0


def test_a_moment_with_another_offset_is_read_as_utc() -> None:
    """A message that somebody else wrote gives a processor UTC all the same."""
    item = decode_payload(At, b'{"at":"2013-01-01T02:00:00+02:00"}')
    assert item.at.isoformat() == "2013-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("cls", "payload", "words"),
    [
        (ById, b'{"ids":{"start":"1","end":2}}', r"Expected `int`, got `str` - at `\$\.ids\.start`"),
        (ById, b'{"ids":{"start":1.0,"end":2}}', r"Expected `int`, got `float` - at `\$\.ids\.start`"),
        (ById, b'{"ids":{"start":true,"end":2}}', r"Expected `int`, got `bool`"),
        (ById, b'{"ids":{"start":1}}', r"missing required field `end` - at `\$\.ids`"),
        (ById, b'{"ids":{"start":5,"end":1}}', r"from 5 to 1 is empty.* - at `\$\.ids`"),
        (ById, b'{"ids":[1,2]}', r"Expected `object`, got `array` - at `\$\.ids`"),
        (ById, b'{"ids":null}', r"got `null` - at `\$\.ids`"),
        (ById, b"{}", r"missing required field `ids`"),
        (ById, b"[]", r"Expected `object`, got `array`"),
        (ById, b"", r"truncated"),
        (ById, b'{"ids":', r"truncated"),
        (ById, b"\xff\xfe", r"malformed"),
        (ById, b'{"x":' + b"[" * 100_000, r"recursion"),
        (ById, b'{"ids":{"start":1,"end":' + b"9" * 5_000 + b"}}", r"."),
        (At, b'{"at":"2013-01-01T00:00:00"}', r"has no time zone .* - at `\$\.at`"),
        (At, b'{"at":1356998400}', r"Expected `datetime`, got `int` - at `\$\.at`"),
        (At, b'{"at":"2013-01-01T00:00:00Z","share":NaN}', r"malformed"),
        (At, b'{"at":"2013-01-01T00:00:00Z","share":1e999}', r"out of range - at `\$\.share`"),
        (At, b'{"at":"0001-01-01T00:00:00+10:00"}', r"."),
        (At, b'{"py/reduce":[{"py/function":"os.getpid"},[]]}', r"missing required field `at`"),
    ],
)
def test_bad_fields_are_broken_with_their_path(cls: type[WorkItem], payload: bytes, words: str) -> None:
    """G8: whatever stands in a message, decoding it gives the item or a BrokenEnvelopeError that says where."""
    with pytest.raises(BrokenEnvelopeError, match=f"^Parameters of kind '{cls.kind}' cannot be read: .*{words}"):
        decode_payload(cls, payload)


@given(st.binary() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["at", "share", "x"]), inner),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_message_crashes_the_decoder(payload: bytes) -> None:
    """G8: nothing but an item or a BrokenEnvelopeError comes out of any bytes."""
    try:
        item = decode_payload(At, payload)
    except BrokenEnvelopeError:
        return
    assert math.isfinite(item.share)
    assert item.at.tzinfo is UTC


@dataclass(frozen=True)
class Wider(Corner):
    y: float = 0.0


def _everything(**changed: Any) -> Everything:
    at = datetime(2013, 1, 1, tzinfo=UTC)
    fields: dict[str, Any] = {
        "word": "x", "count": 1, "share": 0.5, "flag": True, "at": at, "day": at.date(), "ids": IdRange(1, 2),
        "window": TimeWindow(at, at + timedelta(days=1)), "region": Region.NORTH, "level": Level.LOW, "mode": "a",
        "corner": Corner(1.0), "many": (1,), "pair": ("x", at),
    }  # fmt: skip
    return Everything(**{**fields, **changed})


NAIVE = datetime(2013, 1, 1)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"at": NAIVE}, r"2013-01-01T00:00:00 has no time zone \(pass tzinfo=UTC\) - at `\$\.at`"),
        ({"pair": ("x", NAIVE)}, r"has no time zone .* - at `\$\.pair\[1\]`"),
        ({"corner": Corner(1.0, NAIVE)}, r"has no time zone .* - at `\$\.corner\.at`"),
        ({"share": math.nan}, r"nan is not a number that JSON can write - at `\$\.share`"),
        ({"share": math.inf}, r"inf is not a number"),
        ({"corner": Corner(-math.inf)}, r"-inf is not a number .* - at `\$\.corner\.x`"),
        ({"count": "1"}, r"Expected `int`, got `str` - at `\$\.count`"),
        ({"count": 1.0}, r"Expected `int`, got `float`"),
        ({"count": True}, r"Expected `int`, got `bool`"),
        ({"flag": 1}, r"Expected `bool`, got `int`"),
        ({"ids": (1, 2)}, r"Expected `object`, got `array` - at `\$\.ids`"),
        ({"ids": None}, r"got `null` - at `\$\.ids`"),
        ({"at": "2013-01-01T00:00:00Z"}, r"'2013-01-01T00:00:00Z' at `\$\.at` would not be read back equal"),
        ({"day": datetime(2013, 1, 1, tzinfo=UTC)}, r"at `\$\.day`"),
        ({"many": [1]}, r"\[1\] at `\$\.many` would not be read back equal"),
        ({"share": 2**60 + 1}, r"at `\$\.share` would not be read back equal"),
        ({"corner": Wider(1.0)}, r"at `\$\.corner` would not be read back equal"),
        ({"word": "\ud800"}, r"surrogates not allowed"),
        ({"word": object()}, r"object"),
        ({"mode": "c"}, r"Invalid enum value 'c' - at `\$\.mode`"),
        ({"at": datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))}, r"."),
    ],
)  # fmt: skip
def test_what_would_not_come_back_is_refused_where_it_is_made(changed: dict[str, Any], words: str) -> None:
    """A wrong value fails the enumeration in words, not the worker that gets the item."""
    with pytest.raises(UsageError, match=f"^Parameters of Everything cannot be encoded: .*{words}"):
        written(_everything(**changed))


def test_an_item_of_an_unusable_class_is_refused() -> None:
    """Encoding and decoding both name the class."""

    @dataclass
    class Thawed(WorkItem, stream="s", kind="thawed"):
        ids: IdRange

    with pytest.raises(UsageError, match="Thawed is not frozen"):
        written(Thawed(IdRange(1, 2)))
    with pytest.raises(UsageError, match="Thawed is not frozen"):
        decode_payload(Thawed, b'{"ids":{"start":1,"end":2}}')
