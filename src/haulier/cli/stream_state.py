"""What is finished of a stream, for people and programs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from haulier.app.open_source import OpenSource
from haulier.cli.span_words import LOWEST_ID, LOWEST_TIME, shown, size_of, span_words
from haulier.items.span_group import ALL_GROUPS
from haulier.items.spans import Span
from haulier.runs.edits import EditRecord, read_edits
from haulier.runs.span_table import span_between
from haulier.runs.watermark import FoldedRun, Watermark, read_watermark

SHOWN_SPANS = 10
"""Spans and runs of a stream that are written out; `--json` has all."""


@dataclass(frozen=True)
class StreamState:
    stream: str
    groups: dict[str, tuple[Span, ...]]
    edits: tuple[EditRecord, ...]
    """Oldest first; the newest counts."""
    runs: tuple[FoldedRun, ...]
    """The newest runs that say what is finished."""
    not_closed: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        return {
            "groups": [
                {
                    "group": group,
                    "finished": [_ends(span) for span in spans],
                    "holes": [_ends(span) for span in holes(spans)],
                    "until": spans[-1].end if spans else None,
                }
                for group, spans in self.groups.items()
            ],
            "edits": self.edits,
            "runs": [
                {"run_id": run.run_id, "state": run.verdict, "is_whole": self.stream not in run.unfinished}
                for run in self.runs
            ],
            "not_closed": self.not_closed,
        }

    def lines(self) -> Iterator[str]:
        yield self.stream
        if not any(self.groups.values()):
            yield "  finished  nothing: the next incremental run reads from its start on"
        for group, spans in self.groups.items():
            yield from self._group_lines(group, spans)
        for edit in self.edits[-SHOWN_SPANS:]:
            said = ", ".join(span_words(span_between(*ends)) for ends in edit.spans) or "nothing"
            yield f"  edit {edit.number:<4} {edit.edited_at:%Y-%m-%d %H:%M:%SZ} by {edit.who}: {said} is finished"
            yield f"            because: {edit.why}"
        for run in self.runs[-SHOWN_SPANS:]:
            left = ", and left some of what it planned" if self.stream in run.unfinished else ""
            yield f"  run       {run.run_id} is {run.verdict}{left}"
        for run_id in self.not_closed:
            yield f"  run       {run_id} is not closed, and counts once it is"

    def _group_lines(self, group: str, spans: Sequence[Span]) -> Iterator[str]:
        if not spans:
            return
        if group == ALL_GROUPS:
            yield "  in every group of items that no run has read since the edit:"
        elif group:
            yield f"  of the items with {group}:"
        yield from _listed("finished", spans)
        yield from _listed("hole", holes(spans))
        missing = holes(spans)
        holes_too = f", and {size_of(missing)} of holes" if missing else ""
        yield f"  next run  from {shown(spans[-1].end)} on{holes_too}"


async def read_states(source: OpenSource, streams: Sequence[str]) -> list[StreamState]:
    """Changes nothing."""
    edits = await read_edits(source.lake, source.app.name)
    known = await read_watermark(source.lake, source.app.name)
    return [_state_of(stream, known, edits) for stream in streams]


def holes(spans: Sequence[Span]) -> list[Span]:
    """What lies between finished spans of one kind."""
    between = itertools.pairwise(spans)
    return [type(one)(one.end, other.start) for one, other in between if type(one) is type(other)]  # type: ignore[arg-type]


def _state_of(stream: str, known: Watermark, edits: Sequence[EditRecord]) -> StreamState:
    after = known.edited.get(stream, "")
    return StreamState(
        stream=stream,
        groups=dict(known.finished.spans.get(stream, {})),
        edits=tuple(edit for edit in edits if edit.stream == stream),
        runs=tuple(known.counts(stream)),
        not_closed=tuple(run_id for run_id in known.not_closed if run_id > after),
    )


def _ends(span: Span) -> dict[str, Any]:
    """The start is None where all before the end is finished."""
    return {"start": None if span.start in (LOWEST_TIME, LOWEST_ID) else span.start, "end": span.end}


def _listed(word: str, spans: Sequence[Span]) -> Iterator[str]:
    more = len(spans) - SHOWN_SPANS
    if more > 0:
        yield f"  {word:9} {more:,} more, in the JSON of --json"
    for span in spans[-SHOWN_SPANS:]:
        yield f"  {word:9} {span_words(span)}"
