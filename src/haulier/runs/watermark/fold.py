"""The watermark: what incremental runs have finished, folded from their closings and from edits (W1 to W4)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

import msgspec

from haulier.clock import Clock
from haulier.errors import LakeUnavailableError, NewerFormatError
from haulier.items.span_group import ALL_GROUPS
from haulier.lake.names import is_path
from haulier.lake.paths import versions_root
from haulier.lake.seam import Lake
from haulier.runs.concurrency import run_each
from haulier.runs.plan import read_seal
from haulier.runs.records import FORMAT, Record, Verdict, VerdictRecord, decode_record, encode_record
from haulier.runs.run import Run, load_run
from haulier.runs.state import FINAL_VERDICTS, closing_in_force, newest_closing
from haulier.runs.watermark.edits import GROUP_FORMAT, EditRecord, incremental_runs, numbers, read_edits
from haulier.runs.watermark.feed_moves import (
    FeedMove,
    FeedPlace,
    FeedPlaces,
    ReadFeeds,
    copied,
    lifted_of,
    move,
    read_run_feeds,
    tokens_of,
)
from haulier.runs.watermark.run_spans import RunSpans, read_run_spans
from haulier.runs.watermark.span_table import SpanLists, SpanTable, span_between
from haulier.sources.finished import Finished

KEPT_RUNS = 32
"""Runs whose spans a version keeps apart. A partial run that is closed anew after so many newer ones brings nothing
more: what it had left is a hole, which each of them has read again."""
KEPT_SPANS, MIN_KEPT_RUNS = 20_000, 4
"""Fewer runs are kept apart where they have more spans than that, of thousands of groups: each start reads the version,
and 10,000 spans take 700 KB and a sixth of a second."""
KEPT_VERSIONS = 4
"""The newest counts. Whoever is reading one of the others has time to end."""


class FoldedRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A closed run in a version."""

    run_id: str
    verdict: Verdict
    closing: int
    finished: SpanLists = {}
    unfinished: SpanLists = {}
    feeds: tuple[FeedMove, ...] = ()
    lifted_feeds: dict[str, tuple[str, ...]] = {}
    """By stream, groups whose feeds it has read, while its closing does not count any more."""
    lifted_by: str = ""
    """What it is then."""

    @property
    def size(self) -> int:
        """The number of its spans."""
        tables = (self.finished, self.unfinished)
        return len(self.feeds) + sum(
            len(spans) for lists in tables for groups in lists.values() for spans in groups.values()
        )


class VersionRecord(Record, frozen=True, kw_only=True):
    """``state/versions/<n>.json``. Edits and runs are the truth; this only saves reading them again (W3)."""

    NEWEST_FORMAT: ClassVar[int] = GROUP_FORMAT

    number: int
    base: SpanLists = msgspec.field(default_factory=dict)
    """Finished by edits, and by runs up to ``through`` in their order."""
    through: str = ""
    edits: int = 0
    """The newest edit that is in it."""
    edited: dict[str, str] = msgspec.field(default_factory=dict)
    """By stream that was edited, the newest run that does not count for it."""
    edited_feeds: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)
    """The same by stream and group, where one feed of several was edited."""
    starts: dict[str, datetime] = msgspec.field(default_factory=dict)
    """By stream, the first moment of all windows in edits and in runs up to ``through``, finished or not."""
    feeds: FeedPlaces = msgspec.field(default_factory=dict)
    """Where feeds went on after edits, and after runs up to ``through``."""
    watched: dict[str, int] = msgspec.field(default_factory=dict)
    """Partial runs that are in ``base``, with the closing that said so."""
    recent: tuple[FoldedRun, ...] = ()
    """Newer closed runs, oldest first."""
    by: str
    folded_at: datetime


