"""Progress of a run that is being worked: a bar on a terminal, else log lines."""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import click

from haulier.api.scope.failures import NO_FAILURES, Failures
from haulier.cli.failures import failure_facts, short_cause
from haulier.cli.pace import Pace, eta_words
from haulier.clock import Clock
from haulier.plurals import count_of
from haulier.runs.ledger import Progress

if TYPE_CHECKING:
    from rich.console import RenderableType

logger = logging.getLogger("haulier.progress")

LOG_SECONDS = 10.0
BAR_SECONDS = 0.5
NEWEST = "newest failure: "


@dataclass(frozen=True)
class Traffic:
    """Requests in flight, failures, and who paused the source, in words."""

    in_flight: int
    failures: Failures
    held: str = ""


class ProgressView(Protocol):
    every_seconds: float

    def show(self, progress: Progress, traffic: Traffic) -> None: ...

    def say(self, line: str) -> None:
        """Show a line beside the bar."""
        ...

    def close(self) -> None: ...


def has_bar() -> bool:
    """Whether a bar can be drawn on standard error."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def open_progress(run_id: str, clock: Clock) -> ProgressView:
    return Bar(clock) if has_bar() else _Lines(run_id, clock)


class _Lines:
    """A log line every ten seconds."""

    every_seconds = LOG_SECONDS

    def __init__(self, run_id: str, clock: Clock) -> None:
        self._run_id = run_id
        self._pace = Pace(clock)

    def show(self, progress: Progress, traffic: Traffic) -> None:
        self._pace.note(progress)
        rate, eta = self._pace.rate, self._pace.eta
        logger.info(
            "progress",
            extra={
                "run_id": self._run_id,
                "items": progress.planned - progress.split,
                "ended": progress.ended,
                "poisoned": progress.poisoned,
                "records": progress.records,
                "records_per_second": None if rate is None else rate.records_per_second,
                "items_per_second": None if rate is None else rate.items_per_second,
                "eta_seconds": None if eta is None else eta.seconds,
                "eta_low_seconds": None if eta is None else eta.low_seconds,
                "eta_high_seconds": None if eta is None else eta.high_seconds,
                **failure_facts(traffic.failures),
                **({"held": traffic.held} if traffic.held else {}),
            },
        )

    def say(self, line: str) -> None:
        click.echo(line, err=True)

    def close(self) -> None:
        return


class Bar:
    """Rich's bar; below it, the newest failure."""

    every_seconds = BAR_SECONDS

    def __init__(self, clock: Clock) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._pace = Pace(clock)
        self._console = Console(stderr=True)
        self._bar = RichProgress(
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("items"),
            TextColumn("{task.fields[detail]}"),
            console=self._console,
        )
        self._task = self._bar.add_task("", total=None, detail="")
        self._failures = NO_FAILURES
        self._live = Live(get_renderable=self._draw, console=self._console)
        self._live.start()

    def show(self, progress: Progress, traffic: Traffic) -> None:
        self._pace.note(progress)
        rate, eta = self._pace.rate, self._pace.eta
        words = [count_of(progress.records, "record"), f"{rate.records_per_second if rate else 0.0:,.0f}/s"]
        words += [f"{traffic.in_flight} in flight", f"{traffic.failures.retries:,} retries"]
        if traffic.held:
            words.append("[yellow]paused[/yellow]")
        if progress.poisoned:
            words.append(f"[red]{progress.poisoned:,} poisoned[/red]")
        if eta is not None:
            words.append(f"{eta_words(eta)} left")
        total = progress.planned - progress.split
        self._bar.update(self._task, total=total, completed=total - progress.missing, detail=", ".join(words))
        self._failures = traffic.failures

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)

    def close(self) -> None:
        self._failures = NO_FAILURES  # The closing words tell of it.
        self._live.stop()

    def _draw(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        if not self._failures.newest:
            return self._bar
        cause = short_cause(self._failures, self._console.width - len(NEWEST))
        return Group(self._bar, Text(NEWEST + cause, style="yellow", no_wrap=True, overflow="ellipsis"))
