"""``haulier poison``."""

from __future__ import annotations

import re

import click
import msgspec

from haulier.app.open_source import OpenSource, open_source
from haulier.cli.command_lines import typed_command
from haulier.cli.options import run_option
from haulier.cli.output import emit, say
from haulier.cli.pick_run import pick_run
from haulier.cli.source_command import SourceCall, source_command
from haulier.errors import UsageError
from haulier.plurals import are, count_of
from haulier.runs.discard import Discarder
from haulier.runs.poison import newest_poison, poisoned, read_poison
from haulier.runs.records import PoisonRecord
from haulier.runs.redrive import Redriver
from haulier.runs.run import Run
from haulier.runs.state import run_state

MAX_SHOWN_ITEMS = 1_000
"""Lines of ``list``; all items are counted."""
_KEY = re.compile(r"[a-z][a-z0-9_-]*")
_keys_argument = click.argument("keys", nargs=-1)


@click.group("poison")
def command() -> None:
    """Items that failed by themselves, with everything needed to see why."""


@source_command("list", run_option, group=command, short_help="List the poisoned items of a run.")
async def list_command(call: SourceCall, run_id: str | None) -> int:
    """List the poisoned items of SOURCE's newest run: key, reason, status and error, a line each."""
    async with open_source(call.app, call.options, writes=False) as source:
        run = await pick_run(source, run_id)
        count, records = await poisoned(source.lake, run, MAX_SHOWN_ITEMS)
        if call.as_json:
            state, _ = await run_state(source.lake, run.paths)
            items = [_summary(record) for record in records]
            emit({"state": state.value, "run_id": run.run_id, "poisoned": count, "items": items})
            return 0
        for record in records:
            status = "" if record.status is None else f" {record.status}"
            click.echo(f"{record.key}  {record.reason}{status}  {record.error.splitlines()[0] if record.error else ''}")
        shown = f" The first {MAX_SHOWN_ITEMS:,} are shown." if count > MAX_SHOWN_ITEMS else ""
        say(f"{count_of(count, 'item')} of run {run.run_id} {are(count)} poisoned.{shown}")
        return 0


@source_command("show", click.argument("key"), run_option, group=command, short_help="Show one poisoned item whole.")
async def show_command(call: SourceCall, key: str, run_id: str | None) -> int:
    """Show the newest poison record of the item KEY: error, traceback, status, excerpt of the answer, parameters."""
    async with open_source(call.app, call.options, writes=False) as source:
        run = await pick_run(source, run_id)
        record = await _newest(source, run, key)
        if call.as_json:
            state, _ = await run_state(source.lake, run.paths)
            emit({"state": state.value, **msgspec.json.decode(msgspec.json.encode(record))})
            return 0
        for name, value in _facts(record, source).items():
            click.echo(f"{name:12} {value}")
        if record.excerpt:
            click.echo(f"\nWhat the API answered:\n{record.excerpt}")
        if record.traceback:
            click.echo(f"\n{record.traceback.rstrip()}")
        return 0


@source_command("redrive", _keys_argument, run_option, group=command, short_help="Retry poisoned items.")
async def redrive_command(call: SourceCall, keys: tuple[str, ...], run_id: str | None) -> int:
    """Enqueue the poisoned items of SOURCE's newest run again (only KEYS, if given), with their failures forgotten.

    `haulier run SOURCE` then works them and closes the run again. Can be repeated safely.
    """
    async with open_source(call.app, call.options) as source:
        run = await pick_run(source, run_id)
        sent = await Redriver(source.closer).redrive(run, set(keys) or None)
        if call.as_json:
            state, _ = await run_state(source.lake, run.paths)
            emit({"state": state.value, "run_id": run.run_id, "redriven": sent})
        if sent:
            go_on = typed_command("run", call.source, call.options, run.file.mode)
            say(f"{count_of(sent, 'item')} of run {run.run_id} {are(sent)} on the queue again. Go on with: {go_on}")
        else:
            say(f"No item of run {run.run_id} is poisoned.")
        return 0


@source_command(
    "discard",
    _keys_argument,
    click.option("--reason", required=True, help="Why they are written off; it is kept in the manifest."),
    run_option,
    group=command,
    short_help="Write off poisoned items, with a reason.",
)
async def discard_command(call: SourceCall, keys: tuple[str, ...], reason: str, run_id: str | None) -> int:
    """Write off the poisoned items of SOURCE's newest run (only KEYS, if given), so that it can be `complete`."""
    async with open_source(call.app, call.options) as source:
        run = await pick_run(source, run_id)
        discarded = await Discarder(source.closer).discard(run, reason, set(keys) or None)
        await source.closer.close(run)
        state, _ = await run_state(source.lake, run.paths)
        if call.as_json:
            emit({"state": state.value, "run_id": run.run_id, "discarded": discarded})
        gone = f"{count_of(discarded, 'item')} of run {run.run_id} {are(discarded)} discarded"
        say(f"{gone}; the run is {state.value}.")
        return 0


async def _newest(source: OpenSource, run: Run, key: str) -> PoisonRecord:
    number = await newest_poison(source.lake, run.paths, key) if _KEY.fullmatch(key) else 0
    record = await read_poison(source.lake, run.paths, key, number) if number else None
    if record is None:
        raise UsageError(f"Run {run.run_id} has no poisoned item {key!r}. `haulier poison list SOURCE` shows the keys.")
    return record


def _summary(record: PoisonRecord) -> dict[str, object]:
    return {
        "key": record.key,
        "number": record.number,
        "reason": record.reason,
        "error_class": record.error_class,
        "error": record.error,
        "status": record.status,
        "poisoned_at": record.poisoned_at,
    }


def _facts(record: PoisonRecord, source: OpenSource) -> dict[str, object]:
    body = {"answer": source.lake.locate(record.body)} if record.body else {}
    return {
        "key": record.key,
        "kind": record.kind,
        "parameters": bytes(record.payload).decode(),
        "reason": record.reason,
        "status": "-" if record.status is None else record.status,
        "failures": record.failures,
        "deliveries": record.deliveries,
        "worker": record.worker,
        "poisoned_at": record.poisoned_at.isoformat(),
        **body,
        "error": f"{record.error_class}: {record.error}",
    }
