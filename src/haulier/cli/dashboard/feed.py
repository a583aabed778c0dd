"""A run, told to all of its tabs: looked at while there is one, sent where something changed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from typing import Any

from starlette.exceptions import HTTPException

from haulier.cli.dashboard.answers import encode
from haulier.cli.dashboard.event_stream import event
from haulier.cli.dashboard.views import RunView, RunViews
from haulier.cli.hints import fill_source
from haulier.errors import HaulierError

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 10.0
"""Proxies cut what is silent for a minute, and a page has to know how old its figures are. It sees events alone, and no
comments of the stream."""
MOST_TABS = 100
_RECONNECT = b"retry: 2000\n\n"


class RunFeed:
    """A tab has no queue of its own: it is sent the newest look, and never one that is older than that."""

    def __init__(self, view: RunView, heartbeat_seconds: float) -> None:
        self.tabs = 0
        self._heartbeat_seconds = heartbeat_seconds
        self._view = view
        self._newest = b""
        self._sign: object = None
        self._number = 0
        self._has_changed = asyncio.Event()
        self._is_woken = asyncio.Event()
        self._is_ended = False
        self._task = asyncio.ensure_future(self._follow())
        self._task.add_done_callback(self._note_end)

    async def events(self) -> AsyncGenerator[bytes]:
        yield _RECONNECT
        seen, sent = 0, b""
        while not self._is_ended:
            if seen == self._number:
                has_changed = self._has_changed
                try:
                    async with asyncio.timeout(self._heartbeat_seconds):
                        await has_changed.wait()
                except TimeoutError:
                    if sent == self._newest:
                        yield self._heartbeat()
                        continue
                if self._is_ended:
                    return
            is_first = not sent
            seen, sent = self._number, self._newest
            yield sent
            if is_first:
                yield self._heartbeat()  # It may be of a while ago.

    def _heartbeat(self) -> bytes:
        told = {"age_seconds": self._view.age_seconds, "is_late": self._view.is_late}
        return event("heartbeat", encode(told))

    def wake(self) -> None:
        """Something was changed by a click: look now."""
        self._is_woken.set()

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            try:
                look = await self._view.look()
            except HaulierError as error:
                said = fill_source(str(error))
                self._publish(event("problem", encode({"error": said})), said)
            else:
                self._publish(event("status", look.body), _without_ages(look.document))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._view.wait_seconds):
                    await self._is_woken.wait()
            self._is_woken.clear()

    def _note_end(self, task: asyncio.Task[None]) -> None:
        """The streams end with the looks: a page that would wait for ever is told by that."""
        self._is_ended = True
        self._has_changed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("looks at a run failed", extra={"run_id": self._view.run.run_id}, exc_info=error)

    def _publish(self, newest: bytes, sign: object) -> None:
        self._newest = newest
        if sign != self._sign:
            self._sign = sign
            self._number += 1
            self._has_changed.set()
            self._has_changed = asyncio.Event()


class RunFeeds:
    def __init__(self, views: RunViews, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        self._views = views
        self._heartbeat_seconds = heartbeat_seconds
        self._feeds: dict[str, RunFeed] = {}
        self._is_ended = False

    async def require(self, run_id: str) -> None:
        """Raises `HTTPException` for a run that there is not, and for one tab too many."""
        if self._is_ended or sum(feed.tabs for feed in self._feeds.values()) >= MOST_TABS:
            raise HTTPException(503, f"{MOST_TABS} tabs are open already. Close some of them.")
        async with self._views.held(run_id):
            return

    async def events(self, run_id: str) -> AsyncGenerator[bytes]:
        """For one tab. The first one of a run starts its looks, the last one ends them."""
        async with self._views.held(run_id) as view:
            feed = self._feeds.get(run_id)
            if feed is None:
                feed = self._feeds[run_id] = RunFeed(view, self._heartbeat_seconds)
            feed.tabs += 1
            try:
                async with contextlib.aclosing(feed.events()) as events:
                    async for piece in events:
                        yield piece
            finally:
                feed.tabs -= 1
                if not feed.tabs:
                    self._feeds.pop(run_id, None)
                    await feed.end()

    def wake(self, run_id: str) -> None:
        self._views.expire(run_id)
        if (feed := self._feeds.get(run_id)) is not None:
            feed.wake()

    async def end(self) -> None:
        """All streams end, so that nobody waits for them."""
        self._is_ended = True
        for feed in list(self._feeds.values()):
            await feed.end()


def _without_ages(document: dict[str, Any]) -> dict[str, Any]:
    """What is news. Ages differ at each look, and go out with the next heartbeat."""
    told = document | {"seconds": None}
    told["workers"] = [worker | {"beat_age_seconds": None} for worker in document["workers"]]
    told["leases"] = [lease | {"seconds": None} for lease in document["leases"]]
    return told
