"""Looks at a run until it is closed: drawn in place on a terminal, in blocks of lines elsewhere, or as JSON lines."""

from __future__ import annotations

import sys
from typing import Protocol

import click
import msgspec

from haulier.app.open_source import OpenSource
from haulier.cli.hints import fill_source
from haulier.cli.report import exit_code_of_state
from haulier.cli.signals import until_signal
from haulier.cli.standard_streams import is_read
from haulier.cli.status.facts import StatusFacts
from haulier.cli.status.lines import status_lines
from haulier.cli.status.reader import StatusReader
from haulier.clock import Clock
from haulier.errors import UnavailableError
from haulier.lake.seam import Lake

LOOK_SECONDS = 1.0
BUSY_PART = 0.1
"""Of the time, at most, that looks take: the workers need the disk and the processor."""
MAX_LOOK_SECONDS = 30.0
BLOCK_SECONDS = 10.0
"""Between two blocks of lines, at least."""

_encoder = msgspec.json.Encoder()


class WatchView(Protocol):
    def show(self, facts: StatusFacts) -> None: ...

    def note_problem(self, problem: str) -> None:
        """A look failed, and is made again."""
        ...

    def close(self) -> None: ...


async def watch(source: OpenSource, reader: StatusReader, *, as_json: bool) -> int:
    """Return the exit code of the run as it was seen last."""
    view = _open_view(source.clock, as_json=as_json)
    seen: list[StatusFacts] = []
    try:
        seen.append(await reader.look())  # What cannot be read at all is an error, as without --watch.
        view.show(seen[0])
        await until_signal(_follow(source, reader, view, seen))
    finally:
        view.close()
    status = seen[-1].status
    return exit_code_of_state(status.state, status.reasons)


async def _follow(source: OpenSource, reader: StatusReader, view: WatchView, seen: list[StatusFacts]) -> None:
    clock, took = source.clock, 0.0
    while not seen[-1].status.state.is_closed:
        await clock.sleep(pause_seconds(source.lake, took))
        if not is_read(sys.stdout):
            return  # As in `haulier status SOURCE --watch | head`.
        began_at = clock.monotonic()
        try:
            seen[:] = [await reader.look()]
        except UnavailableError as error:
            view.note_problem(str(error))
        else:
            view.show(seen[-1])
        took = clock.monotonic() - began_at


def pause_seconds(lake: Lake, took_seconds: float) -> float:
    """Until the next look, after one that took so long."""
    return min(max(LOOK_SECONDS, lake.capabilities.look_seconds, took_seconds / BUSY_PART), MAX_LOOK_SECONDS)


def _open_view(clock: Clock, *, as_json: bool) -> WatchView:
    if as_json:
        return _JsonLines()
    if not sys.stdout.isatty():
        return _Blocks(clock)
    from haulier.cli.status.screen import StatusScreen

    return StatusScreen()


class _JsonLines:
    """A document for each look, one a line."""

    def show(self, facts: StatusFacts) -> None:
        click.echo(_encoder.encode(facts.document()).decode())

    def note_problem(self, problem: str) -> None:
        click.echo(problem, err=True)

    def close(self) -> None:
        return


class _Blocks:
    """All lines again once something changed, after a while."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._shown: StatusFacts | None = None
        self._shown_at = float("-inf")
        self._problem = ""

    def show(self, facts: StatusFacts) -> None:
        self._problem = ""
        now, is_last = self._clock.monotonic(), facts.status.state.is_closed
        is_new = self._shown is None or _what_counts(facts) != _what_counts(self._shown)
        if not is_new or (now - self._shown_at < BLOCK_SECONDS and not is_last):
            return
        self._shown, self._shown_at = facts, now
        click.echo("\n".join(map(fill_source, (*status_lines(facts), ""))))

    def note_problem(self, problem: str) -> None:
        if problem != self._problem:
            click.echo(fill_source(problem), err=True)
        self._problem = problem

    def close(self) -> None:
        return


def _what_counts(facts: StatusFacts) -> tuple[object, ...]:
    """What is news to a log. Ages and rates always differ."""
    api = facts.api
    workers = {(worker.name, worker.is_silent, worker.whereabouts) for worker in facts.workers}
    others = {(other.run_id, other.state) for other in facts.others}
    return facts.status, facts.failures, facts.poison_by_reason, api and api.state, workers, others
