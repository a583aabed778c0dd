"""Reads the answers of one list: records, what follows, and the total."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from haulier.api.answers.graphql_errors import count_errors
from haulier.api.answers.judgement import ExpectedAnswer, Judgement
from haulier.api.body_format import CSV, PLAIN_JSON, BodyFormat
from haulier.api.errors import Action, ApiError, BodyError, PagingError
from haulier.api.http.transport import Response
from haulier.api.http.urls import LinkError
from haulier.api.paging.capped_total import CappedTotal
from haulier.api.paging.inner_pages import check_each
from haulier.api.paging.kept_query import shown_names
from haulier.api.paging.loop_guard import MAX_PAGES, LoopGuard
from haulier.api.paging.pages_ahead import is_parallel
from haulier.api.paging.paginator import PageAnswer, PageRequest, Paginator, is_counting
from haulier.api.paging.totals import Promise, Total
from haulier.api.paging.wire_request import wire_request
from haulier.api.records.empty_forms import EMPTY_LIST_ONLY, EmptyForms, failure_at_top, may_be_message
from haulier.api.records.line_reader import check_lines, reader_of
from haulier.api.records.next_sign import SignReport
from haulier.api.records.page import Body, Page
from haulier.api.records.paths import ROOT, describe
from haulier.api.records.record_finder import LIST
from haulier.api.records.skipped_rows import NULL_ROW, Skip, Skipper, is_null
from haulier.plurals import count_of

_BEFORE_OBJECT: Final = b" \t\r\n\x1e"


@dataclass(frozen=True, slots=True)
class Listing:
    paginator: Paginator
    records: str
    """Path of the records in each body."""
    total: Total | None = None
    max_pages: int = MAX_PAGES
    empty: EmptyForms = EMPTY_LIST_ONLY
    shape: str = LIST
    form: BodyFormat = PLAIN_JSON
    skip: tuple[Skip, ...] = ()
    """Rows that are no records."""
    reads_ahead: bool = False
    """Pages are asked for before their turn."""
    graphql_errors: tuple[str, ...] | None = None
    """As `ExpectedAnswer.graphql_errors`."""

    def __post_init__(self) -> None:
        total_at = "" if self.total is None else self.total.at
        check_lines(self.form, self.records, self.shape, self.empty, total_at)

    def expected(self, empty: EmptyForms | None = None, *, has_page_token: bool = False) -> ExpectedAnswer:
        return ExpectedAnswer(
            has_page_token=has_page_token,
            empty=self.empty if empty is None else empty,
            form=self.form,
            records=self.records,
            shape=self.shape,
            records_in=self.records_in,
            graphql_errors=self.graphql_errors,
        )

    def records_in(self, body: bytes) -> Sequence[bytes]:
        """Return what are surely records: an only object, or an only line, may be a message as well, and so may what
        has nothing but a message."""
        try:
            page = reader_of(self.form, self.records, self.empty, "", self.shape).read(body).page
        except (ApiError, BodyError):
            return ()
        if self.form.kind == CSV:
            return (body,) if page else ()
        is_list = self.shape == LIST and not self.form.has_lines
        if len(page) == 1 and not (is_list and failure_at_top(page.records[0]) is None):
            return ()
        return [each for each in page.records if not may_be_message(each)]


@dataclass(frozen=True, slots=True)
class ListPage:
    page: Page
    following: PageRequest | None
    total: int | None
    is_at_least: bool = False
    """The total's guard does not hold: there are so many records or more."""
    past_end: PageRequest | None = None
    """Page after the total, which would prove it."""
    sign_report: SignReport | None = None
    feed_mark: str | None = None
    """Where a feed goes on behind this page; None where the page is not to tell."""
    size_bytes: int = 0
    """Of the body."""
    failure_at: str = ""
    """Path of something beside the records that looks like a failure."""
    error: PagingError | None = None
    """Raised after the answer was noted as a good one."""


