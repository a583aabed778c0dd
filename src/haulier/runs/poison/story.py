"""All that happened to a poisoned item, as the account of its run tells it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec

from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.queues.envelope import AttemptNote
from haulier.runs.concurrency import run_each
from haulier.runs.records import CrashRecord, DiscardRecord, PoisonRecord, Record, RedriveRecord, decode_record

R = TypeVar("R", bound=Record)
_KEY = re.compile(r"[a-z][a-z0-9_-]*")


def is_key(text: str) -> bool:
    """Whether it may be the key of an item; anything else may lead out of the lake."""
    return _KEY.fullmatch(text) is not None


class StoryEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened. Absent fields have nothing to say of it."""

    at: datetime
    event: str
    """``attempt``, ``crash``, ``poison``, ``redrive`` or ``discard``."""
    number: int
    by: str = ""
    """The worker, or the person (``user@host``)."""
    status: int | None = None
    error_class: str = ""
    settled: str = ""
    """Of an attempt: ``charged``, ``released`` or ``poisoned``."""
    reason: str = ""
    """Of poison; why a person redrove or discarded the item."""
    exit_code: int | None = None
    """Of a crash; a negative one is minus the signal."""


@dataclass(frozen=True)
class PoisonStory:
    newest: PoisonRecord
    events: tuple[StoryEvent, ...]
    """Oldest first."""

    @property
    def is_redriven(self) -> bool:
        """Since its newest poison. Numbers tell it, since clocks of machines differ."""
        return any(event.event == "redrive" and event.number >= self.newest.number for event in self.events)


async def read_story(lake: Lake, paths: RunPaths, key: str) -> PoisonStory | None:
    """None for an item that was never poisoned."""
    poison = await _read_all(lake, paths, "poison", key, PoisonRecord)
    if not poison:
        return None
    events = [event for record in poison for event in _of_poison(record)]
    events += [
        StoryEvent(at=one.redriven_at, event="redrive", number=one.number, by=one.by, reason=one.why)
        for one in await _read_all(lake, paths, "redrives", key, RedriveRecord)
    ]
    events += [
        StoryEvent(at=one.discarded_at, event="discard", number=one.number, by=one.by, reason=one.reason)
        for one in await _read_all(lake, paths, "discards", key, DiscardRecord)
    ]
    events += [
        StoryEvent(at=one.crashed_at, event="crash", number=one.number, by=one.worker, exit_code=one.exit_code)
        for one in await _read_all(lake, paths, "crashes", key, CrashRecord)
    ]
    return PoisonStory(poison[-1], tuple(sorted(events, key=lambda event: event.at)))


async def _read_all(lake: Lake, paths: RunPaths, folder: str, key: str, kind: type[R]) -> list[R]:
    async def read(number: int) -> tuple[int, R | None]:
        path = paths.numbered(folder, key, number)
        body = await lake.read(path)
        return number, None if body is None else decode_record(kind, body, path)

    names = [name.removesuffix(".json") for name in await lake.names(f"{paths.folder(folder)}/{key}")]
    found = await run_each(read, [int(name) for name in names if name.isdecimal()], lake.capabilities.in_flight)
    return [record for _, record in sorted(found, key=lambda one: one[0]) if record is not None]


def _of_poison(record: PoisonRecord) -> Iterator[StoryEvent]:
    for attempt in record.attempts:
        if attempt.settled != "poisoned":  # Which the record itself tells.
            yield _of_attempt(attempt)
    yield StoryEvent(
        at=record.poisoned_at,
        event="poison",
        number=record.number,
        by=record.worker,
        status=record.status,
        error_class=record.error_class,
        reason=record.reason,
    )


def _of_attempt(attempt: AttemptNote) -> StoryEvent:
    return StoryEvent(
        at=attempt.at,
        event="attempt",
        number=attempt.number,
        by=attempt.worker,
        status=attempt.status,
        error_class=attempt.error_class,
        settled=attempt.settled,
    )
