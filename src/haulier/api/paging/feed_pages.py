"""Pages of a feed: another paginator's, which begin where an earlier run ended, and tell where the next one begins."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final, Literal
from urllib.parse import urljoin

from haulier.api.answers.judgement import Rule
from haulier.api.errors import Action
from haulier.api.http.retry_after import parse_http_date
from haulier.api.paging.link_address import LinkBase, LinkOrigin
from haulier.api.paging.paginator import PageAnswer, PageRequest, Paginator
from haulier.api.paging.positions import CHECKS_ONLY
from haulier.api.records.paths import check_path
from haulier.errors import UsageError

VALIDATORS: Final = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
"""Headers of an answer, and those by which a request asks whether it still holds (RFC 9110 13.1)."""

YOUNG: Final = timedelta(minutes=1)
"""A `Last-Modified` has whole seconds, so one so near to its answer may be of two versions (RFC 9110 8.8.2.2)."""

EXPIRED: Final = (
    Rule(Action.END, status=410),
    *(
        Rule(Action.END, status=400, text=f'"{code}"')
        for code in ("resyncRequired", "syncStateNotFound", "syncStateInvalid")
    ),
)
"""Answers by which an API says that it does not go on at a token: 410 Gone, and Microsoft Graph's words for it."""
UNCHANGED: Final = (Rule(Action.END, status=304),)


@dataclass(frozen=True, slots=True)
class Feed:
    """Where the answers of a feed say how it goes on, and how the API is told.

    One of ``link``, ``token`` and ``header`` is named. A token is sent in the parameter ``query``, or in the field
    ``body`` of a JSON body; a link is the whole request. Raises `UsageError` for anything else.
    """

    link: str = ""
    """Path of an address, such as `@odata.deltaLink`."""
    token: str = ""
    """Path of a token."""
    header: str = ""
    """Name of a header with a token, or of a validator where ``is_condition``."""
    query: str = ""
    body: str = ""
    page: Literal["last", "first"] = "last"
    """The page that counts. "first": the token is as of its own page, and records may change before the last one."""
    is_condition: bool = False
    """The API is asked whether the answer is still the one with this validator."""
    expired: tuple[Rule, ...] = field(default=(), metadata=CHECKS_ONLY)
    """Further answers by which the API says that it does not go on: rules of the action END."""

    def __post_init__(self) -> None:
        if [bool(self.link), bool(self.token), bool(self.header)].count(True) != 1:
            raise UsageError("A feed goes on at one of link, token and header. Name one.")
        for path in (self.link, self.token):
            if path:
                check_path(path)
        if self.is_condition:
            if self.header not in VALIDATORS or self.query or self.body:
                raise UsageError(f"A condition needs one of the headers {' and '.join(VALIDATORS)}, and no parameter.")
        elif bool(self.link) == bool(self.query or self.body) or (self.query and self.body):
            raise UsageError("A token is sent in one place. Write `query` or `body`; for a link none of them.")

    @property
    def where(self) -> str:
        """In words."""
        return f"the header {self.header!r}" if self.header else repr(self.link or self.token)

    def found_in(self, answer: PageAnswer) -> str:
        """ "" for nothing."""
        if self.header:
            found = answer.header(self.header) or ""
            return _as_of_before(found, answer) if self.is_condition and self.header == "Last-Modified" else found
        return answer.text(self.link or self.token) or ""

    @property
    def expiry_rules(self) -> tuple[Rule, ...]:
        """Answers by which the API says that it does not go on."""
        return () if self.is_condition else (*EXPIRED, *self.expired)

    def go_on(self, request: PageRequest, at: str) -> PageRequest:
        """``request`` is the one that would begin the feed."""
        if self.link:
            return replace(request.with_url(at), end_rules=self.expiry_rules)
        if self.is_condition:
            return replace(request.with_header(VALIDATORS[self.header], at), end_rules=UNCHANGED)
        told = request.with_query(self.query, at) if self.query else request.with_field(self.body, at)
        return replace(told, end_rules=self.expiry_rules)


def _as_of_before(validator: str, answer: PageAnswer) -> str:
    """A time that is too near to its answer is taken back, so that the next run reads the answer again."""
    epoch = datetime.fromtimestamp(0, UTC)
    changed, answered = parse_http_date(validator, epoch), parse_http_date(answer.header("Date") or "", epoch)
    if changed is None or (answered is not None and answered - changed >= YOUNG):
        return validator
    return format_datetime(changed - YOUNG, usegmt=True)


@dataclass(frozen=True, slots=True)
class FeedPages:
    """Notes where the feed goes on, in `Usage.feed_mark`. Where the API does not go on at ``since``, or nothing has
    changed since, the walk ends without a page."""

    pages: Paginator
    feed: Feed
    since: str = ""

    @property
    def inner(self) -> Paginator:
        return self.pages

    def first(self, request: PageRequest) -> PageRequest:
        first = self.pages.first(request)
        if not self.since:
            return first
        asked = self.feed.go_on(first, self.since)
        if self.feed.link:
            own: LinkOrigin = getattr(self.pages, "link_origin", "")
            base: LinkBase = getattr(self.pages, "link_base", "")
            asked = replace(asked, link_origin=own, link_base=base)
        return replace(asked, end_rules=(*asked.end_rules, *first.end_rules))

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        # The feed's own rules are about its first request alone.
        following = self.pages.next(replace(request, end_rules=()), answer)
        if self.feed.page == "first":
            if answer.is_first:
                answer.feed_marks.append(self.feed.found_in(answer))
            return following
        found = self.feed.found_in(answer)
        if found and self.feed.link and "://" not in found and not getattr(self.pages, "link_base", ""):
            found = urljoin(answer.url, found)  # The next run has no page that it would be relative to.
        answer.feed_marks.append(found)
        if following is None and found and not self.feed.header:
            at = self.feed.link or self.feed.token
            reports = [] if self._is_position else [report.without(at) for report in answer.sign_reports]
            answer.sign_reports[:] = reports
        return following

    @property
    def _is_position(self) -> bool:
        """The token is sent as that of a next page is: what comes behind this page, the next run reads."""
        feed, pages = self.feed, self.pages
        return bool(feed.query and getattr(pages, "query", "") == feed.query) or bool(
            feed.body and getattr(pages, "body", "") == feed.body
        )
