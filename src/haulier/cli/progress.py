"""How far a run has come, while it runs: a bar on a terminal, a log line now and then elsewhere."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import click

from haulier.cli.counts import counted
from haulier.clock import Clock
from haulier.runs.ledger import Progress

logger = logging.getLogger("haulier.progress")

LOG_SECONDS = 10.0
BAR_SECONDS = 0.5


@dataclass(frozen=True)
class Traffic:
    """What goes on between the workers and the API at this moment."""

    in_flight: int
    retries: int
    """Requests and items that were tried again since the view was opened."""


ReadTraffic = Callable[[], Awaitable[Traffic]]


class ProgressView(Protocol):
    """Shows progress."""

    every_seconds: float
    shows_traffic: bool

    def show(self, progress: Progress, traffic: Traffic | None) -> None: ...

    def say(self, line: str) -> None:
        """A line for a person, beside the bar."""
        ...

    def close(self) -> None: ...


def has_bar() -> bool:
    """Whether standard error is a terminal that a bar can be drawn on."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def open_progress(run_id: str, clock: Clock) -> ProgressView:
    """The view that fits standard error."""
    return Bar(clock) if has_bar() else _Lines(run_id, clock)


class _Pace:
    """Records and items a second since the view was opened, and what is left by it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started_at = clock.monotonic()
        self._first: Progress | None = None

    def of(self, progress: Progress) -> tuple[float, float | None]:
        """Records a second, and the seconds that are left (None: not known yet)."""
        first = self._first = self._first or progress
        seconds = max(self._clock.monotonic() - self._started_at, 1e-9)
        ended = first.missing - progress.missing
        left = seconds * progress.missing / ended if ended > 0 else None
        return (progress.records - first.records) / seconds, left


class _Lines:
    """One JSON (or short) log line every ten seconds."""

    every_seconds = LOG_SECONDS
    shows_traffic = False

    def __init__(self, run_id: str, clock: Clock) -> None:
        self._run_id = run_id
        self._pace = _Pace(clock)

    def show(self, progress: Progress, traffic: Traffic | None) -> None:
        rate, left = self._pace.of(progress)
        logger.info(
            "progress",
            extra={
                "run_id": self._run_id,
                "items": progress.planned - progress.split,
                "ended": progress.planned - progress.split - progress.missing,
                "poisoned": progress.poisoned,
                "records": progress.records,
                "records_per_second": round(rate),
                "eta_seconds": None if left is None else round(left),
            },
        )

    def say(self, line: str) -> None:
        click.echo(line, err=True)

    def close(self) -> None:
        return


class Bar:
    """Rich's bar: items, records, records/s, in flight, retries, ETA."""

    every_seconds = BAR_SECONDS
    shows_traffic = True

    def __init__(self, clock: Clock) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._pace = _Pace(clock)
        self._console = Console(stderr=True)
        self._bar = RichProgress(
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("items"),
            TextColumn("{task.fields[detail]}"),
            console=self._console,
        )
        self._task = self._bar.add_task("", total=None, detail="")
        self._bar.start()

    def show(self, progress: Progress, traffic: Traffic | None) -> None:
        rate, left = self._pace.of(progress)
        words = [counted(progress.records, "record"), f"{rate:,.0f}/s"]
        if traffic is not None:
            words += [f"{traffic.in_flight} in flight", f"{traffic.retries} retries"]
        if progress.poisoned:
            words.append(f"[red]{progress.poisoned} poisoned[/red]")
        if left is not None and progress.missing:
            words.append(f"ETA {_clock_text(left)}")
        total = progress.planned - progress.split
        self._bar.update(self._task, total=total, completed=total - progress.missing, detail=", ".join(words))

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)

    def close(self) -> None:
        self._bar.stop()


def _clock_text(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
