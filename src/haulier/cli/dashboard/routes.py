"""The routes of the page. Each document is the one that a command prints for ``--json``.

| route | document |
|---|---|
| ``GET /api/source`` | the source as it was typed, where its lake and queue are, and what each reason of poison means |
| ``GET /api/runs?mode=&last=`` | `haulier runs` |
| ``GET /api/runs/{run_id}`` | `haulier status` |
| ``GET /api/runs/{run_id}/events`` | the same, as server-sent events |
| ``GET /api/runs/{run_id}/timeline`` | how the run went over time, as `haulier.runs.timeline.Timeline` has it |
| ``GET /api/runs/{run_id}/poison?reason=&kind=&status=&error_class=&after=&limit=`` | `haulier poison list` |
| ``GET /api/runs/{run_id}/poison/{key}`` | `haulier poison show` |
| ``POST /api/runs/{run_id}/redrive``, ``/discard`` | `haulier poison redrive` and `discard` |

Poison comes with a page of its items, those behind the key ``after``; ``next`` is the ``after`` of the next page, or
null; ``unread`` records were not read yet. With ``error_class`` a group is meant, whose ``status`` may be empty.
A story comes with its ``parameters`` as text, since a script knows no whole number above 2**53, and with the
``item_state`` of an item that was redriven: how it ended, or ``missing``.

A redrive or discard is asked for twice: with ``dry_run``, whose answer has a ``preview`` and, in words, what would be
``said``; and with that. It takes what that answer counted and nothing else; where something that was poisoned has
changed, it takes nothing (409).

Of no runs the list has a ``hint``, which may be empty: why that could be wrong.

The events: ``status`` (the document), ``problem`` (``error``: this look failed, and is made again), and ``heartbeat``
(``age_seconds`` of the last look, null before the first; ``is_late``: the next one takes longer than it should) at the
beginning, and where nothing else was sent for ten seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from haulier.app.known_secrets import redactor_of
from haulier.app.open_source import OpenSource
from haulier.cli.dashboard.access import Access
from haulier.cli.dashboard.actions import Actions, Order, order_of
from haulier.cli.dashboard.answers import answer_bug, answer_error, answer_http, document, refusal
from haulier.cli.dashboard.event_stream import EventStream
from haulier.cli.dashboard.feed import RunFeeds
from haulier.cli.dashboard.run_list import RunList
from haulier.cli.dashboard.views import RunViews
from haulier.cli.hints import fill_source
from haulier.cli.poison_documents import MAX_SHOWN_ITEMS, story_document
from haulier.cli.source_command import SourceCall
from haulier.cli.status.watch import pause_seconds
from haulier.errors import HaulierError
from haulier.items.feed_start import redacted_parameters, shown_parameters
from haulier.runs.poison.index import PoisonFilter
from haulier.runs.poison.story import is_key, read_story
from haulier.runs.reasons import POISON_REASONS
from haulier.runs.state import run_state

STATIC = Path(str(files("haulier.cli.dashboard").joinpath("static")))
PAGE_TOKEN = "{{token}}"  # noqa: S105 - what stands in the page for it.
MODES = ("full", "incremental", "trial")
DEFAULT_RUNS, MOST_RUNS = 20, 200
DEFAULT_ITEMS = 100
MOST_BODY_BYTES = 1_000_000
_ANY_COMMAND = "haulier status "


class DashboardPage:
    def __init__(self, call: SourceCall, source: OpenSource, access: Access) -> None:
        self._call = call
        self._source = source
        self._views = RunViews(source)
        self._list = RunList(source)
        self.feeds = RunFeeds(self._views)
        self._actions = Actions(call)
        self._index = STATIC.joinpath("index.html").read_text(encoding="utf-8").replace(PAGE_TOKEN, access.page_token)

    @property
    def app(self) -> Starlette:
        run = "/api/runs/{run_id}"
        return Starlette(
            routes=[
                Route("/", self._front),
                Route("/api/source", self._about),
                Route("/api/runs", self._runs),
                Route(run, self._status),
                Route(f"{run}/events", self._events),
                Route(f"{run}/timeline", self._timeline),
                Route(f"{run}/poison", self._poison),
                Route(f"{run}/poison/{{key}}", self._story),
                Route(f"{run}/redrive", self._redrive, methods=["POST"]),
                Route(f"{run}/discard", self._discard, methods=["POST"]),
                Mount("/static", _Static(directory=STATIC)),
            ],
            exception_handlers={HaulierError: answer_error, HTTPException: answer_http, Exception: answer_bug},
        )

    async def close(self) -> None:
        await self.feeds.end()
        self._views.close()
        self._list.close()
        self._actions.close()

    async def _front(self, _request: Request) -> Response:
        return HTMLResponse(self._index)

    async def _about(self, _request: Request) -> Response:
        source, app = self._source, self._source.app
        return document(
            {
                "state": "open",
                "source": app.name,
                "lake": source.lake.locate(app.name),
                "queue": source.queue.capabilities.name,
                "in_flight": app.api.in_flight,
                "look_seconds": pause_seconds(source.lake, 0.0),
                "typed": fill_source(f"{_ANY_COMMAND}SOURCE").removeprefix(_ANY_COMMAND),
                "reasons": {
                    reason: {"when": meaning.when, "remedy": fill_source(meaning.remedy)}
                    for reason, meaning in POISON_REASONS.items()
                },
            }
        )

    async def _runs(self, request: Request) -> Response:
        mode = request.query_params.get("mode") or None
        if mode is not None and mode not in MODES:
            raise HTTPException(400, f"There is no mode {mode!r}. The modes are: {', '.join(MODES)}.")
        last = _whole_number(request, "last", DEFAULT_RUNS, MOST_RUNS)
        return document(await self._list.look(mode, last))

    async def _status(self, request: Request) -> Response:
        async with self._views.held(_run_id(request)) as view:
            return document((await view.look()).body)

    async def _events(self, request: Request) -> Response:
        run_id = _run_id(request)
        await self.feeds.require(run_id)
        return EventStream(self.feeds.events(run_id))

    async def _timeline(self, request: Request) -> Response:
        async with self._views.held(_run_id(request)) as view:
            return document(await view.timeline())

    async def _poison(self, request: Request) -> Response:
        query = request.query_params
        group = None
        if "error_class" in query:
            status = _whole_number(request, "status", 0, 999) if query.get("status") else None
            group = query.get("reason", ""), status, query["error_class"]
        meant = PoisonFilter("" if group else query.get("reason", ""), query.get("kind", ""), group)
        limit = _whole_number(request, "limit", DEFAULT_ITEMS, MAX_SHOWN_ITEMS)
        async with self._views.held(_run_id(request)) as view:
            return document(await view.poison(meant, query.get("after", ""), limit))

    async def _story(self, request: Request) -> Response:
        key = str(request.path_params["key"])
        async with self._views.held(_run_id(request)) as view:
            lake, run = self._source.lake, view.run
            story = await read_story(lake, run.paths, key) if is_key(key) else None
            if story is None:
                raise HTTPException(404, f"Run {run.run_id} has no poisoned item {key[:80]!r}.")
            item_state = await view.item_state(key) if story.is_redriven else None
            state, _ = await run_state(lake, run.paths)
            redact = redactor_of(self._source.app).redact
            parameters = shown_parameters(redacted_parameters(bytes(story.newest.payload), redact)).decode()
            return document(story_document(state, story, redact) | {"item_state": item_state, "parameters": parameters})

    async def _redrive(self, request: Request) -> Response:
        return await self._act(request, self._actions.redrive)

    async def _discard(self, request: Request) -> Response:
        return await self._act(request, self._actions.discard)

    async def _act(self, request: Request, act: Callable[[str, Order], Awaitable[dict[str, Any]]]) -> Response:
        run_id = _run_id(request)
        async with self._views.held(run_id) as view:
            order = order_of(await _body(request))
            await view.require_run()  # What acts opens the lake anew, and would find or make another one.
            try:
                return document(await act(run_id, order))
            except asyncio.CancelledError:
                # The server ends, and cancels nobody twice: there is a moment left for the answer.
                return refusal(
                    503, "The dashboard was ended meanwhile. What is done stays; the same again does the rest."
                )
            finally:
                self.feeds.wake(run_id)
                self._list.expire()


class _Static(StaticFiles):
    """Asked for anew each time, so that a page is never of two versions."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        answer = super().file_response(*args, **kwargs)
        answer.headers["cache-control"] = "no-cache"
        return answer


def _run_id(request: Request) -> str:
    return str(request.path_params["run_id"])


def _whole_number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= most:
        raise HTTPException(400, f"{name}: expected a whole number from 1 to {most:,}, found {text[:40]!r}.")
    return int(text)


async def _body(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "The body of the request has to be of the type application/json.")
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BODY_BYTES:
            raise HTTPException(413, f"The body of the request is longer than {MOST_BODY_BYTES:,} bytes.")
    return body
