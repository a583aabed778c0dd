"""Reads one item's list."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import replace
from typing import Final

from haulier.api.body_format import PLAIN_JSON
from haulier.api.errors import Action, ApiError, BodyError, MovedError, PagingError, Shape
from haulier.api.http.transport import Request
from haulier.api.http.urls import LinkError, OtherOriginError
from haulier.api.paging.capped_total import cap_error, is_cap_like
from haulier.api.paging.count_check import Probe, check_of
from haulier.api.paging.cursors import Seek, zero_advice
from haulier.api.paging.inner_pages import CUT_WARNING, are_cut
from haulier.api.paging.kept_query import shown_names
from haulier.api.paging.links import OData
from haulier.api.paging.list_end import looks_behind_full_end, requests_past_end
from haulier.api.paging.list_reader import Listing, ListPage, ListReader
from haulier.api.paging.loop_guard import LoopGuard, PaginationLoopError
from haulier.api.paging.neighbours import Neighbours
from haulier.api.paging.page_size import is_too_large, may_be_past_end
from haulier.api.paging.pages_ahead import PagesAhead, requests_ahead
from haulier.api.paging.paginator import PageRequest, Single, is_counting, kind_of
from haulier.api.paging.positions import append_end_advice
from haulier.api.paging.sign_watch import SignWatch
from haulier.api.paging.totals import Promise
from haulier.api.paging.wire_request import wire_request
from haulier.api.records.first_page import FirstPage
from haulier.api.records.next_sign import SignReport
from haulier.api.records.page import Body, Page
from haulier.api.requester import Answered, Requester
from haulier.api.scope.gate import Ahead

REPORTED_EMPTY_PAGES: Final = 100
"""Empty pages in a row that a person is told of. Microsoft Graph sends some, a sparse search hundreds."""

CHARSET_WARNING: Final = (
    "answers are read as UTF-8, which they are, although their header says otherwise; a charset in `format` settles it"
)

BESIDE_WARNING: Final = (
    "answers have records, and beside them something that looks like a failure; a rule with `at` says what it is: "
    '"retry_later" where records are missing then, "ok" where none is'
)

_OWN_ORIGIN_ADVICE: Final = (
    ' If it stands behind a proxy, and builds its links with an inner host or with http, write link_origin = "own" in '
    "`pages`: their path and query are then asked for at the API's own url."
)

logger = logging.getLogger("haulier.api")


class PageIterator:
    def __init__(
        self,
        requester: Requester,
        api_url: str,
        listing: Listing,
        *,
        has_succeeded_meanwhile: Callable[[], bool],
        note: Callable[[str], None],
    ) -> None:
        """``has_succeeded_meanwhile``: a request of the scope succeeded since the item began. ``note`` is told what was
        taken for granted."""
        self._requester = requester
        self._next_signs = SignWatch(requester)
        self._has_succeeded_meanwhile = has_succeeded_meanwhile
        self._note = note
        self._api_url = api_url
        self._listing = listing
        self._guard = LoopGuard(listing.max_pages)
        self._reader = ListReader(listing, api_url, self._guard, note)
        self._kind = kind_of(listing.paginator)
        self._check = check_of(self._kind)
        self._neighbours = Neighbours()
        self._ahead: PagesAhead | None = None
        self._empty_pages = 0
        self._skipped = 0
        self._lacking: tuple[str, ...] = ()
        """Parameters that links lack."""
        self._tried_smaller_after_500 = False
        self._tail: list[bytes] = []
        """Records that the next page must begin with."""

    async def pages(self, request: PageRequest) -> AsyncGenerator[Page, None]:
        """Raises `ApiError` at an end that is not the API's."""
        first = self._listing.paginator.first(request)
        following: PageRequest | None = first
        try:
            while following is not None:
                answered, read = await self._ask(following)
                if read is None:
                    self._requester.usage.ended_lists += following is first
                    break
                if is_first := following is first:
                    first = answered  # The total is asked for again as the first page was answered.
                    self._note_lack(read)
                    self._note_first_page(read)
                page, following = await self._take(answered, read), read.following
                await self._look_into(answered, read.page)
                if read.past_end is not None:
                    await self._prove_total(read.past_end)
                if is_first and self._listing.reads_ahead and following is not None:
                    self._begin_ahead(answered, following, read)
                # A page keeps its body alive, which must not be there twice while the next one comes.
                del read
                page = self._kept(page)
                if page.records:
                    yield page
                del page
        finally:
            if self._ahead is not None:
                await self._ahead.close()
        await self._compare_with_total(first)

    def _kept(self, page: Page) -> Page:
        kept = self._reader.kept(page)
        if self._listing.graphql_errors is not None and are_cut(kept.slices):
            self._requester.say_once(CUT_WARNING)
        self._skipped += len(page) - len(kept)
        self._requester.usage.counts.skipped += len(page) - len(kept)
        return kept

    def _begin_ahead(self, answered: PageRequest, following: PageRequest, read: ListPage) -> None:
        promise, total = self._reader.promise, self._listing.total
        if total is None or promise is None or promise.first is None:
            return  # The total is not exact here.
        requests = requests_ahead(
            self._listing.paginator, answered, following, len(read.page), total.counts_hidden, promise.first
        )
        self._ahead = PagesAhead(
            self._ask_early,
            self._requester,
            itertools.islice(requests, self._listing.max_pages - 1),
            read.size_bytes,
        )
        self._ahead.begin()

    async def _ask_early(self, request: PageRequest, ahead: Ahead) -> Answered[Body]:
        return await self._requester.send(
            self._wire(request),
            self._reader.body_of,
            expected=self._listing.expected(),
            rules=request.end_rules,
            is_first_page=False,
            read_anew=lambda response: self._reader.anew().read(request, response),
            ahead=ahead,
        )

    def _note_first_page(self, read: ListPage) -> None:
        total = self._listing.total
        is_exact = total is not None and total.is_exact and read.total is not None and not read.is_at_least
        self._requester.note_first_page(
            FirstPage(
                records=len(read.page),
                total=read.total,
                has_more=read.following is not None,
                is_total_exact=is_exact,
                is_total_least=read.is_at_least,
                is_only=isinstance(self._kind, Single),
                extra_requests=0 if is_exact else requests_past_end(self._kind),
                looks_behind_full_end=total is not None and is_exact and looks_behind_full_end(self._kind, total),
                divide_above=0 if total is None else total.divide_above,
            )
        )

    async def _ask(self, request: PageRequest) -> tuple[PageRequest, ListPage | None]:
        """Return the request that was answered, perhaps a smaller one; None for an end without a page."""
        refused: ApiError | None = None
        while True:
            try:
                return request, await self._send(request)
            except ApiError as error:
                if request.pages_past_end and may_be_past_end(error):
                    return request, None
                if refused is not None and not is_too_large(error):
                    # A smaller page that the API does not take at all changes nothing about the larger one.
                    if error.action is Action.POISON or error.status == 500:
                        raise refused from error
                    raise
                smaller = self._smaller(request, error)
                if smaller is None:
                    if self._reader.has_begun and (self._reader.promise is None or self._reader.promise.first is None):
                        append_end_advice(error, self._kind)
                    raise
                refused, request = error, smaller

    def _smaller(self, request: PageRequest, error: ApiError) -> PageRequest | None:
        if request.smaller is None:
            return None
        if not is_too_large(error):
            # Many an error 500 is a page that is too much. Others get their answers: else it may be the API's trouble.
            if error.status != 500 or self._tried_smaller_after_500 or not self._has_succeeded_meanwhile():
                return None
            self._tried_smaller_after_500 = True
        return request.smaller(request)

    async def _send(self, request: PageRequest) -> ListPage | None:
        wire = self._wire(request)
        with self._naming_request(request):
            self._guard.check_request(wire, is_past_end=request.pages_past_end == 1)
        if self._ahead is None:
            return await self._send_in_turn(request, wire)
        try:
            return await self._take_early(self._ahead, request) or await self._send_in_turn(request, wire)
        finally:
            # The newest that was sent is another page.
            self._requester.usage.last_request = wire

    async def _send_in_turn(self, request: PageRequest, wire: Request) -> ListPage | None:
        empty = self._listing.empty.behind_token if request.has_token else self._listing.empty
        answered = await self._requester.send(
            wire,
            lambda response: self._reader.read(request, response),
            expected=self._listing.expected(empty, has_page_token=request.has_token),
            rules=request.end_rules,
            is_first_page=not self._reader.has_begun,
            read_end=self._reader.read_end,
            read_anew=lambda response: self._reader.anew().read(request, response),
        )
        if (charset := answered.response.charset_problem) is not None:
            self._requester.say_once(CHARSET_WARNING, header=charset.reason)
        if answered.value is not None and answered.value.failure_at and not answered.is_by_rule:
            self._requester.say_once(BESIDE_WARNING, at=answered.value.failure_at)
        if answered.value is None and not self._reader.has_begun:
            self._requester.usage.ended_by = answered.response
        return answered.value

    async def _take_early(self, ahead: PagesAhead, request: PageRequest) -> ListPage | None:
        try:
            answered = await ahead.take(request)
            if answered is None or answered.value is None:
                return None
            return self._reader.read(request, answered.response, answered.value)
        except BodyError:
            return None  # It is asked for once more, as after any answer that makes no sense.

    async def _take(self, request: PageRequest, read: ListPage) -> Page:
        """Return what is new of a page."""
        if read.error is not None:
            raise PagingError(f"{self._shown(request)}: {read.error}", action=read.error.action)
        if read.feed_mark is not None:
            self._requester.usage.feed_mark = read.feed_mark
        if read.sign_report is not None:
            await self._check_sign(request, read, read.sign_report)
        lacks = () if read.following is None else read.following.missing_parameters
        self._lacking = self._lacking or lacks
        if isinstance(self._kind, OData):  # Its options are in the token. Without the filter other records would come.
            lacks = tuple(name for name in lacks if not name.startswith("$") or name == "$filter")
        if lacks and not self._reader.has_begun:
            self._requester.say_once(
                "links to the next page lack parameters of the first request; if records come that these should keep "
                "out, write keep_query = true in `pages`",
                parameters=", ".join(lacks),
            )
        # The only page of its walk can be no repetition, nor can the records that were asked for again.
        if (read.following is not None or read.past_end is not None or self._guard.pages > 1) and (
            len(read.page) > request.overlap
        ):
            with self._naming_request(request):
                self._guard.check_page(read.page)
        if self._reader.promise is not None:
            promise = self._reader.promise
            self._check_cap(request, read.total, is_at_least=read.is_at_least)
            if read.is_at_least:
                # What is only known to be so much or more ends nothing, and promises nothing.
                self._reader.promise = None
            else:
                with self._naming_request(request):
                    promise.note(read.total)
        page = self._new_of(read.page, request)
        self._note_empty(page)
        self._reader.take(len(read.page), len(page) - self._reader.uncounted(page.records))
        if self._check is None and self._neighbours.note(page):
            self._note_repeated(request)
        if read.following is not None and read.following.overlap:
            self._tail = [bytes(record) for record in read.page.records[-read.following.overlap :]]
        return page

    def _note_empty(self, page: Page) -> None:
        """Some APIs filter after a page is cut; others go on for ever past their end."""
        self._empty_pages = 0 if page.records else self._empty_pages + 1
        if self._empty_pages == REPORTED_EMPTY_PAGES:
            if end_if := getattr(self._kind, "end_if", ""):
                raise PagingError(
                    f"{REPORTED_EMPTY_PAGES} pages in a row hold no record, and no link said the end by {end_if!r}. "
                    'Correct `end_if` in `pages`, or write end = ["empty page"] there.'
                )
            self._requester.say_once(
                f"{REPORTED_EMPTY_PAGES} pages in a row hold no record; if the list has ended, and its token or link "
                'goes on, write end = ["empty page"] in `pages`'
            )

    def _note_repeated(self, request: PageRequest) -> None:
        """Behind a seek, whose key is unique, a repeated record is an error."""
        if isinstance(self._kind, Seek):
            raise PagingError(
                f"{self._shown(request)}: the page begins with the record that the page before ended with. "
                "Write inclusive = true in `pages`: the API sends the record with the key again."
            )
        self._requester.usage.counts.repeated += 1

    async def _look_into(self, request: PageRequest, page: Page) -> None:
        total = None if self._reader.promise is None else self._reader.promise.last
        probe: Probe | None = None if self._check is None else self._check.note(request, page, total)
        if probe is None:
            return
        wire, expected = self._wire(probe.request), self._listing.expected()
        try:
            answered = await self._requester.send(
                wire, lambda response: self._reader.body_of(response).page, expected=expected, is_first_page=False
            )
        except ApiError as error:
            if not may_be_past_end(error):
                raise
        else:
            if answered.value is not None:
                self._check_probe(probe, answered.value)

    def _check_probe(self, probe: Probe, found: Page) -> None:
        try:
            probe.judge(found)
        except MovedError:
            # Where the total may move, the list may: it was declared, and is listed as drift.
            if self._reader.promise is None or not self._reader.promise.may_move:
                raise

    async def _prove_total(self, request: PageRequest) -> None:
        """Raise `PagingError` where records come after the total, or where it may be a cap."""
        wire = self._wire(request)
        shown = self._requester.describe(wire)
        self._guard.check_request(wire, is_past_end=True)
        try:
            answered = await self._requester.send(
                wire,
                self._reader.read_past_end,
                expected=self._listing.expected(has_page_token=request.has_token),
                rules=request.end_rules,
                is_first_page=False,
                read_end=lambda response, judgement: None,
            )
        except ApiError as error:
            if not may_be_past_end(error):
                raise
            if is_cap_like(self._reader.received):
                raise cap_error(shown, self._reader.received, error.status) from error
            return
        found = answered.value
        if found is None or len(found.page) <= request.overlap or self._guard.knows(found.page):
            return  # Past its end the list begins again, at some APIs, or ends with its last page for ever.
        if found.total is None or found.total <= self._reader.received:
            raise cap_error(shown, self._reader.received, has_skip=self._counts_skipped)

    def _note_lack(self, read: ListPage) -> None:
        """A list of one page and a misspelt path look the same."""
        if read.following is None and read.sign_report is not None and read.sign_report.lack:
            self._note(f"{read.sign_report.lack}: taken as the last page")

    async def _check_sign(self, request: PageRequest, read: ListPage, report: SignReport) -> None:
        records = len(read.page)
        must_be_likely = not self._reader.has_begun and records > 0 and not self._reader.is_total_reached(read)
        await self._next_signs.check(
            request, report, records, must_be_likely=must_be_likely, shown=lambda: self._shown(request)
        )

    def _new_of(self, page: Page, request: PageRequest) -> Page:
        overlap = request.overlap
        if not overlap:
            return page
        if [bytes(record) for record in page.records[:overlap]] != self._tail:
            raise MovedError(
                f"{self._shown(request)}: the page does not begin with the records that the page before ended "
                "with. Records were added or removed while the item was read; it begins again. If it happens each "
                "time, ask for less at a time; or, where the API leaves out rows that you may not see, "
                'write advance = "limit" in place of `overlap`.'
            )
        return replace(page, records=page.records[overlap:], keys=page.keys[overlap:])

    def _check_cap(self, request: PageRequest, total: int | None, *, is_at_least: bool) -> None:
        """Divide an item above the API's cap, above which nothing comes."""
        cap = 0 if self._listing.total is None else self._listing.total.divide_above
        if cap and total is not None and (total > cap or (total == cap and is_at_least)):
            more = " or more" if is_at_least else ""
            raise ApiError(
                f"{self._shown(request)}: the API has {total} records here{more}, and hands out no more than {cap} for "
                "one query (`divide`). It is divided if it can be; plan smaller items by `step`, or by `length` and "
                "`longest` of prefixes.",
                action=Action.SPLIT,
            )

    @contextlib.contextmanager
    def _naming_request(self, request: PageRequest) -> Iterator[None]:
        try:
            yield
        except (MovedError, PaginationLoopError) as error:
            lacks = shown_names(request.missing_parameters)
            advice = (
                f" The links lack {lacks} of the first request; keep_query = true adds what they lack." if lacks else ""
            )
            if isinstance(error, PaginationLoopError):
                advice += zero_advice(self._kind, request)
            raise type(error)(f"{self._shown(request)}: {error}{advice}") from None

    def _shown(self, request: PageRequest) -> str:
        return self._requester.describe(self._wire(request))

    def _wire(self, request: PageRequest) -> Request:
        """Raises `ApiError` for a link to another origin."""
        try:
            wire = wire_request(request, self._api_url)
            return wire if self._listing.form is PLAIN_JSON else wire.replace(format=self._listing.form)
        except LinkError as error:
            may_be_inner = isinstance(error, OtherOriginError) and getattr(self._kind, "link_origin", None) == ""
            raise PagingError(
                f"The API's link to page {self._guard.pages + 1} is not followed: {error}. Nothing was sent there, "
                "since the credentials go with each request. If the API has moved, correct its url."
                f"{_OWN_ORIGIN_ADVICE if may_be_inner else ''}",
                action=Action.POISON,
            ) from error

    async def _compare_with_total(self, first: PageRequest) -> None:
        """Ask once more where the records differ."""
        promise, total, received = self._reader.promise, self._listing.total, self._reader.received
        if promise is None or total is None or promise.first is None:
            return
        if promise.is_kept(received):
            self._note_kept(promise, promise.first)
            return
        if not total.is_exact:
            logger.info(
                "the records differ from the API's estimate",
                extra={"records": received, "estimate": promise.first},
            )
            return
        wire = self._wire(first)
        answered = await self._requester.send(
            wire,
            lambda response: self._reader.total_of(total, response),
            expected=self._listing.expected(),
            rules=first.end_rules,
            read_end=lambda response, judgement: self._reader.total_of(total, response),
        )
        again = answered.value
        if again is not None and promise.fits(received, again) and (promise.may_move or again == promise.first):
            self._note_kept(promise, again)
            return
        if again is not None:
            with self._naming_request(first):
                promise.check_stands(again)
        text = (
            f"{self._requester.describe(wire)}: the API promised {promise.first} records and sent {received}; asked "
            f"again, it promises {again}. Check `records`, `pages` and `total` of the stream (does "
            "it count just these records?); if they are right, "
            f"records moved while they were read, or the API does not keep its word.{self._remedy()}"
        )
        leads_astray = bool(self._lacking) and received > promise.first
        if leads_astray or (self._check is not None and self._check.hides_rows):
            raise PagingError(text)
        # Part of it may be kept: some APIs hand out no more than so many records, and do not say so.
        shape = Shape.COUNT if again == promise.first else Shape.NONE  # A list that moves is no fault of the source.
        raise ApiError(text, action=Action.RESTART, shape=shape, likeness=_likeness(promise.first, received))

    @property
    def _counts_skipped(self) -> bool:
        total = self._listing.total
        return bool(self._listing.skip) and total is not None and total.counts_skipped

    def _note_kept(self, promise: Promise, total: int) -> None:
        """An item may have several walks."""
        usage = self._requester.usage
        usage.drift = promise.drift(total) or usage.drift
        usage.counts.hidden += total - self._reader.received
        if total > self._reader.received == 0:
            logger.warning("all rows of a list are hidden from us", extra={"rows": total})

    def _remedy(self) -> str:
        if self._lacking:
            return f" The links lack {shown_names(self._lacking)} of the first request; keep_query = true adds them."
        if self._skipped and self._listing.skip:
            does, do = ("leaves out", "write") if self._counts_skipped else ("counts", "leave out")
            return f" If it {does} the rows that `skip` passes over, {do} counts_skipped = false in `total`."
        if not is_counting(self._kind):
            return ""
        return (
            ' If it counts rows that you may not see, write is = "bound" in `total`, and page an offset with '
            'advance = "limit".'
        )


def _likeness(promised: int, received: int) -> tuple[str, str]:
    """A total of something else is off by as much, or the same, whatever is asked for; or is always too low."""
    off = "too few promised" if received > promised else f"{promised - received} too many promised"
    return off, f"{promised} promised"
