"""When the items of a run ended: receipts say it; outcomes and poison records are read for it, some of many."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import apsw
import msgspec

from haulier.errors import LakeUnavailableError
from haulier.lake.seam import Lake
from haulier.runs.concurrency import run_each
from haulier.runs.ledger import Ledger
from haulier.runs.run import Run
from haulier.runs.time_axis import LEAST_BREAK_SECONDS, TimeAxis, time_axis

SAMPLE_RECORDS: Final = 4_096
"""Outcomes that are read, and poison records: each is a file of its own. Seventeen for each point of a plot."""
READ_AT_ONCE: Final = 512

_LOTS = 1 << 32

# A key that was redriven may have been poisoned several times, under numbers from 1 on.
_FIND = """
WITH RECURSIVE found (key, number) AS (
    SELECT key, poison FROM item WHERE is_planned AND poison > 0
    UNION ALL SELECT key, number - 1 FROM found WHERE number > 1
)
INSERT INTO ending (key, number, lot)
SELECT key, number, lot(key)
FROM (SELECT key, number FROM found UNION ALL SELECT key, 0 FROM item WHERE state = 'empty') AS one
WHERE NOT EXISTS (SELECT 1 FROM ending WHERE ending.key = one.key AND ending.number = one.number)
"""

_COUNT = "SELECT count(*) FROM ending WHERE (number > 0) = ?"
_COUNT_BELOW = f"{_COUNT} AND lot < ?"
_UNREAD = "SELECT key, number FROM ending WHERE (number > 0) = ? AND lot < ? AND NOT is_read LIMIT ?"
_NOTE = "UPDATE ending SET is_read = 1, ended = ?3, seconds = ?4, requests = ?5 WHERE key = ?1 AND number = ?2"

# Clocks of machines differ: nothing ends before the start, and nothing after ``last``.
_ENDED = "max(0.0, min(ended, :last))"
_TIMED = f"""
CREATE TABLE timed AS
SELECT {_ENDED} AS ended, max(0.0, {_ENDED} - seconds) AS began, seconds, records, bytes, requests, 1.0 AS items,
    0.0 AS poison, NOT adopted AS is_measured
FROM item WHERE state = 'done' AND ended IS NOT NULL
UNION ALL
SELECT {_ENDED}, max(0.0, {_ENDED} - seconds), seconds, 0, 0, requests,
    CASE WHEN number > 0 THEN :poison_weight ELSE :empty_weight END,
    CASE WHEN number > 0 THEN :poison_weight ELSE 0.0 END, number = 0
FROM ending
WHERE lot < CASE WHEN number > 0 THEN :poison_lots ELSE :empty_lots END AND ended IS NOT NULL
"""

_UNTIMED = """
SELECT (SELECT count(*) FROM item WHERE state = 'done' AND ended IS NULL)
    + (SELECT count(*) FROM ending WHERE is_read AND ended IS NULL)
