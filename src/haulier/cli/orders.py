"""A person's orders in words: a hold, and a limit."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime

import msgspec

from haulier.api.scope.orders import Hold, InFlightLimit
from haulier.app.open_source import LiveSource
from haulier.cli.moments import moment_of, text_of

LOOK_SECONDS = 1.0


class HoldFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Who paused the source."""

    by: str
    since: datetime
    why: str


class LimitFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What rules in the place of ``in_flight``, and who said so."""

    in_flight: int
    by: str
    since: datetime


def hold_facts(hold: Hold | None) -> HoldFacts | None:
    return None if hold is None else HoldFacts(by=hold.by, since=moment_of(hold.since), why=hold.why)


def limit_facts(limit: InFlightLimit | None) -> LimitFacts | None:
    if limit is None:
        return None
    return LimitFacts(in_flight=limit.in_flight, by=limit.by, since=moment_of(limit.since))


def hold_words(hold: HoldFacts) -> str:
    return f"paused by {hold.by} since {text_of(hold.since)}{f' ({hold.why})' if hold.why else ''}"


def hold_line(source: str, hold: HoldFacts) -> str:
    return f"{source} is {hold_words(hold)}: no request leaves. Go on with: haulier resume SOURCE"


def limit_words(limit: LimitFacts) -> str:
    return f"at most {limit.in_flight:,} in flight, set by {limit.by} at {text_of(limit.since)}"


@contextlib.asynccontextmanager
async def telling_holds(source: LiveSource, say: Callable[[str], None]) -> AsyncIterator[None]:
    """Say it whenever a person pauses the source, from the start on."""

    async def follow() -> None:
        told: HoldFacts | None = None
        while True:
            held = hold_facts(source.client.scope.held)
            if held is not None and held != told:
                say(hold_line(source.app.name, held))
            told = held
            await asyncio.sleep(LOOK_SECONDS)

    task = asyncio.ensure_future(follow())
    await asyncio.sleep(0)  # What holds already is said before anything else.
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
