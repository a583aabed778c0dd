"""A look at a run, drawn in place on a terminal."""

from __future__ import annotations

import re

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from haulier.cli.durations import duration_text
from haulier.cli.failures import newest_on_one_line
from haulier.cli.hints import fill_source
from haulier.cli.status.facts import StatusFacts
from haulier.cli.status.lines import fact_lines, heading, other_lines, worker_lines
from haulier.runs.state import RunState
from haulier.runs.status import RunStatus

LABEL_CHARACTERS = 8
MOST_WORKERS = 10
"""More would take the screen; `--json` has all."""
_LABELLED = re.compile(r"  (?:([A-Za-z]+) {2,}| {9})(.*)")
"""A line of `status_lines`: a label and a fact, or a fact that goes on."""
_STATE_STYLES = {
    RunState.COMPLETE: "bold green",
    RunState.PARTIAL: "bold yellow",
    RunState.SUPERSEDED: "bold red",
    RunState.CANCELLED: "bold red",
}
_LABEL_STYLES = {"poison": "red", "failure": "yellow", "because": "yellow"}


class StatusScreen:
    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._facts: StatusFacts | None = None
        self._problem = ""
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="ellipsis")
        self._live.start()

    def show(self, facts: StatusFacts) -> None:
        self._facts, self._problem = facts, ""
        self._draw()

    def note_problem(self, problem: str) -> None:
        self._problem = problem
        self._draw()

    def close(self) -> None:
        self._live.stop()

    def _draw(self) -> None:
        if self._facts is not None:
            self._live.update(draw(self._facts, self._console.width, self._problem), refresh=True)


def draw(facts: StatusFacts, width: int, problem: str = "") -> RenderableType:
    """Colours of the terminal's own palette alone, so that it reads on dark and on light."""
    status = facts.status
    rows = Table.grid(padding=(0, 1), expand=True)
    rows.add_column(width=LABEL_CHARACTERS, no_wrap=True)
    rows.add_column(ratio=1, overflow="fold")
    if not status.state.is_closed and status.planned:
        rows.add_row("", _bar(status))
    more = []
    # Of workers that live, their own lines tell it.
    leases = [holder for holder in facts.leases if holder.whereabouts != "here"]
    for line in (*fact_lines(facts, leases), *worker_lines(facts, MOST_WORKERS), *other_lines(facts)):
        found = _LABELLED.fullmatch(line)
        if found is None:
            more.append(Text(fill_source(line).strip(), style="yellow"))
            continue
        label, fact = found[1] or "", fill_source(found[2])
        style = _LABEL_STYLES.get(label, "")
        if label == "failure":
            fact = newest_on_one_line(facts.failures, width - LABEL_CHARACTERS - 1)
        rows.add_row(Text(label, style=style or "dim"), Text(fact, style=style))
        is_going_on = facts.api is not None and facts.api.state == "well"
        if label == "rate" and facts.eta is None and status.missing and is_going_on:
            rows.add_row(Text("left", style="dim"), Text("not known yet"))
    if problem:
        more.append(Text(f"This look failed, and is made again: {problem}", style="yellow"))
    title = Text(heading(status), style=_STATE_STYLES.get(status.state, "bold"))
    title.append(f", {'took' if status.state.is_closed else 'for'} {duration_text(facts.seconds)}", style="not bold")
    return Group(title, rows, *more)


def _bar(status: RunStatus) -> RenderableType:
    total = status.planned - status.split
    ended = total - status.missing
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True)
    bar.add_row(ProgressBar(total, ended), f"{100 * ended // max(1, total)} %, {ended:,} of {total:,}")
    return bar
