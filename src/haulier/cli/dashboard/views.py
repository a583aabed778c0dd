"""What is known of a run, for all who look at it: one reader, which looks no more often than `status --watch` does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException

from haulier.app.open_source import OpenSource
from haulier.cli.dashboard.answers import encode
from haulier.cli.pick_run import is_run_id
from haulier.cli.poison_documents import poison_document
from haulier.cli.poison_view import item_facts
from haulier.cli.status.reader import StatusReader
from haulier.cli.status.watch import pause_seconds
from haulier.errors import HaulierError, LakeUnavailableError
from haulier.runs import ledger_schema as table
from haulier.runs.lost_queue import require_queue
from haulier.runs.poison.index import PoisonFilter, PoisonIndex
from haulier.runs.run import Run, load_run
from haulier.runs.state import RunState, newest_closing, run_state
from haulier.runs.timeline import read_timeline

CLOSED_SECONDS = 5.0
"""Between two looks at a closed run: only a redrive makes it go on."""
QUEUE_SECONDS = 60.0
"""Between two looks for a queue that was deleted, which cost more than one at its depth."""
LATE_SECONDS, LATE_PARTS = 5.0, 3
"""A look that takes longer than this, and than so many of the one before, is late."""
KEPT_VIEWS = 4
"""Runs at which nobody looks, and that are known yet: a page that is loaded again need not wait for a whole fold. Each
has a scratch file, and up to 16 MB of its pages in memory."""
MOST_VIEWS = 16
"""Runs at which somebody looks."""


@dataclass(frozen=True)
class Look:
    document: dict[str, Any]
    body: bytes
    """The document as JSON."""
    is_closed: bool


class RunView:
    def __init__(self, source: OpenSource, run: Run) -> None:
        self.run = run
        self.users = 0
        self._source = source
        self._reader = StatusReader(source, run, is_watching=True)
        self._index = PoisonIndex(source.lake, run, self._reader.ledger, source.clock)
        self._folded: object = None
        """The look after which poison was folded last."""
        self._refreshed: tuple[RunState, int] | None = None
        """State and number of the verdict after which all was folded last."""
        self._timeline: tuple[Look, bytes] | None = None
        self._lock = asyncio.Lock()
        self._seen: Look | HaulierError | None = None
        self._seen_at = self._due_at = self._queue_due_at = float("-inf")
        self._late_at = float("inf")
        self._changes = 0
        self._was_closed = False

    @property
    def wait_seconds(self) -> float:
        """Until the next look is due."""
        return max(0.0, self._due_at - self._source.clock.monotonic())

    @property
    def age_seconds(self) -> float | None:
        """Since the last look; None before the first one."""
        if self._seen is None:
            return None
        return round(max(0.0, self._source.clock.monotonic() - self._seen_at), 1)

    @property
    def is_late(self) -> bool:
        """Whether the next look should be over by now."""
        return self._source.clock.monotonic() > self._late_at

    def expire(self) -> None:
        """Something was changed: the next look is due at once, also where one is under way."""
        self._changes += 1
        self._due_at = float("-inf")

    async def look(self) -> Look:
        """The last one, if the next is not due yet; raises what that raised."""
        async with self._lock:
            if self._seen is None or not self.wait_seconds:
                await self._look()
        assert self._seen is not None
        if isinstance(self._seen, HaulierError):
            raise self._seen
        return self._seen

    async def timeline(self) -> bytes:
        """How the run went over time, made at most once for each look."""
        look = await self.look()
        async with self._lock:
            if self._timeline is None or self._timeline[0] is not look:
                source = self._source
                told = await read_timeline(source.lake, source.clock, self.run, self._reader.ledger)
                self._timeline = look, encode(told)
            return self._timeline[1]

    async def poison(self, meant: PoisonFilter, after: str, limit: int) -> dict[str, Any]:
        """What `haulier poison list --json` prints, with a page of the items: those behind the key ``after``."""
        await self.look()
        async with self._lock:
            ledger, index = self._reader.ledger, self._index
            state = await self._fold()
            unread = await index.read()
            groups = await index.groups(meant)
            lines = await index.lines(meant, after, limit)
            redriven = await ledger.count(table.REDRIVEN)
        document = poison_document(state, self.run, groups, redriven, map(item_facts, lines))
        return document | {"unread": unread, "next": lines[-1].key if len(lines) == limit else None}

    async def item_state(self, key: str) -> str | None:
        """None for no item of the run."""
        with contextlib.suppress(HaulierError):  # The lake tells it, also where the queue is gone.
            await self.look()
        async with self._lock:
            await self._fold()
            return await self._reader.ledger.state_of(key)

    async def require_run(self) -> None:
        """Raises `LakeUnavailableError` if the run is not in the lake any more."""
        if await load_run(self._source.lake, self._source.app.name, self.run.run_id) is None:
            raise LakeUnavailableError(
                f"Run {self.run.run_id} was in the lake and has disappeared. Was the lake moved, or emptied?"
            )

    def close(self) -> None:
        self._reader.close()

    async def _fold(self) -> RunState:
        """Poison, once a look; and all, where a verdict is new, or the look failed: no look folds a closed run any
        more."""
        ledger = self._reader.ledger
        state, verdict = await run_state(self._source.lake, self.run.paths)
        standing = state, 0 if verdict is None else verdict.number
        is_unlooked = isinstance(self._seen, HaulierError) and self._folded is not self._seen
        if not ledger.has_plan or self._refreshed != standing or is_unlooked:
            await ledger.refresh()
            self._refreshed = standing
        elif self._folded is not self._seen:
            await ledger.fold_poison()
        self._folded = self._seen
        return state

    async def _require_closings(self) -> None:
        """They stay when a run is reopened: without them a closed run looks as one that never was closed."""
        if await newest_closing(self._source.lake, self.run.paths) is None:
            raise LakeUnavailableError(
                f"The closings of run {self.run.run_id} were in the lake and have disappeared. Was the lake moved, or "
                "emptied?"
            )

    async def _look(self) -> None:
        source, clock = self._source, self._source.clock
        began_at = clock.monotonic()
        is_closed, changes = False, self._changes
        try:
            if began_at >= self._queue_due_at:
                await require_queue(source.lake, source.queue, source.app.name)
                self._queue_due_at = began_at + QUEUE_SECONDS
            facts = await self._reader.look()
            if facts.status.state is RunState.PLANNING:
                await self.require_run()
            if self._was_closed and not facts.status.state.is_closed:
                await self._require_closings()
        except HaulierError as error:
            self._seen = error
        else:
            is_closed = facts.status.state.is_closed
            self._was_closed |= is_closed
            document = facts.document()
            self._seen = Look(document, encode(document), is_closed)
        now = self._seen_at = clock.monotonic()
        pause = pause_seconds(source.lake, now - began_at)
        if is_closed:
            pause = max(CLOSED_SECONDS, pause)
        if self._changes == changes:
            self._due_at = now + pause
        self._late_at = now + pause + max(LATE_SECONDS, LATE_PARTS * (now - began_at))


class RunViews:
    def __init__(self, source: OpenSource) -> None:
        self._source = source
        self._views: dict[str, RunView] = {}
        """Those that were used last stand last."""

    @contextlib.asynccontextmanager
    async def held(self, run_id: str) -> AsyncIterator[RunView]:
        """Raises `HTTPException` if there is no such run."""
        view = self._views.get(run_id)
        if view is None:
            run = await self._find(run_id)
            view = self._views.get(run_id) or self._open(run)
        self._views[run_id] = self._views.pop(run_id)
        view.users += 1
        try:
            yield view
        finally:
            view.users -= 1
            self._forget_some()

    def expire(self, run_id: str) -> None:
        if (view := self._views.get(run_id)) is not None:
            view.expire()

    def close(self) -> None:
        for view in self._views.values():
            view.close()
        self._views.clear()

    async def _find(self, run_id: str) -> Run:
        """Nothing but its own record is read: anybody may ask for a run that there is not."""
        source = self._source
        run = await load_run(source.lake, source.app.name, run_id) if is_run_id(run_id) else None
        if run is None:
            raise HTTPException(404, f"Source {source.app.name!r} has no run {run_id[:80]!r} in this lake.")
        return run

    def _open(self, run: Run) -> RunView:
        if sum(bool(view.users) for view in self._views.values()) >= MOST_VIEWS:
            raise HTTPException(
                503, f"{MOST_VIEWS} runs are looked at already, each by a reader of its own. Close some tabs."
            )
        view = self._views[run.run_id] = RunView(self._source, run)
        return view

    def _forget_some(self) -> None:
        idle = [run_id for run_id, view in self._views.items() if not view.users]
        for run_id in idle[: max(0, len(idle) - KEPT_VIEWS)]:
            self._views.pop(run_id).close()
