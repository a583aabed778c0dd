"""The first page of an item, and nothing more of it."""

from __future__ import annotations

import dataclasses
import logging
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice

from haulier.api.errors import Action, ApiError
from haulier.app.open_source import LiveSource
from haulier.cli.child_parts import child_parts, require_end
from haulier.errors import HaulierError, UsageError
from haulier.items.keys import item_key
from haulier.items.workitem import WorkItem
from haulier.sources.context import Context, RunInfo
from haulier.sources.context_log import ContextLog
from haulier.worker.dispatch import page_of
from haulier.worker.trace import trace_of

MAX_DIVISIONS = 12
"""An item that is too large is divided so often."""
MAX_CHILDREN = 5
"""Parents that are asked for until one has children."""


@dataclass(frozen=True)
class PageFound:
    records: tuple[bytes, ...]
    child: WorkItem | None = None
    """The item is divided, and this is the first part with records."""


def context_of(source: LiveSource, mode: str) -> Context:
    moment = source.clock.now().replace(microsecond=0)
    log = ContextLog(logging.getLogger("haulier.processor"), {"item_key": "doctor"})
    context = Context(source.client.session(), RunInfo("doctor", mode, moment), 1, log, source.shared)
    context.api.most_pages = 1
    return context


async def first_page(source: LiveSource, item: WorkItem, context: Context) -> PageFound:
    """Of a divided item, that of its first part with records, however far down. Raises `UsageError` where the processor
    fails."""
    found, above = await _answered(source, item, context), [item_key(item)]
    while (child := found.child) is not None:
        require_end(child, above)
        for part in islice(child_parts(source.app, child), MAX_CHILDREN):
            found = await _page(source, part, context_of(source, context.run.mode))
            if found.records:
                return dataclasses.replace(found, child=part)
            if found.child is not None:
                break
        else:
            return PageFound((), child)
    return found


async def _answered(source: LiveSource, item: WorkItem, context: Context) -> PageFound:
    """Of a part of the item, where it holds more than the API hands out at once."""
    for _ in range(MAX_DIVISIONS):
        try:
            return await _page(source, item, context)
        except ApiError as error:
            parts = source.app.divide(item) if error.action is Action.SPLIT else ()
            if not parts:
                raise
            item, context = parts[0], context_of(source, context.run.mode)
    return await _page(source, item, context)


async def _page(source: LiveSource, item: WorkItem, context: Context) -> PageFound:
    try:
        async with aclosing(source.app.processors[type(item)](item, context)) as pieces:
            async for piece in pieces:
                if isinstance(piece, WorkItem):
                    return PageFound((), piece)
                return PageFound(tuple(bytes(record) for record in page_of(piece, item.kind).records))
    except HaulierError:
        raise
    except Exception as error:
        trace = source.client.redactor.redact(trace_of(error)).rstrip()
        raise UsageError(f"The processor of kind {item.kind!r} raised {trace.splitlines()[-1]}\n{trace}") from error
    return PageFound(())
