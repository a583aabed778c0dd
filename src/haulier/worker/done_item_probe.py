"""Asks for a done item again, where no request of this process has succeeded.

Else the last items of a resumed run, if all fail, could not be told from an API that is down.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

from haulier.api.errors import Action, ApiError
from haulier.errors import HaulierError, RunSpentError
from haulier.items.codec import decode_payload
from haulier.items.workitem import WorkItem
from haulier.runs.plan import read_seal, read_shard
from haulier.runs.run import Run
from haulier.sources.context import Context
from haulier.sources.context_log import ContextLog
from haulier.worker.deadline import within_deadline
from haulier.worker.deps import WorkerDeps

PROBE_INTERVAL_SECONDS: Final = 60.0
MAX_SEARCHED_ITEMS: Final = 2_000
"""Items searched for a done one: those that were sent first."""

logger = logging.getLogger("haulier.worker")


class DoneItemProbe:
    def __init__(self, deps: WorkerDeps) -> None:
        self._deps = deps
        self._asking = asyncio.Lock()
        self._asked: dict[str, tuple[float, Action | None]] = {}
        self._found: dict[str, tuple[str, WorkItem]] = {}

    async def action(self, run: Run) -> Action | None:
        """Return what a done item's first request comes to now; None where the run has no done item. Holds for a
        minute. A good one is the scope's witness from then on. Raises `RunSpentError` where the run may send none."""
        async with self._asking:
            asked_at, action = self._asked.get(run.run_id, (-PROBE_INTERVAL_SECONDS, None))
            if self._deps.clock.monotonic() - asked_at >= PROBE_INTERVAL_SECONDS:
                found = await self._done_item(run)
                action = None if found is None else await self._ask(run, *found)
                self._asked[run.run_id] = self._deps.clock.monotonic(), action
            return action

    async def _ask(self, run: Run, key: str, item: WorkItem) -> Action | None:
        log = ContextLog(logger, {"run_id": run.run_id, "item_key": key})
        session = self._deps.client.session(is_suspect=True)
        context = Context(session, run.info, 1, log, self._deps.shared)
        pieces = self._deps.processors[type(item)](item, context)
        try:
            await within_deadline(self._deps.clock, self._deps.settings, session, _first(pieces))
        except ApiError as error:
            return error.action
        except RunSpentError:
            raise  # It says nothing of the API: no request left.
        except Exception:  # noqa: BLE001 - a processor of the user's; that it fails says nothing of the API
            return None
        return Action.OK

    async def _done_item(self, run: Run) -> tuple[str, WorkItem] | None:
        if run.run_id not in self._found:
            with contextlib.suppress(HaulierError):
                if (found := await anext(self._done_items(run), None)) is not None:
                    self._found[run.run_id] = found
        return self._found.get(run.run_id)

    async def _done_items(self, run: Run) -> AsyncIterator[tuple[str, WorkItem]]:
        lake, paths, looked_at = self._deps.lake, run.paths, 0
        seal = await read_seal(lake, paths)
        if seal is None:
            return
        for shard in seal.shards:
            for planned in await read_shard(lake, paths, seal, shard):
                looked_at += 1
                if looked_at > MAX_SEARCHED_ITEMS:
                    return
                if await lake.exists(paths.object(planned.stream, planned.key)):
                    kind = self._deps.registry.get(planned.kind)
                    yield planned.key, decode_payload(kind, bytes(planned.payload))


async def _first(pieces: AsyncGenerator[object, None]) -> None:
    async with contextlib.aclosing(pieces):
        await anext(pieces, None)