@dataclass(frozen=True)
class Watermark:
    finished: Finished
    recent: tuple[FoldedRun, ...]
    """Closed runs, oldest first: the newest that are known."""
    not_closed: dict[str, tuple[str, ...]]
    """Runs that count once they are closed, oldest first, and their streams."""
    edited: dict[str, str]
    """By stream that was edited, the newest run that does not count for it."""
    feeds: FeedPlaces

    def counts(self, stream: str) -> list[FoldedRun]:
        """The newest runs that say what is finished of a stream, oldest first."""
        return [
            run
            for run in self.recent
            if run.run_id > self.edited.get(stream, "")
            and run.run_id not in self.not_closed
            and stream in {*run.finished, *run.unfinished, *(each.stream for each in run.feeds)}
        ]

    def awaits(self, stream: str) -> list[str]:
        """Runs that will say more of a stream once they are closed, oldest first."""
        after = self.edited.get(stream, "")
        return [run_id for run_id, streams in self.not_closed.items() if run_id > after and stream in streams]


async def fold_watermark(lake: Lake, clock: Clock, source: str, by: str) -> Watermark:
    """Bring the state up to date. Of several processes at once one writes the next version; all return the same."""
    newest, number = await _newest_version(lake, source)
    fold = _Fold(newest)
    await fold.read(lake, source)
    record = fold.next_version(number + 1, by, clock.now())
    if record is not None:
        await lake.create(f"{versions_root(source)}/{record.number}.json", encode_record(record))
        for old in sorted(await numbers(lake, versions_root(source)))[:-KEPT_VERSIONS]:
            await lake.remove(f"{versions_root(source)}/{old}.json")
    return fold.watermark()


async def read_watermark(lake: Lake, source: str) -> Watermark:
    """The same, and nothing is written."""
    newest, _ = await _newest_version(lake, source)
    fold = _Fold(newest)
    await fold.read(lake, source)
    return fold.watermark()


async def _newest_version(lake: Lake, source: str) -> tuple[VersionRecord | None, int]:
    """The newest version that can be read, and the highest number that is taken. Raises `NewerFormatError`."""
    taken = sorted(await numbers(lake, versions_root(source)), reverse=True)
    for number in taken:
        path = f"{versions_root(source)}/{number}.json"
        body = await lake.read(path)
        if body is None:
            continue
        try:
            record = decode_record(VersionRecord, body, path)
            _require_spans(record)
        except NewerFormatError:
            raise
        except (LakeUnavailableError, ValueError):
            continue
        return record, taken[0]
    return None, max(taken, default=0)


def _require_spans(record: VersionRecord) -> None:
    for lists in (record.base, *(lists for run in record.recent for lists in (run.finished, run.unfinished))):
        SpanTable.read(lists)


