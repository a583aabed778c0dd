"""Requests to a search server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

import msgspec

from haulier.api.answers.judgement import ExpectedAnswer, Rule
from haulier.api.errors import Action, ApiError, BodyError
from haulier.api.http.transport import Request, Response
from haulier.api.http.urls import Pairs, join, with_query
from haulier.api.requester import Requester
from haulier.api.search.dialect import UNKNOWN, Dialect, index_path, read_dialect
from haulier.api.search.hits import LOST_POINT, HitPage, LostPointError, read_hits
from haulier.api.search.knowledge import SearchKnowledge
from haulier.api.search.search import Search
from haulier.errors import HaulierError

CLOSE_SECONDS: Final = 5.0
"""Most time for giving a point in time back. The server drops it by itself soon after."""

_WHOLE: Final = (("allow_partial_search_results", "false"),)
_WITH_FROZEN: Final = (("ignore_throttled", "false"),)
_WITH_CLOSED: Final = (("expand_wildcards", "open,closed"),)
_LOST: Final = tuple(Rule(Action.RESTART, status=status, text=LOST_POINT) for status in (400, 404, 500, 503))
"""A good answer is not searched for the text: a record may hold it."""
_JSON: Final = (("Content-Type", "application/json"),)
"""Both servers read it. The types of one version of a client are refused by others."""
_NO_INDEX: Final = "index_not_found_exception"
_MOST_NAMED: Final = 5
_MOST_FIELDS: Final = 30
"""Of one request, whose line may have 4 KiB."""
_NOT_TOLD: Final = frozenset({403, 404, 405})
_NOT_RESOLVED: Final = frozenset({400, *_NOT_TOLD})

T = TypeVar("T")


class SearchServer:
    """Speaks to the server for one item."""

    def __init__(self, requester: Requester, api_url: str, knowledge: SearchKnowledge, rules: Sequence[Rule]) -> None:
        self._requester = requester
        self._api_url = api_url
        self.knowledge = knowledge
        self._rules = tuple(rules)

    async def dialect(self) -> Dialect:
        """Asked once a process. `UNKNOWN` where it is not told: some credentials may read indices and nothing else."""
        knowledge = self.knowledge
        if knowledge.dialect is not None:
            return knowledge.dialect
        await self._requester.take(knowledge.asking)
        try:
            if knowledge.dialect is None:
                try:
                    knowledge.dialect = await self._send(self._look("/"), lambda answer: read_dialect(answer.body))
                except ApiError as error:
                    if error.status not in _NOT_TOLD:
                        raise
                    self._requester.say_once(
                        "the server does not say what it is, so no point in time is asked for, and an item with more "
                        "documents than `size` is divided; the right to GET / (cluster:monitor/main) would change that",
                        status=str(error.status),
                    )
                    knowledge.dialect = UNKNOWN
            return knowledge.dialect
        finally:
            knowledge.asking.release()

    async def search(self, search: Search, body: Any) -> HitPage:
        """One page without a point in time."""
        path = f"/{index_path(search.index)}/_search"
        frozen = _WITH_FROZEN if (await self.dialect()).hides_frozen else ()
        return await self._hits(search, path, body, frozen, is_repeatable=True)

    async def search_point(self, search: Search, body: Any, *, is_first: bool) -> HitPage:
        """One page of the point in time that the body names, and which knows its indices: their number is that of its
        making, of which the first page of the whole tells."""
        return await self._hits(search, "/_search", body, is_repeatable=False, is_first=is_first)

    async def open_point(self, dialect: Dialect, search: Search, keep_alive: str) -> str:
        alive = (("keep_alive", keep_alive), *(_WITH_FROZEN if dialect.hides_frozen else ()))
        request = self._request("POST", dialect.opening(search.index), alive)
        return await self._send(request, lambda answer: dialect.point_of(answer.body), is_repeatable=False)

    async def close_point(self, dialect: Dialect, point: str) -> None:
        """Best effort: an answer proves nothing, and none matters, nor whether the run may send the request."""
        path, body = dialect.closing(point)
        with contextlib.suppress(HaulierError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._requester.send_in_vain(self._request("DELETE", path, body=body))

    async def field_types(self, index: str, names: Sequence[str]) -> dict[str, dict[str, FieldCapability]] | None:
        """By field, then by type; None where no index has the name."""
        types: dict[str, dict[str, FieldCapability]] = {}
        for start in range(0, len(names), _MOST_FIELDS):
            query = (("fields", ",".join(names[start : start + _MOST_FIELDS])), ("include_unmapped", "true"))
            request = self._request("GET", f"/{index_path(index)}/_field_caps", query)
            found = await self._send(request, lambda answer: _told(answer.body, _Capabilities, "fields of the index"))
            if not found.indices:
                return None
            types |= found.fields
        return types

    async def closed_indices(self, index: str) -> tuple[str, ...]:
        """Those that the pattern would match if they were open. None, if the server does not tell."""
        refused = ""
        if (await self.dialect()).names_closed:
            request = self._look(f"/_resolve/index/{index_path(index)}", _WITH_CLOSED)
            try:
                found = await self._send(request, lambda answer: _told(answer.body, _Resolved, "names of the indices"))
                return tuple(each.name for each in found.indices if "closed" in each.attributes)
            except ApiError as error:
                if error.status not in _NOT_RESOLVED:
                    raise
                refused = str(error.status)
        self._requester.say_once(
            "the server does not tell which indices are closed, and a pattern passes over these without an error",
            status=refused or "not asked",
        )
        return ()

    async def _hits(
        self,
        search: Search,
        path: str,
        body: Any,
        query: Pairs = (),
        *,
        is_repeatable: bool,
        is_first: bool = True,
    ) -> HitPage:
        request = self._request("POST", path, (*_WHOLE, *query), body)
        try:
            page = await self._send(
                request, lambda answer: read_hits(answer.body, search.add), is_repeatable=is_repeatable
            )
        except ApiError as error:
            if error.action is Action.RESTART and not is_repeatable and error.status is not None:
                raise LostPointError(f"{self.shown(request)}: the point in time is gone") from error
            raise
        if not page.shards:
            raise self._no_index_error(request, "nothing was searched (_shards.total is 0)")
        if is_first:
            await self._require_open(search, page.shards)
        return page

    async def _require_open(self, search: Search, shards: int) -> None:
        """An index that is closed in the middle of a run takes its shards with it."""
        if "*" not in search.index:
            return
        known = self.knowledge.shards.get(search.index)
        if (known is None or shards < known) and (closed := await self.closed_indices(search.index)):
            raise ApiError(closed_words(search, closed), action=Action.CONFIG)
        self.knowledge.shards[search.index] = shards

    def _no_index_error(self, request: Request, said: str, status: int | None = None) -> ApiError:
        return ApiError(
            f"{self.shown(request)}: no index has this name: {said}. Correct `index`, or give the credentials the "
            "right to read it.",
            action=Action.CONFIG,
            status=status,
        )

    async def _send(self, request: Request, read: Callable[[Response], T], *, is_repeatable: bool = True) -> T:
        try:
            answered = await self._requester.send(
                request,
                read,
                expected=ExpectedAnswer(),
                rules=(*_LOST, *self._rules),
                is_first_page=is_repeatable,
                is_repeatable=is_repeatable,
            )
        except ApiError as error:
            if error.status == 404 and _NO_INDEX in error.excerpt:
                raise self._no_index_error(request, _NO_INDEX, 404) from error
            raise
        if answered.value is None:
            raise ApiError(
                f"{self.shown(request)}: a rule of the source calls this answer {answered.action!r}, which a search "
                "has no use for. Remove the rule.",
                action=Action.CONFIG,
                status=answered.response.status,
            )
        return answered.value

    def shown(self, request: Request) -> str:
        return self._requester.describe(request)

    def _look(self, path: str, query: Pairs = ()) -> Request:
        """At what credentials may not be allowed to see that may read the indices."""
        return replace(self._request("GET", path, query), may_be_forbidden=True)

    def _request(self, method: str, path: str, query: Pairs = (), body: Any = None) -> Request:
        url, _ = join(self._api_url, path)
        content = b"" if body is None else msgspec.json.encode(body)
        return Request(method, with_query(url, query), _JSON if content else (), content)


def closed_words(search: Search, closed: Sequence[str]) -> str:
    return (
        f"Closed indices match {search.index!r}, and no search would find their documents: {some_of(closed)}. Open "
        f'them, or leave them out: index = "{search.index},-{closed[0]}".'
    )


def some_of(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(repr, names[:_MOST_NAMED])) + more


class FieldCapability(msgspec.Struct, frozen=True):
    searchable: bool = True
    indices: tuple[str, ...] = ()


class _Capabilities(msgspec.Struct, frozen=True):
    indices: tuple[str, ...]
    fields: dict[str, dict[str, FieldCapability]]


class _ResolvedIndex(msgspec.Struct, frozen=True):
    name: str
    attributes: tuple[str, ...] = ()


class _Resolved(msgspec.Struct, frozen=True):
    indices: tuple[_ResolvedIndex, ...]


def _told(body: bytes, kind: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise BodyError(f"the {what} are not told: {error}") from error
