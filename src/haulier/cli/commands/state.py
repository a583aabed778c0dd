"""``haulier state``."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Mapping
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
from haulier.items.span_group import ALL_GROUPS, written_group
from haulier.items.spans import LOWEST_ID, LOWEST_TIME
from haulier.items.windows import TimeWindow
from haulier.items.workitem import WorkItem
from haulier.runs.newest_runs import open_run
from haulier.runs.watermark.edits import write_edit
from haulier.runs.watermark.span_table import Ends

_stream_argument = click.argument("stream")
_value_option = click.option(
    "--value", metavar="TEXT", help="Of several feeds: the value whose feed is meant, as `state show` has it."
)
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
    _value_option,
    _why_option,
    group=command,
    short_help="Say what is finished of a stream.",
)
async def set_command(
    call: SourceCall,
    stream: str,
    until: str | None,
    since: str | None,
    token: str | None,
    value: str | None,
    why: str,
) -> int:
    """Say that STREAM is finished up to --until, or that its feed goes on at --token: of several feeds, that of
    --value. It replaces what was known of STREAM, or of that one feed: runs so far no longer count for it, and the next
    incremental run goes on from there. Times have a zone: 2026-11-29T02:00:00Z.
    """
    kinds = _kinds_of(call.app, stream)
    if FeedStart in kinds or token is not None:
        return await _set_feed(call, stream, kinds, token, value, why, is_alone=until is None and since is None)
    if value is not None:
        raise UsageError(_no_value(stream))
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
    "reset",
    _stream_argument,
    _value_option,
    _why_option,
    group=command,
    short_help="Forget what is finished of a stream.",
)
async def reset_command(call: SourceCall, stream: str, value: str | None, why: str) -> int:
    """Forget what is finished of STREAM, or of its feed of --value: the next incremental run reads it from its start
    on. What is in the lake stays there.
    """
    kinds = _kinds_of(call.app, stream)
    if value is not None and FeedStart not in kinds:
        raise UsageError(_no_value(stream))
    async with _open(call) as source:
        group = "" if value is None else await _group_of(call, source, stream, value)
        return await _edit(call, source, stream, (), why, group=group)


@contextlib.asynccontextmanager
async def _open(call: SourceCall) -> AsyncIterator[OpenSource]:
    """For a write to the lake alone: no right on the queue is needed."""
    async with open_source(call.app, call.options, writes=False) as source:
        await source.lake.check()
        yield source


async def _set_feed(
    call: SourceCall,
    stream: str,
    kinds: set[type],
    token: str | None,
    value: str | None,
    why: str,
    *,
    is_alone: bool,
) -> int:
    if FeedStart not in kinds:
        raise UsageError(
            f"--token is of feeds, and the items of {stream!r} have none. Write --until TIME or --until ID."
        )
    if not token or not is_alone:
        raise UsageError(f"The items of {stream!r} read a feed. Write where it goes on: --token TEXT, and no --until.")
    async with _open(call) as source:
        group = await _group_of(call, source, stream, value)
        return await _edit(call, source, stream, (), why, feed=token, group=group)


async def _group_of(call: SourceCall, source: OpenSource, stream: str, value: str | None) -> str:
    """The group whose feed is meant; "" where the stream has one feed. `UsageError` where that is not told."""
    others = {name: hint for item in _items_of(call.app, stream) for name, hint in _parameters_of(item).items()}
    (state,) = await read_states(source, [stream])
    listed = None if call.app.recipes is None else call.app.recipes.feed_groups(stream)
    known = sorted({*(state.feeds or ()), *(listed or ())} - {"", ALL_GROUPS})
    shown_groups = f" The feeds that are known: {', '.join(known)}." if known else ""
    if not others and value is None:
        return ""
    if not others:
        raise UsageError(f"The stream {stream!r} has one feed. Leave out --value.")
    if value is None:
        raise UsageError(
            f"The stream {stream!r} has several feeds, each with a token of its own. Name the one that is meant: "
            f"--value TEXT.{shown_groups}"
        )
    group = _written_group(value, others)
    if group is None or (known and group not in known):
        raise UsageError(f"The stream {stream!r} has no feed of the value {value!r}.{shown_groups}")
    return group


def _written_group(value: str, others: Mapping[str, object]) -> str | None:
    """A group as `state show` has it, or the value of the only parameter."""
    with contextlib.suppress(msgspec.DecodeError):
        found = msgspec.json.decode(value)
        if isinstance(found, dict) and found.keys() == others.keys():
            return written_group(found)
        if len(others) == 1 and str not in others.values():
            return written_group(dict.fromkeys(others, found))
    return written_group(dict.fromkeys(others, value)) if len(others) == 1 else None


def _no_value(stream: str) -> str:
    return f"--value is of feeds, and the items of {stream!r} have none. Leave it out."


async def _edit(
    call: SourceCall,
    source: OpenSource,
    stream: str,
    spans: tuple[Ends, ...],
    why: str,
    feed: str = "",
    group: str = "",
) -> int:
    if not why.strip():
        raise UsageError("--why is empty. Say why, for whoever asks later: --why 'the API was moved on Monday'.")
    edit = await write_edit(
        source.lake,
        source.clock,
        call.app.name,
        stream,
        spans,
        who=person_name(),
        why=why.strip(),
        feed=feed,
        group=group,
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
    found = {
        hint
        for item in _items_of(app, stream)
        for hint in get_type_hints(item).values()
        if hint in (IdRange, TimeWindow, FeedStart)
    }
    if not found:
        raise UsageError(
            f"No item of stream {stream!r} has a window of time or a range of IDs, so nothing of it is ever noted as "
            "finished. Use a field of the type TimeWindow or IdRange."
        )
    return found


def _items_of(app: App, stream: str) -> list[type[WorkItem]]:
    items = [item for item in app.registry if item.stream == stream]
    # A full run may be divided otherwise.
    return [item for item in items if item.kind.startswith(f"{stream}_new_")] or items


def _parameters_of(item: type[WorkItem]) -> dict[str, object]:
    """The types of the fields that tell feeds apart; none where the item reads no feed."""
    hints = get_type_hints(item)
    names = [each.name for each in dataclasses.fields(item) if hints[each.name] is not FeedStart]  # type: ignore[arg-type]
    return {name: hints[name] for name in names} if FeedStart in hints.values() else {}


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