class ListReader:
    """Reads answers without taking note, since one may be asked for again; `take` counts a page."""

    def __init__(self, listing: Listing, api_url: str, guard: LoopGuard, note: Callable[[str], None]) -> None:
        self._listing = listing
        self._api_url = api_url
        self._guard = guard
        self._note = note
        total = listing.total
        total_at = total.at if total is not None and total.is_exact else ""
        takes_null = listing.graphql_errors is not None or NULL_ROW in listing.skip
        self._pages = reader_of(
            listing.form, listing.records, listing.empty, total_at, listing.shape, takes_null=takes_null
        )
        self.promise: Promise | None = None
        if total is not None:
            counts, is_ahead = is_counting(listing.paginator), is_parallel(listing.paginator)
            self.promise = Promise(total, is_counting=counts, is_parallel=is_ahead)
        is_query = listing.graphql_errors is not None
        self._skipper = (
            Skipper((*listing.skip, NULL_ROW)) if is_query else Skipper(listing.skip) if listing.skip else None
        )
        self._capped = (
            None
            if total is None
            else CappedTotal(total, listing.paginator, has_skip=bool(listing.skip) and total.counts_skipped)
        )
        self.received = 0
        self.has_begun = False

    def anew(self) -> ListReader:
        return ListReader(self._listing, self._api_url, LoopGuard(self._listing.max_pages), lambda assumption: None)

    def take(self, count: int, new_count: int) -> None:
        self.has_begun = True
        if self._capped is not None:
            self._capped.note(count)
        self.received += new_count

    def uncounted(self, records: Sequence[bytes]) -> int:
        """Those that are skipped, where the total leaves them out."""
        total = self._listing.total
        return self._skipper.count(records) if self._skipper is not None and total and not total.counts_skipped else 0

    def kept(self, page: Page) -> Page:
        return page if self._skipper is None else self._skipper.kept(page)

    def read(self, request: PageRequest, response: Response, body: Body | None = None) -> ListPage:
        """``body``: of the response, where it was read already."""
        body = self.body_of(response) if body is None else body
        if request.pages_past_end and self._guard.knows(body.page):
            # Past its end the list begins again, at some APIs. Links that drop the filter lead into another list.
            error = self._other_list(request) if request.missing_parameters else None
            return ListPage(Page(()), None, None, error=error)
        received = self.received + max(0, len(body.page) - request.overlap)
        if self._skipper is not None:
            received -= self.uncounted(body.page.records[request.overlap :])
        answer = PageAnswer(
            body, response.url, response.headers, received, is_first=not self.has_begun, home=self._api_url
        )
        total, is_at_least = None, False
        if self.promise is not None and self._listing.total is not None:
            total = self.promise.said_by(answer)
            is_at_least = self._listing.total.is_exact and not self._listing.total.binds(answer)
            if self._listing.total.is_exact and not is_at_least:
                known, counts_hidden = self.promise.known(total), self._listing.total.counts_hidden
                answer = replace(answer, total=known, counts_hidden=counts_hidden)
        if not response.is_delimited:
            self._check_end(is_counted=answer.total is not None and not answer.counts_hidden)
        if body.is_declared_empty and not self.has_begun and not self._listing.form.has_lines:
            found = body.raw(self._listing.records)
            what = body.explain_missing(self._listing.records) if found is None else f"{describe(found)} is there"
            self._note(f"no list of records: {what}. It is taken as no records, as `empty` says")
        is_reached = self._is_reached_by(answer)
        if is_reached and request.pages_past_end and not body.page.records:
            return ListPage(body.page, None, total)
        past_end: PageRequest | None = None
        try:
            if self._listing.graphql_errors is not None:
                self._check_null_rows(body, response)
                check_each(body.text, self._listing.records, self._listing.paginator)
            following = self._listing.paginator.next(request, answer)
            if following is None and self._capped is not None:
                past_end = self._capped.request_past_end(request, answer)
        except PagingError as error:
            return ListPage(body.page, None, total, error=error)
        if following is None and not body.page.records and not request.pages_past_end:
            body.check_failure()
        if is_reached and following is not None:
            following = self._follow_past_total(following)
        return ListPage(
            body.page,
            following,
            total,
            is_at_least,
            past_end,
            answer.sign_reports[-1] if answer.sign_reports else None,
            answer.feed_marks[-1] if answer.feed_marks else None,
            size_bytes=len(response.body),
            failure_at="" if self._listing.graphql_errors is not None else body.failure_at,
        )

    def _check_null_rows(self, body: Body, response: Response) -> None:
        """A server writes null for a row of which it tells an error, which is allowed where it comes here."""
        if NULL_ROW in self._listing.skip:
            return
        nulls = sum(map(is_null, body.page.slices))
        if nulls and nulls > (errors := count_errors(response.body)):
            raise PagingError(
                f"{nulls} of {len(body.page)} rows are null, and {count_of(errors, 'error')} beside them could say "
                'why. If such rows are no records, write skip = [{ at = ".", null = true }]',
                action=Action.POISON,
            )

    def read_end(self, response: Response, judgement: Judgement) -> ListPage | None:
        is_absent = judgement.action is Action.ABSENT
        if is_absent and self._listing.shape != LIST:
            return None  # What came in place of the records is none.
        body = self._pages.read_end(response.body)
        if body is None or not body.page.records:
            return None
        is_found = judgement.is_by_body or is_absent
        if is_found and self._takes_whole and len(body.page) == 1 and response.body.lstrip(_BEFORE_OBJECT)[:1] == b"{":
            return None  # The only object is what the rule found.
        total = None
        if self.promise is not None and self._listing.total is not None:
            answer = PageAnswer(body, response.url, response.headers, self.received + len(body.page))
            total = self._listing.total.of(answer)
        if not response.is_delimited:
            self._check_end(is_counted=total is not None and self._is_total_exact)
        return ListPage(body.page, None, total)

    def read_past_end(self, response: Response) -> ListPage:
        body, total = self.body_of(response), self._listing.total
        answer = PageAnswer(body, response.url, response.headers, received=self.received)
        return ListPage(body.page, None, None if total is None else total.of(answer))

    def total_of(self, total: Total, response: Response) -> int:
        body = self.body_of(response)
        answer = PageAnswer(body, response.url, response.headers, received=len(body.page))
        return total.of(answer) or 0 if body.is_declared_empty else total.demand(answer)

    def body_of(self, response: Response) -> Body:
        if self._listing.empty.takes_answer(response.status, response.body):
            return self._pages.without_records()
        return self._pages.read(response.body)

    @property
    def _takes_whole(self) -> bool:
        """Objects stand where an answer's top would."""
        return self._listing.records == ROOT and (self._listing.form.has_lines or self._listing.shape != LIST)

    @property
    def _is_total_exact(self) -> bool:
        total = self._listing.total
        return total is not None and total.is_exact and total.only_if is None and not total.counts_hidden

    def _check_end(self, *, is_counted: bool) -> None:
        """The closed connection ended the body: a cut between two lines can only be seen by a count."""
        form = self._listing.form
        if form.has_lines and not form.may_lack_length and not is_counted:
            raise BodyError(
                "neither Content-Length nor chunks, so that nothing shows if lines are missing. Declare an exact "
                "`total` in a header; or, where that cannot be, write may_lack_length = true in `format`"
            )

    def is_total_reached(self, read: ListPage) -> bool:
        total = self._listing.total
        is_exact = total is not None and total.is_exact and not read.is_at_least
        return is_exact and self.received + len(read.page) - self.uncounted(read.page.records) == read.total

    def _is_reached_by(self, answer: PageAnswer) -> bool:
        return answer.total is not None and not answer.counts_hidden and answer.received >= answer.total

    def _other_list(self, request: PageRequest) -> PagingError:
        return PagingError(
            "the page behind the total holds records that came before, and the links lack "
            f"{shown_names(request.missing_parameters)} of the first request: they lead into another list. Write "
            "keep_query = true in `pages`; or keep_query = false, if the API knows them all the same."
        )

    def _follow_past_total(self, following: PageRequest) -> PageRequest | None:
        """Follow a sign past the total, which may be too low. Tokens may go on past the end too: such a page may be
        refused."""
        try:
            wire = wire_request(following, self._api_url)
        except LinkError:
            return None
        return None if self._guard.has_sent(wire) else replace(following, pages_past_end=following.pages_past_end or 1)
