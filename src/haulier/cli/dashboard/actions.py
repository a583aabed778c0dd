"""What is clicked: redrives and discards, as the commands do them, of just what was shown before."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.exceptions import HTTPException

from haulier.app.open_source import OpenSource, open_source
from haulier.cli.api_state import read_api_state
from haulier.cli.dashboard.previews import Previews
from haulier.cli.hints import fill_source
from haulier.cli.person import person_name
from haulier.cli.pick_run import pick_run
from haulier.cli.poison_documents import read_preview
from haulier.cli.source_command import SourceCall
from haulier.plurals import are, count_of
from haulier.runs.discard import Discarder
from haulier.runs.poison.previewed import PreviewBatch, PreviewedPoison
from haulier.runs.poison.selection import PoisonSelection
from haulier.runs.redrive import Redriver
from haulier.runs.reopen import Decision
from haulier.runs.run import Run
from haulier.runs.state import run_state

MOST_KEYS = 10_000
_WAYS = (
    'Write one of: "keys": [KEY, ...], "reason": REASON or "kind": KIND or both, "group": {"reason", "status", '
    '"error_class"}, "redriven": true or "all": true.'
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
    redriven: bool = False
    """Items that were redriven and have not ended since, where that redrive was cut off."""
    all: bool = False
    dry_run: bool = False
    preview: str = ""
    """What the answer to the same order said as a ``dry_run``."""
    why: str = ""

    @property
    def selection(self) -> PoisonSelection:
        """Raises `HTTPException` unless items are named in one way, and `UsageError` for an unknown reason."""
        ways = sum((bool(self.keys), bool(self.reason or self.kind), self.group is not None, self.redriven, self.all))
        if ways != 1:
            found = "Nothing says which items are meant." if not ways else "Items are named in several ways."
            raise HTTPException(400, f"{found} {_WAYS}")
        if len(self.keys) > MOST_KEYS:
            raise HTTPException(400, f"{len(self.keys):,} keys are named; the limit is {MOST_KEYS:,}.")
        if self.redriven:
            return PoisonSelection(is_redriven=True)
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
        self._previews = Previews()
        self._lock = asyncio.Lock()
        """Two clicks come one after the other, and the second finds what the first has left."""

    def close(self) -> None:
        self._previews.close()

    async def redrive(self, run_id: str, order: Order) -> dict[str, Any]:
        async with self._opened(run_id, order) as (source, run, selection):
            redriver = Redriver(source.closer)
            if order.dry_run:
                return await self._preview(source, run, order, redriver.preview(run, selection), "redriven")
            previewed = self._previews.find(_meant(run, order, "redriven"), order.preview)
            bound = dataclasses.replace(selection, previewed=previewed)
            sent = await redriver.redrive(run, bound, Decision(person_name(), order.why.strip()))
            said = f"No item of run {run.run_id} is poisoned{selection.in_words}."
            if not previewed.live:
                said = f"What was redriven of run {run.run_id} has ended since, or is poisoned anew."
            if sent:
                said = f"{count_of(sent, 'item')} of run {run.run_id} {are(sent)} on the queue again."
                said = f"{said} {await _who_takes_them(source)}"
            return await _done(source, run, "redriven", sent, said)

    async def discard(self, run_id: str, order: Order) -> dict[str, Any]:
        if order.redriven:
            raise HTTPException(400, "What was redriven is discarded once it is poisoned again.")
        async with self._opened(run_id, order) as (source, run, selection):
            discarder = Discarder(source.closer)
            if order.dry_run:
                return await self._preview(source, run, order, discarder.preview(run, selection), "discarded")
            previewed = self._previews.find(_meant(run, order, "discarded"), order.preview)
            bound = dataclasses.replace(selection, previewed=previewed)
            discarded = await discarder.discard(run, Decision(person_name(), order.why), bound)
            await source.closer.close(run)
            said = f"{count_of(discarded, 'item')} of run {run.run_id} {are(discarded)} discarded."
            return await _done(source, run, "discarded", discarded, said)

    @contextlib.asynccontextmanager
    async def _opened(self, run_id: str, order: Order) -> AsyncIterator[tuple[OpenSource, Run, PoisonSelection]]:
        """Raises `HTTPException` for what cannot be meant, before anything is opened."""
        selection = order.selection
        if not order.dry_run and not order.preview:
            raise HTTPException(
                400, 'Ask with "dry_run": true first, and send the "preview" of the answer with the same request.'
            )
        # With telemetry, so that the messages of a redrive bear the span under which they were sent.
        acts, options = not order.dry_run, self._call.options
        async with self._lock, open_source(self._call.app, options, writes=acts, tells=acts) as source:
            yield source, await pick_run(source, run_id), selection

    async def _preview(
        self, source: OpenSource, run: Run, order: Order, batches: AsyncIterator[PreviewBatch], done: str
    ) -> dict[str, Any]:
        previewed = PreviewedPoison()
        try:
            preview = await read_preview(source.lake, run, previewed.note(batches))
            document = preview.document((await run_state(source.lake, run.paths))[0], run, done)
            document |= {"said": preview.words(run, done)}
        except BaseException:
            previewed.close()
            raise
        self._previews.keep(_meant(run, order, done), previewed)
        return document | {"preview": previewed.digest}


async def _who_takes_them(source: OpenSource) -> str:
    """As the page says it of a run."""
    api = await read_api_state(source)
    if api is None or not api.workers:
        return "No worker is running: `haulier work SOURCE` takes them."
    running = "A worker is running, and takes" if api.workers == 1 else f"{api.workers} workers are running, and take"
    return f"{running} them. Where none of them closes the run afterwards, `haulier work SOURCE` does."


def _meant(run: Run, order: Order, done: str) -> tuple[str, Order, str]:
    return run.run_id, msgspec.structs.replace(order, dry_run=False, preview="", why=""), done


async def _done(source: OpenSource, run: Run, done: str, items: int, said: str) -> dict[str, Any]:
    state, _ = await run_state(source.lake, run.paths)
    return {"state": state.value, "run_id": run.run_id, done: items, "said": fill_source(said)}
