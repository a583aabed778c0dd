"""A verdict for people and programs, and its exit code."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from haulier.api.scope.failures import NO_FAILURES, Failures
from haulier.app.open_source import OpenSource
from haulier.cli.failures import failure_facts, failure_lines
from haulier.cli.output import say
from haulier.plurals import count_of, were
from haulier.runs.records import ShapeChange, Totals, VerdictRecord
from haulier.runs.run import Run
from haulier.runs.state import RunState
from haulier.runs.status import RunStatus


def exit_code_of_verdict(verdict: VerdictRecord) -> int:
    """Choose 0 for complete, 3 for partial by poison alone, 1 for anything else."""
    return exit_code_of_state(RunState(verdict.verdict), verdict.reasons)


def exit_code_of_state(state: RunState, reasons: Collection[str]) -> int:
    """Choose the same by a run's state; 4 if it is not closed."""
    if not state.is_closed:
        return 4
    if state is RunState.PARTIAL and set(reasons) == {"poison"}:
        return 3
    return 0 if state is RunState.COMPLETE else 1


def say_verdict(source: OpenSource, run: Run, verdict: VerdictRecord, failures: Failures = NO_FAILURES) -> None:
    """Say the verdict, what it counted, where the files are, and what to do next."""
    if verdict.verdict not in ("complete", "partial"):
        say(f"Run {run.run_id} is {verdict.verdict}; what it wrote stays, and was not counted.")
        return
    totals = verdict.totals
    written = f"{count_of(totals.records, 'record')} in {count_of(totals.done, 'object')}"
    say(f"Run {run.run_id} is {verdict.verdict}: {written}.")
    if (line := trial_line(run)) is not None:
        say(f"  {line}")
    others = {
        "empty": totals.empty,
        "divided": totals.split,
        "poisoned": totals.poisoned,
        "discarded": totals.discarded,
        "damaged": totals.damaged,
    }
    ended = [f"{count:,} {name}" for name, count in others.items() if count]
    say(f"  items    {totals.planned:,} planned, {totals.done:,} done" + "".join(f", {one}" for one in ended))
    say(f"  requests {totals.requests:,} for what is in the lake")
    for line in failure_lines(failures, is_complete=verdict.verdict == "complete"):
        say(line)
    for stream in run.file.streams:
        promised = verdict.expected.get(stream)
        checked = "" if promised is None else f", as the API promised ({_range(promised)})"
        if promised is not None and not promised[0] <= verdict.streams.get(stream, 0) <= promised[1]:
            checked = f", but the API promised {_range(promised)}"
        say(f"  {stream}: {count_of(verdict.streams.get(stream, 0), 'record')}{checked}")
        if verdict.streams.get(stream):  # Without records there is no object, and no folder.
            say(f"    {source.lake.locate(run.paths.bronze(stream))}")
    for line in (*unseen_lines(verdict.unseen), *anew_lines(verdict.feeds_anew), *shape_lines(verdict.shapes)):
        say(f"  {line}")
    for line in count_lines(totals):
        say(f"  {line}")
    if verdict.reasons.get("poison"):
        say(f"  See why: haulier poison list SOURCE --run {run.run_id}")
        say(f"  Retry: haulier poison redrive SOURCE --all --run {run.run_id}")
    if verdict.reasons.get("count"):
        say(f"  The counts do not agree: pull again with {run.command}.")
    if verdict.reasons.get("absent"):
        say(
            "  Of a stream without records nothing is there: its path or a parameter is wrong, unless all is gone. "
            f"Correct it, and pull again with {run.command}."
        )
    if verdict.reasons.get("damaged"):
        say(f"  Which objects are damaged: haulier verify SOURCE --run {run.run_id}")


def trial_line(run: Run) -> str | None:
    """None: it is no trial."""
    if run.file.max_items is None:
        return None
    return f"A trial of at most {count_of(run.file.max_items, 'item')}: not a snapshot, and `latest` never shows it."


def count_lines(counts: Totals | RunStatus) -> list[str]:
    """Tell what is neither record nor failure, where there is any."""
    lines = []
    if counts.hidden:
        rows = f"{count_of(counts.hidden, 'row')} that the API counts {were(counts.hidden)} not sent"
        lines.append(f"{rows}: hidden from you, as `total` says")
    if counts.absent:
        lines.append(
            f"{counts.absent:,} of what was asked for {were(counts.absent)} not there, as `absent` or `missing` "
            "allows: see `absent` in the manifest"
        )
    if counts.skipped:
        rows = f"{count_of(counts.skipped, 'row')} {were(counts.skipped)} skipped"
        lines.append(f"{rows}, as `skip` or `allowed_errors` says")
    if counts.repeated:
        lines.append(
            f"{count_of(counts.repeated, 'page')} began with the last record of the page before (`repeated` in the "
            "manifest), which may have come twice. Declare the `key` of the stream, and records are compared by it."
        )
    if counts.drifted:
        lines.append(f"{count_of(counts.drifted, 'list')} changed while being read: see `drift` in the manifest")
    return lines


def unseen_lines(unseen: Mapping[str, str]) -> list[str]:
    """Warn of streams of which no page ever said whether there is a next one."""
    return [
        f"No page of {stream} ever had {sign}, which says whether there is a next one: each list was taken to be one "
        'page long. If that is wrong, correct `pages`; if it is right, write missing = "end" there.'
        for stream, sign in unseen.items()
    ]


def anew_lines(anew: Mapping[str, int]) -> list[str]:
    """Tell of feeds that begin anew: their records are all there are, and not what has changed."""
    return [
        f"{count_of(count, 'feed')} of {stream} began anew, since the API did not go on where the last run ended, or "
        "the source asks for something else: all was read once more. What was deleted in between is told by nobody: "
        "it is what a full run lacks."
        for stream, count in anew.items()
    ]


def shape_lines(shapes: Mapping[str, ShapeChange]) -> list[str]:
    """Warn of streams whose records are not what they were."""
    return [
        f"The records of {stream} have another shape than in {change.before}: {'; '.join(_changes(change))}."
        for stream, change in shapes.items()
    ]


def _changes(change: ShapeChange) -> Iterator[str]:
    for word, paths in (("new", change.new), ("gone", change.gone)):
        if paths:
            yield f"{word}: {', '.join(f'{path} ({types})' for path, types in paths.items())}"
    for path, (before, after) in change.retyped.items():
        yield f"{path} was {before}, and is {after}"
    if change.more:
        yield f"and {count_of(change.more, 'more path')}"


def verdict_document(
    source: OpenSource, run: Run, verdict: VerdictRecord, failures: Failures = NO_FAILURES
) -> dict[str, Any]:
    """Build what ``--json`` prints. ``state`` is stable."""
    return {
        "state": verdict.verdict,
        "run_id": run.run_id,
        "source": run.file.source,
        "mode": run.file.mode,
        **({"max_items": run.file.max_items} if run.file.max_items is not None else {}),
        "snapshot_time": run.file.snapshot_time,
        "reasons": verdict.reasons,
        "totals": verdict.totals,
        **failure_facts(failures),
        "streams": {
            stream: {
                "records": verdict.streams.get(stream, 0),
                "expected": verdict.expected.get(stream),
                "unseen": verdict.unseen.get(stream),
                "feeds_anew": verdict.feeds_anew.get(stream, 0),
                "shape": verdict.shapes.get(stream),
                "path": source.lake.locate(run.paths.bronze(stream)),
            }
            for stream in run.file.streams
        },
    }


def _range(promised: tuple[int, int]) -> str:
    low, high = promised
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
