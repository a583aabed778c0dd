"""The API: credentials, one page of each stream, filters, promised counts, clocks."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

from haulier.app.open_source import LiveSource
from haulier.app.run_time import MOST_APART, SAID_SECONDS
from haulier.cli.doctor.answers import AnswerLog
from haulier.cli.doctor.filter_check import Answer, FilterCheck
from haulier.cli.doctor.finding import Finding, failed
from haulier.cli.doctor.first_page import PageFound, context_of, first_page
from haulier.cli.doctor.sample import Sample, sample_of
from haulier.cli.durations import duration_text
from haulier.errors import HaulierError, UsageError
from haulier.plurals import count_of
from haulier.runs.watermark.fold import read_watermark
from haulier.sources.finished import Finished

STREAM_SECONDS = 120.0
"""All that is asked of one stream."""
MODES = ("full", "incremental")


async def find_api(source: LiveSource, log: AnswerLog) -> AsyncIterator[Finding]:
    """A few requests for each stream, through the gate that all workers pass."""
    source.client.scope.end_waits()  # A person waits for the answer.
    for mode in MODES:
        for stream in _streams_of(source, mode):
            async for finding in _find_stream(source, log, mode, stream):
                yield finding
                if finding.state == "away":
                    return  # It would say so of each stream, after all its time-outs.
    async for finding in _find_expect(source):
        yield finding
    yield await _find_clock(source, log)


def _streams_of(source: LiveSource, mode: str) -> tuple[str, ...]:
    try:
        source.app.require_mode(mode)
    except UsageError:
        return ()
    return source.app.selected((), mode)


async def _find_stream(source: LiveSource, log: AnswerLog, mode: str, stream: str) -> AsyncIterator[Finding]:
    subject, redact = stream if mode == "full" else f"{stream}, {mode}", source.client.redactor.redact
    try:
        async with asyncio.timeout(STREAM_SECONDS):
            sample = await _sample(source, log, mode, stream)
            if sample is None:
                yield Finding(check="first_page", subject=subject, text="Its plan would have no items now.")
                return
            page = await first_page(source, sample.first, context_of(source, mode))
            yield _of_page(subject, page, log)
            if page.child is None:  # The list of parents is another stream's, which is checked by itself.
                finding = await FilterCheck(source, log, mode, subject).find(sample, Answer(page, log.parameters))
                if finding is not None:
                    yield finding
    except TimeoutError:
        text = f"The API took more than {duration_text(STREAM_SECONDS)} to answer."
        yield Finding(check="first_page", subject=subject, state="away", text=text)
    except HaulierError as error:
        yield failed("first_page", error, subject, redact)


async def _sample(source: LiveSource, log: AnswerLog, mode: str, stream: str) -> Sample | None:
    """As if nothing were finished, so that there are items to ask for; without a `start` only as the next run would."""
    context = context_of(source, mode)
    try:
        return await sample_of(source, mode, stream, context, lambda: log.requests)
    except UsageError:
        known = (await read_watermark(source.lake, source.app.name)).finished if mode == "incremental" else Finished()
        if not known.spans.get(stream):
            raise
        context = dataclasses.replace(context, finished=known)
        return await sample_of(source, mode, stream, context, lambda: log.requests)


def _of_page(subject: str, page: PageFound, log: AnswerLog) -> Finding:
    status, seconds = (0, 0.0) if log.response is None else (log.response.status, log.response.seconds)
    whose = "the first item" if page.child is None else "the first part of the first item"
    held = count_of(len(page.records), "record")
    text = f"The first page of {whose} came with status {status} and {held}, in {duration_text(seconds)}."
    return Finding(check="first_page", subject=subject, text=text)


async def _find_expect(source: LiveSource) -> AsyncIterator[Finding]:
    ask = source.app.expect_of("full", _streams_of(source, "full"))
    if ask is None:
        return
    try:
        async with asyncio.timeout(STREAM_SECONDS):
            counts = await ask(source.client.session())
    except TimeoutError:
        yield Finding(check="expect", state="away", text="The API did not answer.")
    except HaulierError as error:
        yield failed("expect", error, redact=source.client.redactor.redact)
    else:
        for stream, count in counts.items():
            yield Finding(check="expect", subject=stream, text=f"The API promises {count_of(count, 'record')}.")


async def _find_clock(source: LiveSource, log: AnswerLog) -> Finding:
    if log.clock_ahead_seconds is None:
        try:
            await source.client.ask_time()  # As an incremental run does; the log sees the answer.
        except HaulierError as error:
            return failed("clock", error, redact=source.client.redactor.redact)
    seconds = log.clock_ahead_seconds
    if seconds is None:
        return Finding(check="clock", text="The API does not tell its time (`Date`), so clocks cannot be compared.")
    if abs(seconds) <= SAID_SECONDS:
        return Finding(check="clock", text="The API's clock and that of this machine agree.")
    if abs(seconds) > MOST_APART.total_seconds():
        text = f"The API's clock and that of this machine differ by {duration_text(abs(seconds))}."
        remedy = "Set the clock that is wrong: no incremental run starts until then."
        return Finding(check="clock", state="wrong", text=text, remedy=remedy)
    side = "ahead of" if seconds > 0 else "behind"
    return Finding(
        check="clock",
        state="warning",
        text=f"The API's clock is {duration_text(abs(seconds))} {side} that of this machine.",
        remedy="Set the clock that is wrong (here: `timedatectl set-ntp true`). Until then an incremental run ends at "
        "the earlier of both, so that nothing is left out.",
    )
