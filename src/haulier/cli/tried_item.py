"""One item, worked in the foreground as a worker would work it, and written nowhere: ``haulier try --key``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import click

from haulier.api.errors import Action, ApiError
from haulier.app.app import App
from haulier.app.open_source import LiveSource, OpenSource, Options, open_source
from haulier.cli.api_state import read_api_state
from haulier.cli.exit_codes import exit_code_of
from haulier.cli.orders import hold_line
from haulier.cli.output import emit, say
from haulier.cli.pick_run import pick_run
from haulier.cli.request_printer import SHOWN_RECORDS, RequestPrinter
from haulier.errors import HaulierError, ItemError, RunSpentError, UnavailableError, UsageError, sentence
from haulier.items.codec import decode_payload
from haulier.items.keys import item_key
from haulier.items.workitem import WorkItem
from haulier.lake.ndjson import to_lines
from haulier.lake.seam import Bytes
from haulier.plurals import count_of
from haulier.runs.ledger import Ledger
from haulier.runs.newest_runs import newest_unless_trial
from haulier.runs.poison.story import read_story
from haulier.runs.run import Run
from haulier.runs.send import envelope_of
from haulier.worker.deadline import GateWaitError
from haulier.worker.dispatch import Produced, produce
from haulier.worker.done_item_probe import DoneItemProbe
from haulier.worker.held_items import HeldItems
from haulier.worker.trace import trace_of

WOULD_FAIL = 3
NOT_NOW = 4
_KEY = re.compile(r"[a-z][a-z0-9_-]*")
_REFUSED = frozenset({Action.POISON, Action.SPLIT, Action.AUTH, Action.CONFIG})
_AWAY = frozenset({Action.OUTAGE, Action.PAUSE, Action.RETRY_LATER})
_SHOWN_CHILDREN = 5


@dataclass(frozen=True)
class Fate:
    """What would become of the item, and the exit code that says so."""

    outcome: str
    """``done``, ``empty``, ``divided``, ``failed`` or ``released``: the API or the source is to blame, not the item."""
    code: int
    words: str


class _CountingSink:
    """Counts the records, and shows the first few."""

    def __init__(self, *, is_silent: bool) -> None:
        self.records = 0
        self.first: list[str] = []
        self._is_silent = is_silent

    async def write(self, records: Iterable[Bytes]) -> None:
        for record in records:
            self.records += 1
            if len(self.first) < SHOWN_RECORDS:
                self.first.append(to_lines([record]).decode(errors="replace").rstrip("\n"))
                if not self._is_silent:
                    click.echo(self.first[-1])


async def find_in_run(
    app: App, options: Options, run_id: str | None, key: str
) -> tuple[tuple[Run, WorkItem] | None, int | None]:
    """The item as the run of that name has it, or the newest that is no trial; and how many workers share a gate, None
    where nobody ever did. No item without a run. Raises `UsageError` where the run lacks the item, and as
    `require_not_held`."""
    async with open_source(app, options, writes=False) as source:
        workers = await _workers(source)
        run = await (newest_unless_trial(source.lake, app.name) if run_id is None else pick_run(source, run_id))
        item = None if run is None or not _KEY.fullmatch(key) else await _planned(source, run, key)
        if run is not None and item is not None:
            return (run, item), workers
    if run is not None:
        raise UsageError(
            f"Run {run.run_id} has no item {key!r}. `haulier poison list SOURCE --run {run.run_id}` shows the poisoned "
            "ones; an item of another run is tried with --run."
        )
    if not _KEY.fullmatch(key):
        raise UsageError(f"{key!r} is the key of no item: keys have small letters, digits, - and _ alone.")
    return None, workers


async def require_not_held(app: App, options: Options) -> None:
    """Raises `UnavailableError` where a person paused the source: no request leaves, nor one that is typed."""
    async with open_source(app, options, writes=False) as source:
        await _workers(source)


async def _workers(source: OpenSource) -> int | None:
    if source.rows_file is not None and not source.rows_file.exists():
        return None
    api = await read_api_state(source)
    if api is not None and api.held is not None:
        raise UnavailableError(hold_line(source.app.name, api.held))
    return None if api is None else api.workers


async def _planned(source: OpenSource, run: Run, key: str) -> WorkItem | None:
    """From its poison record, or from the plan and the child lists, which take longer to read."""
    story = await read_story(source.lake, run.paths, key)
    if story is not None and bytes(story.newest.payload) != b"null":
        return decode_payload(source.app.registry.get(story.newest.kind), bytes(story.newest.payload))
    ledger = Ledger(source.lake, run.paths)
    try:
        await ledger.refresh()
        planned = await ledger.planned(key)
    finally:
        ledger.close()
    if planned is None:
        return None
    envelope = await HeldItems(source.lake).in_full(run, envelope_of(planned, run.paths))
    return decode_payload(source.app.registry.get(planned.kind), bytes(envelope.payload))


async def try_item(source: LiveSource, run: Run, item: WorkItem, printer: RequestPrinter, *, as_json: bool) -> int:
    """Work the item whole; say what a worker would make of that. Nothing is written. Returns the exit code."""
    sink = _CountingSink(is_silent=as_json)
    try:
        produced = await _produce(source, run, item, sink)
    except Exception as error:  # noqa: BLE001 - the item boundary, as a worker has it
        fate = await _fate_of_failure(source, run, item, error)
        redact = source.client.redactor.redact
        if not isinstance(error, HaulierError):
            say(redact(trace_of(error)).rstrip())
        said = str(error) if isinstance(error, HaulierError) else f"{type(error).__name__}: {error}"
        say(redact(f"haulier: {sentence(said)}"))
    else:
        fate = _fate_of(produced)
    if sink.records:
        say(f"{count_of(sink.records, 'record')}{', the first of them above' if not as_json else ''}.")
    say(fate.words)
    if as_json:
        emit(
            {
                "state": "tried",
                "item": item_key(item),
                "run_id": run.run_id,
                "outcome": fate.outcome,
                "becomes": fate.words,
                "records": sink.records,
                "first": sink.first,
                "requests": printer.requests,
            }
        )
    return fate.code


async def _produce(source: LiveSource, run: Run, item: WorkItem, sink: _CountingSink) -> Produced:
    restarts = 0
    while True:
        try:
            return await produce(source.worker_deps(), run, item, 1, item_key(item), sink)
        except ApiError as error:
            if error.action is not Action.RESTART or restarts >= error.restarts:
                raise
            restarts += 1
            sink.records = 0
            say(f"{sentence(error)} It begins again at its first page, as in a worker.")


def _fate_of(produced: Produced) -> Fate:
    if produced.children:
        keys = [child.key for child in produced.children]
        more = ", ..." if len(keys) > _SHOWN_CHILDREN else ""
        shown = f"{', '.join(keys[:_SHOWN_CHILDREN])}{more}"
        return Fate("divided", 0, f"A worker would divide it into {count_of(len(keys), 'item')}: {shown}.")
    if not produced.records:
        return Fate("empty", 0, "It has no records: a worker would note it as empty.")
    return Fate("done", 0, "A worker would write these, and the item would be done.")


async def _fate_of_failure(source: LiveSource, run: Run, item: WorkItem, error: Exception) -> Fate:
    """As `haulier.worker.blame` decides it, as far as one process can tell that sees this item alone."""
    if isinstance(error, GateWaitError):
        words = "Its turn at the shared gate did not come: workers, a pause or a limit hold it up. Nothing is charged."
        return Fate("released", NOT_NOW, words)
    if isinstance(error, HaulierError) and not isinstance(error, ItemError):
        return Fate("released", exit_code_of(error), "A worker would hand it back, uncharged, and stop.")
    if not isinstance(error, ApiError):
        return _charged(source, item)
    match error.action:
        case Action.AUTH | Action.CONFIG:
            return Fate("released", 2, "A worker would hand it back, uncharged, and stop: a person has to act.")
        case Action.PAUSE:
            return Fate("released", NOT_NOW, "A worker would hand it back, uncharged, and wait.")
        case _:
            pass
    if error.status is None and error.fault is None:
        return _charged(source, item)
    say("Asking for an item that is done, to see whether the API fails or the item:")
    try:
        others = await DoneItemProbe(source.worker_deps()).action(run)
    except RunSpentError as spent:
        say(f"haulier: {sentence(spent)}")
        return Fate("released", exit_code_of(spent), "A worker would hand it back, uncharged.")
    if others in _REFUSED and error.action in _REFUSED:
        words = "The API refuses now what it answered before, too: a worker would charge nothing, and stop."
        return Fate("released", 2, words)
    if others in _AWAY and error.action in _AWAY:
        return Fate("released", NOT_NOW, "An item that is done fares no better: the API fails, and nothing is charged.")
    if others is None and error.action is Action.OUTAGE and not error.may_be_of_item:
        return Fate("released", NOT_NOW, "No item of this run is done that could be asked for; it looks like the API.")
    match error.action:
        case Action.SPLIT:
            return _refused(source, item, "cap")
        case Action.POISON:
            return _refused(source, item, "poison")
        case _ if not error.shape.may_be_of_data:
            return _failed("charge this to it, and poison it after the fifth time (reason `failed`)")
        case _:
            return _charged(source, item)


def _charged(source: LiveSource, item: WorkItem) -> Fate:
    if parts := source.app.divide(item):
        return _failed(f"charge this to it, and divide it into {count_of(len(parts), 'item')} after the second time")
    return _failed("charge this to it, and poison it after the fifth time (reason `failed`)")


def _refused(source: LiveSource, item: WorkItem, reason: str) -> Fate:
    again = "ask once more after some seconds, and then " if reason == "poison" else ""
    if parts := source.app.divide(item):
        return _failed(f"{again}divide it into {count_of(len(parts), 'item')}")
    return _failed(f"{again}poison it (reason `{reason}`)")


def _failed(what: str) -> Fate:
    return Fate("failed", WOULD_FAIL, f"A worker would {what}.")
