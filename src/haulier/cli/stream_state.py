"""What is finished of a stream, for people and programs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from haulier.app.open_source import OpenSource
from haulier.cli.due_lines import due_words
from haulier.cli.span_words import shown, span_words
from haulier.errors import UsageError
from haulier.items.feed_start import token_mark
from haulier.items.ranges import IdRange
from haulier.items.span_group import ALL_GROUPS
from haulier.items.spans import LOWEST_ID, LOWEST_TIME, Span, merge, overlaps
from haulier.items.windows import TimeWindow
from haulier.plurals import count_of
from haulier.runs.watermark.edits import EditRecord, read_edits
from haulier.runs.watermark.feed_moves import FeedPlace
from haulier.runs.watermark.fold import FoldedRun, Watermark, read_watermark
from haulier.runs.watermark.span_table import span_between

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
    due: tuple[Span, ...] | None = None
    """What a run reads that is started now, but for new IDs. None where only the source's code knows, or it refuses."""
    refusal: str = ""
    feeds: dict[str, FeedPlace] | None = None
    """By group, where feeds go on; None where the stream has none."""
    has_groups: bool = False
    """Its items may have parameters besides their span."""

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
            **({} if self.feeds is None else {"feeds": [_shown_place(*each) for each in self.feeds.items()]}),
            "edits": [without_token(edit) for edit in self.edits],
            "runs": [
                {"run_id": run.run_id, "state": run.verdict, "is_whole": self.stream not in run.unfinished}
                for run in self.runs
            ],
            "not_closed": self.not_closed,
            "due": None if self.due is None else [_ends(span) for span in self.due],
        }

    def lines(self) -> Iterator[str]:
        yield self.stream
        yield from self._feed_lines()
        if self.feeds is None and not any(self.groups.values()):
            yield "  finished  nothing"
        for group, spans in self.groups.items():
            yield from self._group_lines(group, spans)
        yield f"  next run  {self._next_words()}"
        for edit in self.edits[-SHOWN_SPANS:]:
            said = ", ".join(span_words(span_between(*ends)) for ends in edit.spans) or "nothing"
            if edit.feed or self.feeds is not None:
                of = f" of the items with {edit.group}" if edit.group else ""
                said = f"goes on at {token_words(edit.feed)}" if edit.feed else "begins anew"
                said = f"the feed{of} {said}"
            else:
                said = f"{said} is finished"
            yield f"  edit {edit.number:<4} {edit.edited_at:%Y-%m-%d %H:%M:%SZ} by {edit.who}: {said}"
            yield f"            because: {edit.why}"
        for run in self.runs[-SHOWN_SPANS:]:
            left = ", and left some of what it planned" if self.stream in run.unfinished else ""
            yield f"  run       {run.run_id} is {run.verdict}{left}"
        for run_id in self.not_closed:
            yield f"  run       {run_id} is not closed, and counts once it is"

    def _group_lines(self, group: str, spans: Sequence[Span]) -> Iterator[str]:
        if not spans:
            return
        if group == ALL_GROUPS and self.has_groups:
            yield "  in every group of items that no run has read since the edit:"
        elif group not in ("", ALL_GROUPS):
            yield f"  of the items with {group}:"
        yield from _listed("finished", spans)
        yield from _listed("hole", holes(spans))

    def _feed_lines(self) -> Iterator[str]:
        for group, place in (self.feeds or {}).items():
            of = "" if group in ("", ALL_GROUPS) else f" of the items with {group}"
            if not place.token:
                why = "an edit says so"
                if place.lifted_by:
                    why = f"a run that had read it does not count any more ({place.lifted_by})"
                yield f"  feed      begins anew{of}: {why}"
                continue
            ended = f"where {place.run_id} ended" if place.run_id else "where an edit says"
            yield f"  feed      {ended}{of}: {token_words(place.token)}"
            if place.has_expired:
                yield (
                    f"            {place.began} read it anew from its beginning, since the API did not go on: what was "
                    "deleted before is told by nobody"
                )

    def _next_words(self) -> str:
        if self.feeds is not None:
            goes_on = any(place.token for place in self.feeds.values())
            return "goes on there" if goes_on else "reads the feed from its beginning"
        if self.refusal:
            return f"is refused: {self.refusal}"
        words = [words for kind in (IdRange, TimeWindow) if (words := self._words_of(kind))]
        if not words:
            begins = shown(self.due[0].start) if self.due else "its start"
            return f"reads from {begins} on"
        return "; and ".join(words)

    def _words_of(self, kind: type[Span]) -> str:
        """Empty where nothing of that kind is finished."""
        known = {name: [span for span in spans if isinstance(span, kind)] for name, spans in self.groups.items()}
        if len(known) > 1:
            known.pop(ALL_GROUPS, None)  # Runs have read the groups that there are.
        ends = sorted({spans[-1].end for spans in known.values() if spans})
        if not ends:
            return ""
        goes_on = f"from {shown(ends[0])} on"
        if len(ends) > 1:
            goes_on += f" ({shown(ends[-1])} in the group that is furthest)"
        if self.due is None:
            return due_words([hole for spans in known.values() for hole in holes(spans)], (), goes_on)
        again = overlaps(self.due, itertools.chain(*known.values()))  # type: ignore[type-var]
        return due_words(self.due, again, goes_on if kind is IdRange else "")