"""

# Nothing was under way between an ending and the earliest start of all that ended later.
_PAUSES = """
SELECT ended, began FROM (
    SELECT ended, min(began) OVER (ORDER BY ended DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS began
    FROM (SELECT CAST(ended AS INTEGER) AS ended, min(CAST(began AS INTEGER)) AS began FROM timed GROUP BY 1)
) WHERE began - ended >= :least
UNION ALL SELECT 0, CAST(min(began) AS INTEGER) FROM timed
UNION ALL SELECT CAST(max(ended) AS INTEGER), :last FROM timed
"""

_BY_BUCKET = """
SELECT CAST(ended AS INTEGER) / :step, sum(items), sum(poison), sum(items * records), sum(items * bytes),
    sum(items * requests), sum(items * seconds), sum(items * is_measured)
FROM timed GROUP BY 1
"""

_BY_SPAN = """
SELECT CAST(began AS INTEGER) / :step, CAST(ended AS INTEGER) / :step, sum(items), sum(items * began),
    sum(items * ended)
FROM timed WHERE ended > began GROUP BY 1, 2
"""


class _Moment(msgspec.Struct):
    """What an outcome or a poison record says of its time."""

    ended_at: datetime | None = None
    poisoned_at: datetime | None = None
    seconds: float = 0.0
    requests: int = 0


_decoder = msgspec.json.Decoder(_Moment)
_Noted = tuple[str, int, float | None, float, int]


@dataclass(frozen=True)
class _Chosen:
    """Some of many records, by a hash of their keys: the same at each look while there are as many."""

    weight: float = 1.0
    """Items that one of them stands for."""
    lots: int = _LOTS
    """Hashes below it are chosen."""


@dataclass
class Bucket:
    """What ended in one step of time."""

    items: float = 0.0
    poison: float = 0.0
    records: float = 0.0
    bytes: float = 0.0
    requests: float = 0.0
    item_seconds: float = 0.0
    measured: float = 0.0
    busy_seconds: float = 0.0
    """Seconds of all items that were under way during the step, whenever they ended."""


@dataclass(frozen=True)
class Endings:
    axis: TimeAxis = field(default_factory=lambda: TimeAxis(1, ()))
    buckets: tuple[Bucket, ...] = ()
    untimed: int = 0
    sampled: float = 1.0
    """Items without records for each one whose time was read."""


async def read_endings(lake: Lake, run: Run, ledger: Ledger, last: float, *, is_open: bool) -> Endings:
    """Fold what a ledger that was refreshed knows. ``last`` is now, or when the run was closed, in seconds after its
    start; the axis of an open run goes so far. Outcomes and poison are read once each."""
    await ledger.scratch.do(_find)
    empties, poison = [await _sample(lake, run, ledger, is_poison=is_poison) for is_poison in (False, True)]
    return await ledger.scratch.do(_fold, empties, poison, last, is_open)


async def _sample(lake: Lake, run: Run, ledger: Ledger, *, is_poison: bool) -> _Chosen:
    count, lots = await ledger.scratch.do(_count, _COUNT, (is_poison,)), _LOTS
    while count * lots > SAMPLE_RECORDS * _LOTS:
        lots //= 2

    async def read(numbered: tuple[str, int]) -> _Noted:
        return await _read(lake, run, *numbered)

    while unread := await ledger.scratch.do(_unread, is_poison, lots):
        await ledger.scratch.do(_note, await run_each(read, unread, lake.capabilities.in_flight))
    chosen = await ledger.scratch.do(_count, _COUNT_BELOW, (is_poison, lots))
    return _Chosen(count / chosen if chosen else 1.0, lots)


async def _read(lake: Lake, run: Run, key: str, number: int) -> _Noted:
    """One that cannot be read has no time; only a lake that is away stops a closing."""
    try:
        body = await lake.read(run.paths.numbered("poison", key, number) if number else run.paths.outcome(key))
        found = _decoder.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = _Moment()
    except LakeUnavailableError:
        if not await lake.exists(run.paths.run):
            raise
        found = _Moment()
    moment = found.poisoned_at if number else found.ended_at
    if moment is None or moment.tzinfo is None:
        return key, number, None, 0.0, 0
    return key, number, run.seconds_at(moment), max(0.0, found.seconds), found.requests


def _find(connection: apsw.Connection) -> None:
    connection.create_scalar_function("lot", _lot, 1, deterministic=True)
    connection.execute(_FIND)


def _lot(*keys: apsw.SQLiteValue) -> int:
    """A checksum would not do: similar keys have similar ones."""
    return int.from_bytes(hashlib.blake2b(str(keys[0]).encode(), digest_size=4).digest())


def _count(connection: apsw.Connection, query: str, bindings: tuple[apsw.SQLiteValue, ...]) -> int:
    return int(str(connection.execute(query, bindings).get))


def _unread(connection: apsw.Connection, is_poison: bool, lots: int) -> list[tuple[str, int]]:
    rows = connection.execute(_UNREAD, (is_poison, lots, READ_AT_ONCE))
    return [(str(key), int(str(number))) for key, number in rows]


def _note(connection: apsw.Connection, noted: list[_Noted]) -> None:
    connection.executemany(_NOTE, noted)


def _fold(connection: apsw.Connection, empties: _Chosen, poison: _Chosen, last: float, is_open: bool) -> Endings:
    connection.execute("DROP TABLE IF EXISTS timed")
    connection.execute(
        _TIMED,
        {
            "last": last,
            "empty_weight": empties.weight,
            "empty_lots": empties.lots,
            "poison_weight": poison.weight,
            "poison_lots": poison.lots,
        },
    )
    untimed = _count(connection, _UNTIMED, ())
    newest = connection.execute("SELECT CAST(max(ended) AS INTEGER) FROM timed").get
    if newest is None:
        return Endings(untimed=untimed)
    end = int(last) if is_open else int(str(newest))
    pauses = _numbers(connection, _PAUSES, {"least": LEAST_BREAK_SECONDS, "last": end})
    axis = time_axis(end, ((int(ended), int(began)) for ended, began in pauses))
    return Endings(axis, _buckets(connection, axis), untimed, empties.weight)


def _buckets(connection: apsw.Connection, axis: TimeAxis) -> tuple[Bucket, ...]:
    buckets = {number: Bucket() for number in axis.buckets}
    step = axis.step_seconds
    for number, *sums in _numbers(connection, _BY_BUCKET, {"step": step}):
        buckets[int(number)] = Bucket(*sums)
    entered = dict.fromkeys(axis.buckets, 0.0)
    for first, last, items, began, ended in _numbers(connection, _BY_SPAN, {"step": step}):
        if first == last:
            buckets[int(first)].busy_seconds += ended - began
            continue
        # Its first and last bucket in part, those between them whole.
        buckets[int(first)].busy_seconds += items * (first + 1) * step - began
        buckets[int(last)].busy_seconds += ended - items * last * step
        entered[int(first) + 1] += items
        entered[int(last)] -= items
    inside = 0.0
    for number, bucket in buckets.items():
        inside += entered[number]
        bucket.busy_seconds += inside * step
    return tuple(buckets.values())


def _numbers(connection: apsw.Connection, query: str, bindings: dict[str, int]) -> Iterator[list[float]]:
    for row in connection.execute(query, bindings):
        yield [float(str(value)) for value in row]
