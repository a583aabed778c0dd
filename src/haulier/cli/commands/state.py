"""``haulier state``."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import get_type_hints

import click
import msgspec

from haulier.app.app import App
from haulier.app.open_source import OpenSource, open_source
from haulier.cli.output import emit, say
from haulier.cli.person import person_name
from haulier.cli.source_command import SourceCall, source_command
from haulier.cli.span_words import read_edge, shown
from haulier.cli.stream_state import read_states, without_token
from haulier.errors import UsageError
from haulier.items.feed_start import FeedStart
from haulier.items.ranges import IdRange
from haulier.items.spans import LOWEST_ID, LOWEST_TIME
from haulier.items.windows import TimeWindow
from haulier.runs.newest_runs import open_run
from haulier.runs.watermark.edits import write_edit
from haulier.runs.watermark.span_table import Ends

_stream_argument = click.argument("stream")
_why_option = click.option(
    "--why", required=True, metavar="TEXT", help="Why, for whoever asks later; it is kept with your name and the time."
)


@click.group("state")
def command() -> None:
    """What incremental runs have finished of each stream, and what a person says of it."""


@source_command(
    "show",
    click.argument("stream", required=False),
    group=command,
    short_help="Show what is finished, and where the next run goes on.",
)
async def show_command(call: SourceCall, stream: str | None) -> int:
    """Show what incremental runs of SOURCE have finished, of STREAM or of each: spans, holes, edits, and the runs that
    count.
    """
    call.app.require_mode("incremental")
    streams = call.app.selected([stream] if stream is not None else [], "incremental")
    async with open_source(call.app, call.options, writes=False) as source:
        states = await read_states(source, streams)
        if call.as_json:
            shown_states = {each.stream: msgspec.to_builtins(each.document()) for each in states}
            emit({"state": "shown", "source": call.app.name, "streams": shown_states})
            return 0
        for each in states:
            for line in each.lines():
                click.echo(line)
    return 0


@source_command(
    "set",
    _stream_argument,
    click.option("--until", metavar="TIME|ID", help="The first moment or ID that is not finished."),
    click.option(
        "--from", "since", metavar="TIME|ID", help="The first that is finished; by default all before --until is."
    ),
    click.option("--token", metavar="TEXT", help="Of a feed: the token or link at which it goes on."),
    _why_option,
    group=command,
    short_help="Say what is finished of a stream.",
)
async def set_command(
    call: SourceCall, stream: str, until: str | None, since: str | None, token: str | None, why: str
) -> int:
    """Say that STREAM is finished up to --until, or that its feed goes on at --token. It replaces what was known of
    STREAM: runs so far no longer count for it, and the next incremental run goes on from there. Times have a zone:
    2026-11-29T02:00:00Z.
    """
    kinds = _kinds_of(call.app, stream)
    if FeedStart in kinds or token is not None:
        return await _set_feed(call, stream, kinds, token, why, is_alone=until is None and since is None)
    if until is None:
        raise UsageError("Say up to when or up to which ID all is there: --until TIME, or --until ID.")
    async with _open(call) as source:
        end = _edge("--until", until, stream, kinds, source.clock.now())
        start = LOWEST_ID if isinstance(end, int) else LOWEST_TIME
        if since is not None:
            start = _edge("--from", since, stream, kinds, source.clock.now())
        try:
            _ = IdRange(start, end) if isinstance(end, int) else TimeWindow(start, end)  # type: ignore[arg-type]
        except ValueError:
            raise UsageError(
                f"--from, {shown(start)}, is not before --until, {shown(end)}. Write two times or two IDs, the lower "
                "one for --from."
            ) from None
        return await _edit(call, source, stream, ((start, end),), why)


@source_command(
    "reset", _stream_argument, _why_option, group=command, short_help="Forget what is finished of a stream."
)
async def reset_command(call: SourceCall, stream: str, why: str) -> int:
    """Forget what is finished of STREAM: the next incremental run reads it from its start on. What is in the lake
    stays there.
    """
    _kinds_of(call.app, stream)
    async with _open(call) as source:
        return await _edit(call, source, stream, (), why)


@contextlib.asynccontextmanager
async def _open(call: SourceCall) -> AsyncIterator[OpenSource]:
    """For a write to the lake alone: no right on the queue is needed."""
    async with open_source(call.app, call.options, writes=False) as source:
        await source.lake.check()
        yield source


async def _set_feed(
    call: SourceCall, stream: str, kinds: set[type], token: str | None, why: str, *, is_alone: bool
) -> int:
    if FeedStart not in kinds:
        raise UsageError(
            f"--token is of feeds, and the items of {stream!r} have none. Write --until TIME or --until ID."
        )
    if not token or not is_alone:
        raise UsageError(f"The items of {stream!r} read a feed. Write where it goes on: --token TEXT, and no --until.")
    async with _open(call) as source:
        return await _edit(call, source, stream, (), why, feed=token)


async def _edit(
    call: SourceCall, source: OpenSource, stream: str, spans: tuple[Ends, ...], why: str, feed: str = ""
) -> int:
    if not why.strip():
        raise UsageError("--why is empty. Say why, for whoever asks later: --why 'the API was moved on Monday'.")
    edit = await write_edit(
        source.lake, source.clock, call.app.name, stream, spans, who=person_name(), why=why.strip(), feed=feed
    )
    if call.as_json:
        shown_edit = msgspec.to_builtins(without_token(edit))
        emit({"state": "edited", "source": call.app.name, "stream": stream, "edit": shown_edit})
    for state in await read_states(source, [stream]):
        for line in state.lines():
            say(line)
    under_way = await open_run(source.lake, call.app.name, "incremental")
    if under_way is not None and under_way.run_id <= edit.after and stream in under_way.file.streams:
        say(
            f"Run {under_way.run_id} is open: it keeps its plan, and does not count for {stream}. The run after it "
            "goes by what you said."
        )
    return 0


def _kinds_of(app: App, stream: str) -> set[type]:
    """Which of `IdRange`, `TimeWindow` and `FeedStart` items of the stream have; `UsageError` if they have none."""
    app.require_mode("incremental")
    (stream,) = app.selected([stream], "incremental")
    items = [item for item in app.registry if item.stream == stream]
    # A full run may be divided otherwise.
    items = [item for item in items if item.kind.startswith(f"{stream}_new_")] or items
    found = {
        hint for item in items for hint in get_type_hints(item).values() if hint in (IdRange, TimeWindow, FeedStart)
    }
    if not found:
        raise UsageError(
            f"No item of stream {stream!r} has a window of time or a range of IDs, so nothing of it is ever noted as "
            "finished. Use a field of the type TimeWindow or IdRange."
        )
    return found


def _edge(option: str, text: str, stream: str, kinds: set[type], now: datetime) -> int | datetime:
    edge = read_edge(option, text)
    if isinstance(edge, int) and IdRange not in kinds:
        raise UsageError(
            f"{option} {text!r} is an ID, and the items of {stream!r} are windows of time. Write a time such as "
            "2026-11-29T02:00:00Z."
        )
    if isinstance(edge, datetime):
        if TimeWindow not in kinds:
            raise UsageError(
                f"{option} {text!r} is a time, and the items of {stream!r} are ranges of IDs. Write an ID."
            )
        if edge > now:
            raise UsageError(
                f"{option}, {shown(edge)}, is in the future: what comes until then would never be read. It is "
                f"{shown(now.replace(microsecond=0))} now. Write a time up to then."
            )
    return edge
