"""P5: runs the processor of an item and writes what it yields to one sink."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from haulier.api.client import ItemPlace
from haulier.api.records.item_counts import ItemCounts
from haulier.api.records.page import Page
from haulier.errors import ItemError
from haulier.items.feed_start import FeedEnd
from haulier.items.workitem import WorkItem
from haulier.lake.seam import Bytes, Spool
from haulier.runs.plan import plan_item, size_of
from haulier.runs.receipts import was_sign_seen
from haulier.runs.records import Drift, PlannedItem
from haulier.runs.run import Run
from haulier.sources.context import Context
from haulier.sources.context_log import ContextLog
from haulier.worker.deadline import within_deadline
from haulier.worker.deps import WorkerDeps
from haulier.worker.key_check import keys_checked
from haulier.worker.last_request import NoteRequest, request_note
from haulier.worker.settings import MAX_CHILDREN, MAX_CHILDREN_BYTES

logger = logging.getLogger("haulier.processor")

_attempts = itertools.count(1)


class Sink(Protocol):
    """A spool, or the pipe to the worker that has it."""

    async def write(self, records: Sequence[Bytes]) -> None: ...


@dataclass(frozen=True)
class Produced:
    records: int
    encoded: bool
    """False: all records are the API's bytes."""
    children: tuple[PlannedItem, ...]
    added: tuple[str, ...] = ()
    """Our fields, before the records' own bytes."""
    requests: int = 0
    drift: Drift | None = None
    counts: ItemCounts = field(default_factory=ItemCounts)
    unseen: str = ""
    feed: FeedEnd | None = None


async def spool_of(deps: WorkerDeps, run: Run, key: str) -> Spool:
    """Open a spool under a name that no other attempt has, in any process."""
    return await deps.lake.open_spool(run.paths.staging, f"{key}.{deps.name}.{next(_attempts)}")


async def produce(
    deps: WorkerDeps,
    run: Run,
    item: WorkItem,
    attempt: int,
    key: str,
    sink: Sink,
    *,
    is_suspect: bool = False,
    note_request: NoteRequest = lambda note: None,
    note_held: Callable[[], None] = lambda: None,
) -> Produced:
    """``note_request`` is called with the last request if the item fails; ``note_held`` as `within_deadline` does."""
    fields = {"run_id": run.run_id, "item_key": key, "attempt": attempt}
    log = ContextLog(logger, fields)
    stream = type(item).stream
    place = ItemPlace(stream, run.run_id, lambda: was_sign_seen(deps.lake, run.paths, stream))
    api = deps.client.session(place, is_suspect=is_suspect)
    context = Context(api, run.info, attempt, log, deps.shared)
    pieces = deps.processors[type(item)](item, context)
    work = _drain(pieces, type(item).kind, key, sink, deps.keys.get(type(item).stream))
    try:
        produced = await within_deadline(deps.clock, deps.settings, api, work, note_held)
    except Exception:
        if api.usage.last_request is not None:
            note_request(request_note(api.usage.last_request, deps.client.redactor))
        raise
    finally:
        await api.close()
    drift = api.usage.drift
    return replace(
        produced,
        requests=api.usage.requests,
        drift=None if drift is None else Drift(promised=drift.promised, reread=drift.reread),
        counts=api.usage.counts,
        unseen=api.usage.sign_totals.unseen,
        feed=api.usage.feed_end,
    )


async def _drain(
    pieces: AsyncGenerator[object, None], kind: str, key: str, sink: Sink, paths: tuple[str, ...] | None
) -> Produced:
    records, encoded, size_bytes = 0, False, 0
    added: dict[str, None] = {}
    children: dict[str, PlannedItem] = {}
    # Closed here, not by the garbage collector later: what the processor holds open is its own to let go of.
    async with contextlib.aclosing(pieces), keys_checked(paths) as check:
        async for piece in pieces:
            if isinstance(piece, WorkItem):
                child = plan_item(piece)
                size_bytes += 0 if child.key in children else size_of(child)
                _add_child(children, child, kind, key)
                if len(children) > MAX_CHILDREN:
                    raise ItemError(f"The processor of {kind!r} divided one item into more than {MAX_CHILDREN} items.")
                if size_bytes > MAX_CHILDREN_BYTES:
                    raise ItemError(
                        f"The processor of {kind!r} divided one item into items with parameters of more than "
                        f"{MAX_CHILDREN_BYTES} bytes. Put less into them: a range or an ID instead of the data itself."
                    )
            else:
                page = page_of(piece, kind)
                records += len(page)
                encoded = encoded or page.encoded
                added |= dict.fromkeys(page.added)
                await check(page.slices)
                await sink.write(page.slices)
                del page
            del piece  # A page keeps its answer alive, which must not be there twice while the next one comes.
            if records and children:
                raise ItemError(
                    f"The processor of {kind!r} yielded both records and items. An item either has records or is "
                    "divided: yield one or the other."
                )
    return Produced(records, encoded, tuple(children.values()), tuple(added))


def _add_child(children: dict[str, PlannedItem], child: PlannedItem, kind: str, key: str) -> None:
    """An item divided into itself would lose its rows."""
    if child.key == key:
        raise ItemError(f"The processor of {kind!r} divided an item into itself. Yield smaller items, or its records.")
    known = children.setdefault(child.key, child)
    if (known.kind, bytes(known.payload)) != (child.kind, bytes(child.payload)):
        raise ItemError(
            f"The processor of {kind!r} divided one item into two unequal ones with the key {child.key!r}. "
            "Give their class a field that tells them apart."
        )


def page_of(piece: object, kind: str) -> Page:
    if isinstance(piece, Page):
        return piece
    if isinstance(piece, list) and all(isinstance(record, dict) for record in piece):
        return Page.of(piece)
    raise ItemError(
        f"The processor of {kind!r} yielded a {type(piece).__name__}. Yield a page (it keeps the API's bytes), "
        "a list of dicts (we encode it), or a work item (the item is divided)."
    )
