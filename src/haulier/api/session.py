"""The API as a processor uses it: one value, one answer, or all pages of a list."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from haulier.api.answers.judgement import EXPECTED_PAGE, ExpectedAnswer, Rule
from haulier.api.body_format import PLAIN_JSON, BodyFormat
from haulier.api.errors import Action, BodyError
from haulier.api.http.transport import Response
from haulier.api.http.urls import Link, LinkError, OtherOriginError, Pairs, Query, join, pairs_of
from haulier.api.jobs.job import Job
from haulier.api.jobs.job_runner import JobRunner
from haulier.api.paging.graphql import GraphQL
from haulier.api.paging.link_address import address_of
from haulier.api.paging.list_reader import Listing
from haulier.api.paging.loop_guard import MAX_PAGES
from haulier.api.paging.page_iterator import PageIterator
from haulier.api.paging.pages_ahead import check_parallel, is_parallel
from haulier.api.paging.paginator import PageRequest, Paginator
from haulier.api.paging.totals import Total
from haulier.api.paging.wire_request import wire_request
from haulier.api.records.empty_forms import EmptyForms
from haulier.api.records.page import Page, not_json_error, text_of
from haulier.api.records.paths import ROOT, check_path, explain_missing, raw_at
from haulier.api.records.record_finder import LIST, check_shape
from haulier.api.records.skipped_rows import Skip
from haulier.api.requester import ApiParts, ItemPlace, Requester, Usage
from haulier.api.search.body import span_of
from haulier.api.search.index_check import check_search
from haulier.api.search.knowledge import SearchKnowledge
from haulier.api.search.reader import SearchReader
from haulier.api.search.search import Search
from haulier.api.search.server import SearchServer
from haulier.errors import ItemError, UsageError
from haulier.items.feed_start import FeedEnd, FeedStart
from haulier.items.windows import TimeWindow

MAX_FEED_CHARACTERS = 64 * 1024
"""Links of Microsoft Graph grow with the properties that are selected, to some thousands of characters."""

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


class ItemApi:
    """The API for one item, with the source's credentials and limits.

    Paths are appended to the source's url. Methods raise `ApiError`, whose ``action`` says what becomes of the item,
    and `UsageError` for what cannot be sent.
    """

    def __init__(
        self,
        parts: ApiParts,
        place: ItemPlace | None = None,
        *,
        is_suspect: bool = False,
        search_knowledge: SearchKnowledge | None = None,
    ) -> None:
        self._parts = parts
        self._search_knowledge = search_knowledge or SearchKnowledge(parts.clock)
        self._requester = Requester(parts, place, is_suspect=is_suspect)
        self.assumption = ""
        """For `haulier try`: the first assumption about an answer, in words."""
        self.most_pages: int | None = None
        """For `haulier try`: lists end after so many pages."""

    @property
    def usage(self) -> Usage:
        return self._requester.usage

    @property
    def is_waiting(self) -> bool:
        return self._requester.is_waiting

    @property
    def is_held(self) -> bool:
        """It waits because a person holds the source, or for a job."""
        return self._requester.awaits_job or (self.is_waiting and self._parts.scope.held is not None)

    async def close(self) -> None:
        """End what is under way before its turn."""
        await self._requester.end_ahead()

    async def json(self, path: str, query: Query | None = None, *, at: str | None = None) -> Any:
        """GET ``path``, and decode the answer, or its value at the dotted path ``at``. None where a rule says
        `absent`, or `end` under an error status.

        Numbers become Python's; `pages` keeps their digits.
        """
        place = check_path(at or ROOT)

        def read(response: Response) -> Any:
            body = text_of(response.body)
            try:
                found = raw_at(body, place)
                if found is None:
                    raise BodyError(explain_missing(body, place))
                return msgspec.json.decode(found)
            except (msgspec.DecodeError, RecursionError) as error:
                raise not_json_error(body, error) from error

        request = wire_request(self._first("GET", path, query, None, ()), self._parts.settings.url)
        # "No more pages" is said of lists; one value that came with it is an answer.
        answered = await self._requester.send(
            request,
            read,
            read_end=lambda response, judgement: read(response) if judgement.action is Action.END else None,
        )
        return answered.value

    async def request(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        json: Any = None,
        headers: Headers = (),
        *,
        form: Query | None = None,
        expected: ExpectedAnswer = EXPECTED_PAGE,
    ) -> Response:
        """Return one answer with a good status as it came. ``json`` is the body, or ``form`` the fields of one.

        The request may be sent more than once, so it must change nothing at the API.
        """
        request = wire_request(self._first(method, path, query, json, headers, form), self._parts.settings.url)
        if isinstance(json, GraphQL):
            expected = replace(expected, graphql_errors=json.allowed_errors)
        return (await self._requester.send(request, lambda response: response, expected=expected)).response

    def pages(
        self,
        path: str,
        query: Query | None = None,
        *,
        pages: Paginator,
        records: str,
        total: Total | None = None,
        method: str = "GET",
        json: Any = None,
        headers: Headers = (),
        max_pages: int = MAX_PAGES,
        empty: Iterable[str | int] = (),
        shape: str = LIST,
        format: str | BodyFormat = PLAIN_JSON,
        form: Query | None = None,
        skip: Iterable[Skip] = (),
        job: Job | None = None,
    ) -> AsyncIterator[Page]:
        """Iterate over the pages of a list, as the bytes that the API sent. Empty pages are left out.

        ``records`` is the dotted path of the list in each body (``.``: the body itself). An iteration that ends without
        an error has read the whole list, and met an exact ``total``. ``empty`` names further forms of a page without
        records: "null", "absent", "false", "empty object" or "empty text" at the path, "no body", or a status such as
        204 or 404. Undeclared forms are errors. A ``*`` in ``records`` is each member of a list or object
        (``groups.*.items``). ``shape`` says what stands there in place of a list: "object", one record; "list or
        object"; "values", an object of records by their keys. ``format`` is a `BodyFormat`, or the name of one:
        "ndjson", "json-seq" or "csv". ``form`` has the fields of a POST's form, in place of ``json``.
        Rows that a rule of ``skip`` takes are no records. With a ``job``, the request starts one, and all else is about
        its result.
        """
        graphql_errors = None
        if isinstance(json, GraphQL):
            json.check_pages(pages)
            graphql_errors = json.allowed_errors
        check_parallel(pages, total)
        reads_ahead = is_parallel(pages) and self.most_pages is None
        forms = EmptyForms.of(empty)
        written = format if isinstance(format, BodyFormat) else BodyFormat(format)
        listing = Listing(
            pages,
            check_path(records),
            total,
            max_pages,
            forms,
            check_shape(shape),
            written,
            tuple(skip),
            reads_ahead,
            graphql_errors,
        )
        scope, began_at = self._parts.scope, self._parts.clock.monotonic()

        def walk(listing: Listing, first: PageRequest) -> AsyncGenerator[Page, None]:
            iterator = PageIterator(
                self._requester,
                self._parts.settings.url,
                listing,
                has_succeeded_meanwhile=lambda: scope.has_succeeded_since(began_at),
                note=self._assume,
            )
            return iterator.pages(first)

        first = self._first(method, path, query, json, headers, form)
        if job is None:
            found = walk(listing, first)
        else:
            found = JobRunner(self._requester, self._parts, job, listing, walk).pages(first)
        return found if self.most_pages is None else _first_of(found, self.most_pages)

    def search(
        self, search: Search, window: TimeWindow | None = None, *, rules: Iterable[Rule] = ()
    ) -> AsyncIterator[Page]:
        """Iterate over the documents of Elasticsearch or OpenSearch in a window, as the bytes that the server sent;
        over all of the index without one.

        An iteration that ends without an error has read as many documents as the server counts, each once.
        ``rules`` precede the source's.
        """
        if window is not None and not search.time:
            raise UsageError("A search without a `time` cannot be asked for a window. Name the field of the time.")
        span = None if window is None else span_of(search, window)
        is_sample = self.most_pages is not None
        reader = SearchReader(self._requester, self._search_server(rules), search, span, is_sample=is_sample)
        found = reader.pages()
        return found if self.most_pages is None else _first_of(found, self.most_pages)

    async def check_search(self, search: Search, *, rules: Iterable[Rule] = ()) -> None:
        """Look whether windows find every document of a search: before a run, in an enumerator. Raises `UsageError`
        where no index has the name, where its field of time is not mapped, or where documents lack it."""
        await check_search(self._search_server(rules), search)

    def _search_server(self, rules: Iterable[Rule]) -> SearchServer:
        parts = self._parts
        return SearchServer(self._requester, parts.settings.url, self._search_knowledge, tuple(rules))

    def end_feed(self, end: str, since: FeedStart, *, has_expired: bool = False) -> None:
        """Say that the item has read its feed from ``since`` on, and that it goes on at ``end``: a token, a link, or
        what else the next run needs.

        The next incremental run begins there once the item's records are in the lake and its run is closed. With
        ``has_expired`` the item read the feed from its beginning, since the API did not go on at ``since``.
        """
        if not end or len(end) > MAX_FEED_CHARACTERS:
            raise UsageError(
                f"A feed ends at a token of {len(end):,} characters; expected 1 to {MAX_FEED_CHARACTERS:,}."
            )
        self.usage.feed_end = FeedEnd("" if has_expired else since.feed, end, has_expired)

    def hide_parameter(self, name: str) -> None:
        """Mask what a parameter, or a field of a body, holds, in all that is shown or written of requests: a token that
        opens more than a place."""
        self._parts.redactor.add_name(name)

    def _assume(self, what: str) -> None:
        self.assumption = self.assumption or what

    def _first(
        self, method: str, path: str, query: Query | None, json: Any, headers: Headers, form: Query | None = None
    ) -> PageRequest:
        home = self._parts.settings.url
        if form is not None and (json is not None or method == "GET"):
            raise UsageError(
                "A form is the body of a POST, in place of `json`. Give one of the two, and not with a GET."
            )
        if isinstance(json, GraphQL):
            if method != "POST":
                raise UsageError(f'A GraphQL query is sent by POST, and not by {method}. Write method="POST".')
            json = json.body
        fields = None if form is None else pairs_of(form)
        if isinstance(path, Link):
            return PageRequest(_followed(path, home), pairs_of(query), method, _pairs(headers), json, fields)
        try:
            url, own = join(home, path)
        except LinkError as error:
            raise UsageError(
                f"{path!r} is not a path of this API: {error}. Give a path relative to its url."
            ) from error
        return PageRequest(url, (*own, *pairs_of(query)), method, _pairs(headers), json, fields)


_OWN_ORIGIN_ADVICE: Final = (
    ' If the API builds its links with an inner host or with http, write link_origin = "own" in the stream: their path '
    "and query are then asked for at the API's own url."
)


def _followed(link: Link, home: str) -> str:
    """Relative links are so to the API's url, not to the answer that gave them, which may be of another process."""
    try:
        base = f"{home.rstrip('/')}/"
        return address_of(link, base=base, home=home, link_origin=link.link_origin, link_base=link.link_base)
    except LinkError as error:
        may_be_inner = isinstance(error, OtherOriginError) and not link.link_origin
        raise ItemError(
            f"The link of a record is not followed: {error}. Nothing was sent there, since the credentials go with "
            f"each request.{_OWN_ORIGIN_ADVICE if may_be_inner else ''}"
        ) from error


def _pairs(headers: Headers) -> Pairs:
    return tuple(headers.items()) if isinstance(headers, Mapping) else tuple(headers)


async def _first_of(pages: AsyncGenerator[Page, None], count: int) -> AsyncIterator[Page]:
    async with contextlib.aclosing(pages):
        async for page in pages:
            count -= 1
            if not count:
                # Before the last page: who looks at it may end the client, and what is to be given back would be lost.
                await pages.aclose()
            yield page
            if not count:
                break
