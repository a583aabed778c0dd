"""``haulier runs``."""

from __future__ import annotations

import click

from haulier.app.open_source import open_source
from haulier.cli.durations import duration_text
from haulier.cli.output import emit, say
from haulier.cli.pick_run import away_hint
from haulier.cli.source_command import SourceCall, source_command
from haulier.plurals import count_of
from haulier.runs.past_runs import PastRun, past_runs, runs_document

DEFAULT_RUNS = 20
_COLUMNS = ("run", "state", "took", "items", "records", "requests")
_TEXTS = 2
"""Columns to the left; the others are numbers."""


@source_command(
    "runs",
    click.option("--mode", type=click.Choice(["full", "incremental", "trial"]), help="Only runs of this mode."),
    click.option(
        "--last",
        type=click.IntRange(min=1),
        default=DEFAULT_RUNS,
        show_default=True,
        help="How many, the newest first.",
    ),
)
async def command(call: SourceCall, mode: str | None, last: int) -> int:
    """List SOURCE's runs, the newest first: verdict, records, items, requests, and how long each took.

    Changes nothing. An open run is listed as far as it has come.
    """
    async with open_source(call.app, call.options, writes=False) as source:
        runs = await past_runs(source.lake, source.clock, call.app.name, mode, last)
        hint = "" if runs else await away_hint(source)
    if call.as_json:
        emit(runs_document(call.app.name, runs))
    elif runs:
        for line in run_lines(runs):
            click.echo(line)
    else:
        say(f"{call.app.name} has no run{'' if mode is None else f' of mode {mode}'} in this lake yet.{hint}")
    return 0


def run_lines(runs: list[PastRun]) -> list[str]:
    """Two lines for a run, under one of headings. They fit 80 columns."""
    rows = [_COLUMNS, *map(_row, runs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = ["  ".join(_cell(text, column, widths[column]) for column, text in enumerate(row)).rstrip() for row in rows]
    return [lines[0], *(line for run, row in zip(runs, lines[1:], strict=True) for line in (row, f"    {_more(run)}"))]


def _cell(text: str, column: int, width: int) -> str:
    return text.ljust(width) if column < _TEXTS else text.rjust(width)


def _row(run: PastRun) -> tuple[str, ...]:
    figures = run.figures
    counts = (
        ("", "", "")
        if figures is None
        else (f"{figures.planned - figures.split:,}", f"{figures.records:,}", f"{figures.requests:,}")
    )
    return (run.run_id, run.state.value, duration_text(run.seconds), *counts)


def _more(run: PastRun) -> str:
    counted = _counted(run)
    return f"{counted}; removed: {', '.join(run.removed)}" if run.removed else counted


def _counted(run: PastRun) -> str:
    figures = run.figures
    streams = ", ".join(f"{name}{'' if count is None else f' {count:,}'}" for name, count in run.streams.items())
    if figures is None:
        return streams
    others = {
        "poisoned": figures.poisoned,
        "discarded": figures.discarded,
        "damaged": figures.damaged,
        "unfinished": figures.missing,
    }
    words = [
        streams,
        count_of(figures.bytes, "byte"),
        *(f"{count:,} {name}" for name, count in others.items() if count),
    ]
    words += [f"because of {reason}: {count:,}" for reason, count in run.reasons.items()]
    return "; ".join(words)
