"""``haulier poison``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import click
import msgspec

from haulier.app.known_secrets import redactor_of
from haulier.app.open_source import OpenSource, open_source
from haulier.cli.options import run_option
from haulier.cli.output import emit, say
from haulier.cli.person import person_name
from haulier.cli.pick_run import pick_run
from haulier.cli.poison_documents import (
    MAX_SHOWN_ITEMS,
    go_on_words,
    poison_document,
    read_preview,
    story_document,
)
from haulier.cli.poison_view import item_facts, item_line, name_of, show_groups, show_story
from haulier.cli.source_command import SourceCall, source_command
from haulier.errors import UsageError
from haulier.plurals import are, count_of
from haulier.runs.discard import Discarder
from haulier.runs.poison.previewed import PreviewBatch
from haulier.runs.poison.records import PoisonGroups, PoisonOfRun
from haulier.runs.poison.selection import PoisonSelection
from haulier.runs.poison.story import is_key, read_story
from haulier.runs.records import PoisonRecord
from haulier.runs.redrive import Redriver
from haulier.runs.reopen import Decision
from haulier.runs.run import Run
from haulier.runs.state import run_state

F = TypeVar("F", bound=Callable[..., Any])

_reason_option = click.option(
    "--reason", default="", metavar="REASON", help="Only items of this reason, such as `failed`."
)
_kind_option = click.option("--kind", default="", metavar="KIND", help="Only items of this kind.")


def _selection_options(command: F) -> F:
    for option in (
        click.option("--dry-run", is_flag=True, help="Only show which items are meant, and change nothing."),
        click.option("--all", "is_all", is_flag=True, help="All poisoned items."),
        _kind_option,
        _reason_option,
        click.argument("keys", nargs=-1),
    ):
        command = option(command)
    return command


@click.group("poison")
def command() -> None:
    """Items that failed by themselves, with everything needed to see why."""


@source_command(
    "list", _reason_option, _kind_option, run_option, group=command, short_help="List the poisoned items of a run."
)
async def list_command(call: SourceCall, reason: str, kind: str, run_id: str | None) -> int:
    """List the poisoned items of SOURCE's newest run, grouped by what they died of, the largest group first.

    With --reason or --kind, list the items one by one.
    """
    selection = PoisonSelection.filtered(reason, kind)
    async with open_source(call.app, call.options, writes=False) as source:
        run = await pick_run(source, run_id)
        groups, records = PoisonGroups(), list[PoisonRecord]()
        found = PoisonOfRun(source.lake, run)
        async for read in found.records():
            meant = [record for record in read if selection.has(record.key, record.kind, record.reason)]
            for record in meant:
                groups.add(record)
            room = MAX_SHOWN_ITEMS - len(records)
            records += [msgspec.structs.replace(record, traceback="", excerpt="") for record in meant[:room]]
        if call.as_json:
            state, _ = await run_state(source.lake, run.paths)
            emit(poison_document(state, run, groups.largest_first, found.redriven, map(item_facts, records)))
            return 0
        if selection.is_all and groups.items:
            show_groups(groups.largest_first)
        elif not selection.is_all:
            for record in records:
                click.echo(item_line(record))
        _say_listed(run, groups, selection)
        if found.redriven and selection.is_all:
            say(
                f"{count_of(found.redriven, 'item')} that {'was' if found.redriven == 1 else 'were'} redriven "
                f"{'has' if found.redriven == 1 else 'have'} not ended since. If that redrive was killed, finish it: "
                f"haulier poison redrive SOURCE --all --run {run.run_id}"
            )
        return 0


def _say_listed(run: Run, groups: PoisonGroups, selection: PoisonSelection) -> None:
    count = groups.items
    are_poisoned = f"{are(count)} poisoned{selection.in_words}"
    shown = f" The first {MAX_SHOWN_ITEMS:,} are shown." if count > MAX_SHOWN_ITEMS and not selection.is_all else ""
    say(f"{count_of(count, 'item')} of run {run.run_id} {are_poisoned}.{shown}")
    if count and selection.is_all:
        largest = groups.largest_first[0]
        say(f"One by one: haulier poison list SOURCE --run {run.run_id} --reason {largest.reason}")
        say(f"One of them whole: haulier poison show SOURCE {largest.key} --run {run.run_id}")


@source_command("show", click.argument("key"), run_option, group=command, short_help="Show one poisoned item whole.")
async def show_command(call: SourceCall, key: str, run_id: str | None) -> int:
    """Show all that is known of the item KEY: its newest poison, with parameters, error, last request, excerpt of the
    answer and traceback; and every attempt, redrive and discard before and after it."""
    async with open_source(call.app, call.options, writes=False) as source:
        run = await pick_run(source, run_id)
        story = await read_story(source.lake, run.paths, key) if is_key(key) else None
        if story is None:
            raise UsageError(
                f"Run {run.run_id} has no poisoned item {key!r}. `haulier poison list SOURCE --run {run.run_id}` shows "
                "the keys."
            )
        redact = redactor_of(call.app).redact
        if call.as_json:
            state, _ = await run_state(source.lake, run.paths)
            emit(story_document(state, story, redact))
            return 0
        show_story(story, source.lake.locate, redact)
        return 0


@source_command(
    "redrive",
    _selection_options,
    click.option("--why", default="", metavar="TEXT", help="Why; it is kept with the redrive."),
    run_option,
    group=command,
    short_help="Retry poisoned items.",
)
async def redrive_command(
    call: SourceCall,
    keys: tuple[str, ...],
    reason: str,
    kind: str,
    is_all: bool,
    dry_run: bool,
    why: str,
    run_id: str | None,
) -> int:
    """Enqueue poisoned items of SOURCE's newest run again, with their failures forgotten: KEYS, those of --reason or
    --kind, or --all.

    `haulier run SOURCE`, with the mode of the run, then works them and closes the run again. Can be repeated safely.
    """
    selection = _selection(call.source, "redrive", keys, reason, kind, is_all)
    async with open_source(call.app, call.options, writes=not dry_run, tells=not dry_run) as source:
        run = await pick_run(source, run_id)
        redriver = Redriver(source.closer)
        if dry_run:
            return await _preview(call, source, run, redriver.preview(run, selection), "redriven")
        sent = await redriver.redrive(run, selection, Decision(person_name(), why.strip()))
        if call.as_json:
            state, _ = await run_state(source.lake, run.paths)
            emit({"state": state.value, "run_id": run.run_id, "redriven": sent})
        if sent:
            say(f"{count_of(sent, 'item')} of run {run.run_id} {are(sent)} on the queue again.")
            say(await go_on_words(call.source, call.options, source, run))
        else:
            say(f"No item of run {run.run_id} is poisoned{selection.in_words}.")
        return 0


@source_command(
    "discard",
    _selection_options,
    click.option("--why", default="", metavar="TEXT", help="Why; it is demanded, and kept in the manifest."),
    run_option,
    group=command,
    short_help="Write off poisoned items, with a reason.",
)
async def discard_command(
    call: SourceCall,
    keys: tuple[str, ...],
    reason: str,
    kind: str,
    is_all: bool,
    dry_run: bool,
    why: str,
    run_id: str | None,
) -> int:
    """Write off poisoned items of SOURCE's newest run, so that it can be `complete`: KEYS, those of --reason or --kind,
    or --all."""
    selection = _selection(call.source, "discard", keys, reason, kind, is_all)
    async with open_source(call.app, call.options, writes=not dry_run) as source:
        run = await pick_run(source, run_id)
        discarder = Discarder(source.closer)
        if dry_run:
            return await _preview(call, source, run, discarder.preview(run, selection), "discarded")
        discarded = await discarder.discard(run, Decision(person_name(), why), selection)
        await source.closer.close(run)
        state, _ = await run_state(source.lake, run.paths)
        if call.as_json:
            emit({"state": state.value, "run_id": run.run_id, "discarded": discarded})
        gone = f"{count_of(discarded, 'item')} of run {run.run_id} {are(discarded)} discarded"
        say(f"{gone}; the run is {state.value}.")
        return 0


def _selection(typed: str, verb: str, keys: tuple[str, ...], reason: str, kind: str, is_all: bool) -> PoisonSelection:
    ways = sum((bool(keys), bool(reason or kind), is_all))
    if ways != 1:
        found = "Nothing says which items are meant" if not ways else "Items are named in several ways"
        raise UsageError(
            f"{found}. Write one of: keys (`haulier poison {verb} {typed} KEY KEY`), --reason REASON or --kind KIND "
            "or both, or --all. `--dry-run` shows beforehand what is meant."
        )
    return PoisonSelection.of_keys(keys) if keys else PoisonSelection.filtered(reason, kind)


async def _preview(
    call: SourceCall, source: OpenSource, run: Run, batches: AsyncIterator[PreviewBatch], done: str
) -> int:
    """Show what is meant, in groups."""
    preview = await read_preview(source.lake, run, batches)
    if call.as_json:
        state, _ = await run_state(source.lake, run.paths)
        emit(preview.document(state, run, done))
        return 0
    for group, names in preview.groups:
        click.echo(f"{name_of(group)}: {count_of(group.items, 'item')}")
        for name in names:
            click.echo(f"  {name}")
        if len(names) < group.items:
            click.echo(f"  ... and {group.items - len(names):,} more")
    say(f"{preview.words(run, done)} Nothing was changed.")
    return 0