class _Fold:
    """What a version says, and what came after it."""

    def __init__(self, before: VersionRecord | None) -> None:
        before = before or VersionRecord(number=0, by="", folded_at=datetime.min.replace(tzinfo=UTC))
        self._base = SpanTable.read(before.base)
        self._starts = dict(before.starts)
        _lower(self._starts, self._base)
        self._feeds = copied(before.feeds)
        self._through = before.through
        self._edits = before.edits
        self._edited = dict(before.edited)
        self._edited_feeds = {stream: dict(groups) for stream, groups in before.edited_feeds.items()}
        self._watched = dict(before.watched)
        self._recent = {run.run_id: run for run in before.recent}
        self._not_closed: dict[str, tuple[str, ...]] = {}
        self._before = before

    async def read(self, lake: Lake, source: str) -> None:
        """Edits first: a run that is claimed after one counts, and is listed later."""
        for edit in await read_edits(lake, source, after=self._edits):
            self._edit(edit)
        names = [name for name in await incremental_runs(lake, source) if is_path(name) and name > self._through]
        unsettled = sorted(name for name in names if not self._is_settled(name))
        at_once = lake.capabilities.in_flight
        await run_each(lambda name: self._watch(lake, source, name), [*self._watched], at_once)
        for start in range(0, len(unsettled), at_once):
            batch = unsettled[start : start + at_once]
            await run_each(lambda name: self._see(lake, source, name), batch, at_once)
            self._settle(batch[-1])
        self._settle(max(self._recent, default=""))

    def watermark(self) -> Watermark:
        table, starts, feeds = SpanTable.read(self._base.written()), dict(self._starts), copied(self._feeds)
        for _, run in sorted(self._recent.items()):
            self._apply(run, table, starts, feeds)
        return Watermark(
            finished=Finished(table.spans(), starts, tokens_of(feeds), lifted_of(feeds)),
            recent=tuple(run for _, run in sorted(self._recent.items())),
            not_closed=dict(sorted(self._not_closed.items())),
            edited=self._edited,
            feeds=feeds,
        )

    def next_version(self, number: int, by: str, now: datetime) -> VersionRecord | None:
        """None where nothing has changed."""
        record = msgspec.structs.replace(
            self._before,
            format=GROUP_FORMAT if self._edited_feeds else FORMAT,
            base=self._base.written(),
            starts=self._starts,
            feeds=copied(self._feeds),
            through=self._through,
            edits=self._edits,
            edited=self._edited,
            edited_feeds=self._edited_feeds,
            watched=self._watched,
            recent=tuple(run for _, run in sorted(self._recent.items())),
        )
        return None if record == self._before else msgspec.structs.replace(record, number=number, by=by, folded_at=now)

    def _is_settled(self, name: str) -> bool:
        known = self._recent.get(name)
        return known is not None and known.verdict in FINAL_VERDICTS

    def _edit(self, edit: EditRecord) -> None:
        self._edits = edit.number
        if edit.group:
            self._feeds.setdefault(edit.stream, {})[edit.group] = FeedPlace(token=edit.feed)
            self._edited_feeds.setdefault(edit.stream, {})[edit.group] = edit.after
            return
        self._base.drop({edit.stream})
        self._starts.pop(edit.stream, None)
        self._feeds.pop(edit.stream, None)
        self._edited_feeds.pop(edit.stream, None)
        if edit.feed:
            self._feeds[edit.stream] = {ALL_GROUPS: FeedPlace(token=edit.feed)}
        for ends in edit.spans:
            self._base.add(edit.stream, ALL_GROUPS, span_between(*ends))
        _lower(self._starts, self._base)
        self._edited[edit.stream] = edit.after

    async def _watch(self, lake: Lake, source: str, name: str) -> None:
        """What a run had finished that was lifted since is to be read again: it may never be closed anew."""
        run = await load_run(lake, source, name)
        closing = None if run is None else await closing_in_force(lake, run.paths)
        if run is None or (closing is not None and closing.number == self._watched[name]):
            return
        spans, feeds = await _spans_of(lake, run, None), await _feeds_of(lake, run, None)
        for stream, groups in feeds.lifted.items():
            for group in self._feeds.get(stream, {}).keys() & groups:
                if self._counts(name, stream, group):
                    self._feeds[stream][group] = FeedPlace(token="", lifted_by=f"{name} was reopened")
        self._drop_edited(name, spans.unfinished)
        self._base.take(spans.unfinished)
        del self._watched[name]

    async def _see(self, lake: Lake, source: str, name: str) -> None:
        run = await load_run(lake, source, name)
        if run is None:
            return  # Its creator stopped between making the folder and the file in it, or somebody removed it.
        newest = await newest_closing(lake, run.paths)
        verdict = newest.verdict if newest is not None and newest.is_in_force else None
        known = self._recent.pop(name, None)
        if verdict is None:
            self._not_closed[name] = run.file.streams
            if newest is None or not (newest.is_reopened or newest.number > 1):
                return  # It never counted.
        elif known is not None and known.closing == verdict.number:
            self._recent[name] = known
            return
        spans = await _spans_of(lake, run, verdict)
        feeds = await _feeds_of(lake, run, verdict)
        self._recent[name] = FoldedRun(
            run_id=name,
            verdict="partial" if verdict is None else verdict.verdict,
            closing=0 if verdict is None else verdict.number,
            finished=spans.finished.written(),
            unfinished=spans.unfinished.written(),
            feeds=feeds.moves,
            lifted_feeds=feeds.lifted,
            lifted_by=_standing(run, verdict) if feeds.lifted else "",
        )

    def _settle(self, seen: str) -> None:
        """Fold what is older than the newest runs that are kept for good, up to ``seen`` and before any that is not
        closed."""
        end = min(self._not_closed, default=None)
        spans = sum(run.size for run in self._recent.values())
        while len(self._recent) > (KEPT_RUNS if spans <= KEPT_SPANS else min(KEPT_RUNS, MIN_KEPT_RUNS)):
            oldest = min(self._recent)
            if oldest > seen or (end is not None and oldest >= end):
                return
            run = self._recent.pop(oldest)
            spans -= run.size
            self._apply(run, self._base, self._starts, self._feeds)
            self._through = oldest
            if run.verdict not in FINAL_VERDICTS:
                self._watched[oldest] = run.closing

    def _apply(self, run: FoldedRun, table: SpanTable, starts: dict[str, datetime], feeds: FeedPlaces) -> None:
        """The newest run that has read a span says whether it is finished."""
        move(feeds, run.run_id, [each for each in run.feeds if self._counts(run.run_id, each.stream, each.group)])
        for stream, groups in run.lifted_feeds.items():
            places = feeds.setdefault(stream, {})
            for group in groups:
                place = places.get(group, places.get(ALL_GROUPS))
                if self._counts(run.run_id, stream, group) and (place is None or not place.token):
                    places[group] = FeedPlace(token="", lifted_by=run.lifted_by)
        finished, unfinished = SpanTable.read(run.finished), SpanTable.read(run.unfinished)
        for spans in (finished, unfinished):
            self._drop_edited(run.run_id, spans)
            _lower(starts, spans)
            table.spread(spans)
        table.take(unfinished)
        table.put(finished)

    def _counts(self, run_id: str, stream: str, group: str) -> bool:
        """Whether a feed was not edited after the run."""
        edited = (self._edited.get(stream, ""), self._edited_feeds.get(stream, {}).get(group, ""))
        return run_id > max(edited)

    def _drop_edited(self, run_id: str, spans: SpanTable) -> None:
        """A run does not count for streams that were edited after it."""
        spans.drop([stream for stream, after in self._edited.items() if run_id <= after])


