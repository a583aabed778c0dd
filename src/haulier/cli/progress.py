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
BAR_CHARACTERS = 10
"""At the least."""
_STYLES = {"paused": "yellow", "poisoned": "red"}


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
    """A line on the terminal, as `bar_words` has it; below it, the newest failure."""

    every_seconds = BAR_SECONDS

    def __init__(self, clock: Clock) -> None:
        from rich.console import Console
        from rich.live import Live

        self._pace = Pace(clock)
        self._console = Console(stderr=True)
        self._progress = Progress()
        self._traffic = Traffic(0, NO_FAILURES)
        self._is_open = True
        self._live = Live(get_renderable=self._draw, console=self._console)
        self._live.start()

    def show(self, progress: Progress, traffic: Traffic) -> None:
        self._pace.note(progress)
        self._progress, self._traffic = progress, traffic

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)

    def close(self) -> None:
        self._is_open = False
        self._live.stop()

    def _draw(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        line = draw_bar(self._progress, self._traffic, self._pace, self._console.width)
        failures = self._traffic.failures
        if not (failures.newest and self._is_open):  # The closing words tell of it.
            return line
        cause = short_cause(failures, self._console.width - len(NEWEST))
        return Group(line, Text(NEWEST + cause, style="yellow", no_wrap=True, overflow="ellipsis"))


def draw_bar(progress: Progress, traffic: Traffic, pace: Pace, width: int) -> RenderableType:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    total = progress.planned - progress.split
    words = bar_words(progress, traffic, pace, width - BAR_CHARACTERS - 1)
    comma = Text(", ", no_wrap=True, overflow="ellipsis")
    text = comma.join(Text(word, _STYLES.get(word.rpartition(" ")[2], "")) for word in words)
    line = Table.grid(padding=(0, 1), expand=True)
    line.add_column(ratio=1, min_width=BAR_CHARACTERS)
    line.add_column(no_wrap=True)
    line.add_row(ProgressBar(total or None, total - progress.missing, pulse=not total), text)
    return line


def bar_words(progress: Progress, traffic: Traffic, pace: Pace, width: int) -> list[str]:
    """What stands beside the bar, the most important first: the items, and as much of the rest as fits the width."""
    total, rate, eta = progress.planned - progress.split, pace.rate, pace.eta
    retries = traffic.failures.retries
    rest: list[tuple[str, ...]] = [("paused",)] if traffic.held else []
    if progress.poisoned:
        rest.append((f"{progress.poisoned:,} poisoned",))
    if eta is not None:
        rest.append((f"{eta_words(eta)} left", f"{eta_words(eta).partition(' (')[0]} left"))
    rest += [
        (count_of(progress.records, "record"),),
        (f"{rate.records_per_second if rate else 0.0:,.0f}/s",),
        (f"{traffic.in_flight} in flight",),
        ("1 retry" if retries == 1 else f"{retries:,} retries",),
    ]
    of = f"{total:,}" if total or progress.is_sealed else "?"
    words = [f"{total - progress.missing:,}/{of} items"]
    for forms in rest:
        left = width - len(", ".join(words)) - len(", ")
        word = next((form for form in forms if len(form) <= left), None)
        if word is None:
            break
        words.append(word)
    return words
