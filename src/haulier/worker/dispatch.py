"""P5: the processor of an item's kind runs, and what it yields goes to one spool."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from haulier.api.client import ItemApi
from haulier.api.page import Page
from haulier.errors import ItemError
from haulier.items.workitem import WorkItem
from haulier.lake.seam import Spool
from haulier.runs.plan import planned
from haulier.runs.records import Drift, PlannedItem
from haulier.runs.run import Run
from haulier.worker.parts import Context, Parts, RunInfo
from haulier.worker.settings import MAX_CHILDREN

logger = logging.getLogger("haulier.processor")


class GateWaitError(Exception):
    """The item waited a whole lease for its turn without sending a request: handed back, uncounted."""


class DeadlineError(ItemError):
    """The item did not end within its deadline."""


@dataclass(frozen=True)
class Produced:
    """What a processor made of an item."""

    records: int
    encoded: bool
    """Whether any of the records were encoded by us rather than kept as the API sent them."""
    children: tuple[PlannedItem, ...]
    requests: int = 0
    drift: Drift | None = None


async def spool_of(parts: Parts, run: Run, key: str) -> Spool:
    """A new spool for one attempt."""
    return await parts.lake.open_spool(run.paths.staging, f"{key}.{uuid.uuid4().hex}")


async def produce(parts: Parts, run: Run, item: WorkItem, attempt: int, key: str, spool: Spool) -> Produced:
    """Run the item's processor to its end, under the item's deadline, which starts with its first request."""
    fields = {"run_id": run.run_id, "item_key": key, "attempt": attempt}
    log = logging.LoggerAdapter(logger, fields)
    api = parts.client.session(key)
    context = Context(api, RunInfo.of(run), attempt, log, parts.shared)
    async with _deadline(parts, api):
        produced = await _drain(parts.processors[type(item)](item, context), type(item).kind, spool)
    drift = api.usage.drift
    return replace(
        produced,
        requests=api.usage.requests,
        drift=None if drift is None else Drift(promised=drift.promised, reread=drift.reread),
    )


async def _drain(pieces: AsyncIterator[object], kind: str, spool: Spool) -> Produced:
    records, encoded = 0, False
    children: list[PlannedItem] = []
    async for piece in pieces:
        if isinstance(piece, WorkItem):
            children.append(planned(piece))
            if len(children) > MAX_CHILDREN:
                raise ItemError(f"The processor of {kind!r} divided one item into more than {MAX_CHILDREN} items")
        else:
            page = piece if isinstance(piece, Page) else _page_of(piece, kind)
            records += len(page)
            encoded = encoded or page.encoded
            await spool.write(page.records)
        if records and children:
            raise ItemError(
                f"The processor of {kind!r} yielded both records and items. An item either has records or is divided: "
                "yield one or the other."
            )
    return Produced(records, encoded, tuple(children))


def _page_of(piece: object, kind: str) -> Page:
    if isinstance(piece, list) and all(isinstance(record, dict) for record in piece):
        return Page.of(piece)
    raise ItemError(
        f"The processor of {kind!r} yielded a {type(piece).__name__}. Yield a page (it keeps the API's bytes), "
        "a list of dicts (we encode it), or a work item (the item is divided)."
    )


@contextlib.asynccontextmanager
async def _deadline(parts: Parts, api: ItemApi) -> AsyncIterator[None]:
    """End the block where the item takes too long, or waits too long for its first request's turn."""
    settings, clock, loop = parts.settings, parts.clock, asyncio.get_running_loop()
    entered_at = clock.monotonic()
    cause: Exception | None = None

    def look() -> None:
        nonlocal cause, timer
        now, sent_at = clock.monotonic(), api.usage.first_sent_at
        if sent_at is not None and now >= sent_at + settings.item_deadline_seconds:
            cause = DeadlineError(f"The item did not end within {settings.item_deadline_seconds:g} s of its first request")
        elif sent_at is None and api.is_waiting and now >= entered_at + settings.lease_seconds:
            cause = GateWaitError()
        if cause is not None:
            limit.reschedule(loop.time())
        else:
            timer = loop.call_later(settings.lease_seconds / 4, look)

    timer = loop.call_later(settings.lease_seconds / 4, look)
    try:
        async with asyncio.timeout(None) as limit:
            yield
    except TimeoutError:
        if cause is None:
            raise
        raise cause from None
    finally:
        timer.cancel()
