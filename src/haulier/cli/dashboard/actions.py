"""What is clicked: redrives and discards, as the commands do them."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from starlette.exceptions import HTTPException

from haulier.app.open_source import OpenSource, open_source
from haulier.cli.hints import fill_source
from haulier.cli.person import person_name
from haulier.cli.pick_run import pick_run
from haulier.cli.poison_documents import go_on_words, read_preview
from haulier.cli.source_command import SourceCall
from haulier.plurals import are, count_of
from haulier.runs.discard import Discarder
from haulier.runs.poison.selection import PoisonSelection
from haulier.runs.redrive import Redriver
from haulier.runs.reopen import Decision
from haulier.runs.run import Run
from haulier.runs.state import run_state

MOST_KEYS = 10_000
_WAYS = (
    'Write one of: "keys": [KEY, ...], "reason": REASON or "kind": KIND or both, "group": {"reason", "status", '
    '"error_class"}, or "all": true.'
)


class PoisonedAlike(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of `haulier poison list`."""

    reason: str
    status: int | None
    error_class: str


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of such a request."""

    keys: tuple[str, ...] = ()
    reason: str = ""
    kind: str = ""
    group: PoisonedAlike | None = None
    all: bool = False
    dry_run: bool = False
    why: str = ""

    @property
    def selection(self) -> PoisonSelection:
        """Raises `HTTPException` unless items are named in one way, and `UsageError` for an unknown reason."""
        ways = sum((bool(self.keys), bool(self.reason or self.kind), self.group is not None, self.all))
        if ways != 1:
            found = "Nothing says which items are meant." if not ways else "Items are named in several ways."
            raise HTTPException(400, f"{found} {_WAYS}")
        if len(self.keys) > MOST_KEYS:
            raise HTTPException(400, f"{len(self.keys):,} keys are named; the limit is {MOST_KEYS:,}.")
        if self.group is not None:
            return PoisonSelection(group=(self.group.reason, self.group.status, self.group.error_class))
        return PoisonSelection.of_keys(self.keys) if self.keys else PoisonSelection.filtered(self.reason, self.kind)


_decoder = msgspec.json.Decoder(Order)


def order_of(body: bytes) -> Order:
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError as error:
        raise HTTPException(400, f"The body of the request is not understood: {error}. {_WAYS}") from error


class Actions:
    """Each opens queue and lake anew, as a command does that writes: so both are checked first."""

    def __init__(self, call: SourceCall) -> None:
        self._call = call
        self._lock = asyncio.Lock()
        """Two clicks come one after the other, and the second finds what the first has left."""

    async def redrive(self, run_id: str, order: Order) -> dict[str, Any]:
        async with self._lock, open_source(self._call.app, self._call.options, writes=not order.dry_run) as source:
            run = await pick_run(source, run_id)
            redriver, selection = Redriver(source.closer), order.selection
            if order.dry_run:
                preview = await read_preview(source.lake, run, redriver.preview(run, selection))
                return preview.document((await run_state(source.lake, run.paths))[0], run, "redriven")
            sent = await redriver.redrive(run, selection, Decision(person_name(), order.why.strip()))
            said = f"No item of run {run.run_id} is poisoned{selection.in_words}."
            if sent:
                go_on = await go_on_words(self._call.source, self._call.options, source, run)
                said = f"{count_of(sent, 'item')} of run {run.run_id} {are(sent)} on the queue again. {go_on}"
            return await _done(source, run, "redriven", sent, said)

    async def discard(self, run_id: str, order: Order) -> dict[str, Any]:
        async with self._lock, open_source(self._call.app, self._call.options, writes=not order.dry_run) as source:
            run = await pick_run(source, run_id)
            discarder, selection = Discarder(source.closer), order.selection
            if order.dry_run:
                preview = await read_preview(source.lake, run, discarder.preview(run, selection))
                return preview.document((await run_state(source.lake, run.paths))[0], run, "discarded")
            discarded = await discarder.discard(run, Decision(person_name(), order.why), selection)
            await source.closer.close(run)
            said = f"{count_of(discarded, 'item')} of run {run.run_id} {are(discarded)} discarded."
            return await _done(source, run, "discarded", discarded, said)


async def _done(source: OpenSource, run: Run, done: str, items: int, said: str) -> dict[str, Any]:
    state, _ = await run_state(source.lake, run.paths)
    return {"state": state.value, "run_id": run.run_id, done: items, "said": fill_source(said)}