def _lower(starts: dict[str, datetime], spans: SpanTable) -> None:
    for stream, first in spans.first_times().items():
        starts[stream] = min(first, starts.get(stream, first))


async def _spans_of(lake: Lake, run: Run, verdict: VerdictRecord | None) -> RunSpans:
    """Raises `LakeUnavailableError` that says what to do where the account of the run is damaged."""
    async with _naming_run(lake, run):
        return await read_run_spans(lake, run.paths, verdict)


async def _feeds_of(lake: Lake, run: Run, verdict: VerdictRecord | None) -> ReadFeeds:
    """Likewise."""
    async with _naming_run(lake, run):
        seal = await read_seal(lake, run.paths)
        return ReadFeeds() if seal is None else await read_run_feeds(lake, run.paths, seal, verdict)


def _standing(run: Run, verdict: VerdictRecord | None) -> str:
    if verdict is None:
        return f"{run.run_id} was reopened"
    reasons = f": {', '.join(verdict.reasons)}" if verdict.reasons else ""
    return f"{run.run_id} is {verdict.verdict}{reasons}"


@contextlib.asynccontextmanager
async def _naming_run(lake: Lake, run: Run) -> AsyncIterator[None]:
    try:
        yield
    except LakeUnavailableError as error:
        await lake.exists(run.paths.run)  # A lake that is away says so itself.
        raise LakeUnavailableError(
            f"What run {run.run_id} has finished cannot be read: {error} If the file cannot be restored, move the "
            f"folder {run.paths.root} away, and say from when on to read again: haulier state set SOURCE STREAM "
            "--until TIME --why TEXT"
        ) from error