async def read_states(source: OpenSource, streams: Sequence[str]) -> list[StreamState]:
    """Changes nothing."""
    edits = await read_edits(source.lake, source.app.name)
    known = await read_watermark(source.lake, source.app.name)
    return [_state_of(source, stream, known, edits) for stream in streams]


def holes(spans: Sequence[Span]) -> list[Span]:
    """What lies between finished spans of one kind."""
    between = itertools.pairwise(spans)
    return [type(one)(one.end, other.start) for one, other in between if type(one) is type(other)]  # type: ignore[arg-type]


def _state_of(source: OpenSource, stream: str, known: Watermark, edits: Sequence[EditRecord]) -> StreamState:
    due: tuple[Span, ...] | None = None
    refusal, recipes = "", source.app.recipes
    try:
        if recipes is not None:
            due = merge(recipes.due(stream, known.finished, source.clock.now()))  # type: ignore[type-var]
    except UsageError as error:
        refusal = str(error)
    groups = dict(known.finished.spans.get(stream, {}))
    feeds = dict(known.feeds.get(stream, {}))
    is_feed = bool(feeds) if recipes is None else recipes.is_feed(stream)
    if recipes is not None and is_feed:
        groups = {}
    elif recipes is not None:
        kind = recipes.span_type(stream)
        groups = {
            group: found
            for group, spans in groups.items()
            if (found := tuple(span for span in spans if isinstance(span, kind))) or group == ""
        }
        if "" in groups:
            groups.pop(ALL_GROUPS, None)  # A run has read the one group that there is, since the edit.
    return StreamState(
        stream=stream,
        groups=groups,
        edits=tuple(edit for edit in edits if edit.stream == stream),
        runs=tuple(known.counts(stream)),
        not_closed=tuple(known.awaits(stream)),
        due=due,
        refusal=refusal,
        has_groups=recipes is None,
        feeds=feeds if is_feed else None,
    )


def _ends(span: Span) -> dict[str, Any]:
    """The start is None where all before the end is finished."""
    return {"start": None if span.start in (LOWEST_TIME, LOWEST_ID) else span.start, "end": span.end}


def token_words(token: str) -> str:
    """It is told from others, and not shown: some hold more than a place."""
    return f"a token of {count_of(len(token), 'character')}, {token_mark(token)}"


def without_token(edit: EditRecord) -> EditRecord:
    return msgspec.structs.replace(edit, feed=token_mark(edit.feed))


def _shown_place(group: str, place: FeedPlace) -> dict[str, Any]:
    return {
        "group": group,
        "token": token_mark(place.token) or None,
        "run_id": place.run_id or None,
        "began": place.began or None,
        "has_expired": place.has_expired,
    }


def _listed(word: str, spans: Sequence[Span]) -> Iterator[str]:
    more = len(spans) - SHOWN_SPANS
    if more > 0:
        yield f"  {word:9} {more:,} more, in the JSON of --json"
    for span in spans[-SHOWN_SPANS:]:
        yield f"  {word:9} {span_words(span)}"
