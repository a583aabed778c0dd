"""What people say is finished (W4)."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from haulier.clock import Clock
from haulier.lake.paths import edits_root, runs_root
from haulier.lake.seam import Lake
from haulier.runs.concurrency import run_each
from haulier.runs.records import FORMAT, Record, decode_record, encode_record
from haulier.runs.watermark.span_table import Ends

PREFIX = "incremental-"
"""The names of the runs that count begin so, and sort by their snapshot times."""


GROUP_FORMAT = 2
"""Of what is about the feed of one group: an older haulier would take it for that of all, and refuses it."""


class EditRecord(Record, frozen=True, kw_only=True):
    """``state/edits/<n>.json``: replaces what was known of a stream."""

    NEWEST_FORMAT: ClassVar[int] = GROUP_FORMAT

    number: int
    stream: str
    spans: tuple[Ends, ...] = ()
    """Finished, in all groups of items. None after a reset."""
    feed: str = ""
    """Where feeds of the stream go on; empty: at their beginning."""
    group: str = ""
    """The group of items whose feed is meant, and no other; empty: all."""
    after: str = ""
    """The newest incremental run at that moment: neither it nor an older one counts for the stream any more."""
    who: str
    why: str
    edited_at: datetime


async def write_edit(
    lake: Lake,
    clock: Clock,
    source: str,
    stream: str,
    spans: tuple[Ends, ...],
    *,
    who: str,
    why: str,
    feed: str = "",
    group: str = "",
) -> EditRecord:
    """Of two edits at once both stand, and the one with the higher number counts."""
    number = max(await numbers(lake, edits_root(source)), default=0)
    while True:
        number += 1
        edit = EditRecord(
            format=GROUP_FORMAT if group else FORMAT,
            number=number,
            stream=stream,
            spans=spans,
            feed=feed,
            group=group,
            after=max(await incremental_runs(lake, source), default=""),
            who=who,
            why=why,
            edited_at=clock.now(),
        )
        if await lake.create(f"{edits_root(source)}/{number}.json", encode_record(edit)):
            return edit


async def read_edits(lake: Lake, source: str, after: int = 0) -> list[EditRecord]:
    """Those with a higher number than ``after``, in their order."""

    async def read(number: int) -> EditRecord | None:
        path = f"{edits_root(source)}/{number}.json"
        body = await lake.read(path)
        return None if body is None else decode_record(EditRecord, body, path)

    fresh = [number for number in await numbers(lake, edits_root(source)) if number > after]
    edits = await run_each(read, fresh, lake.capabilities.in_flight)
    return sorted((edit for edit in edits if edit is not None), key=lambda edit: edit.number)


async def numbers(lake: Lake, folder: str) -> list[int]:
    """The numbers of the files ``<n>.json`` of a folder; other names are ignored."""
    names = [name.removesuffix(".json") for name in await lake.names(folder)]
    return [int(name) for name in names if name.isdecimal()]


async def incremental_runs(lake: Lake, source: str) -> list[str]:
    return [name for name in await lake.names(runs_root(source)) if name.startswith(PREFIX)]
