"""One walk through the pages of an item: stop rules, guards, and the count at the end."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import msgspec

from haulier.api.exchange import Exchange
from haulier.api.loop_guard import MAX_PAGES, LoopGuard
from haulier.api.page import Page, PageReader
from haulier.api.paginator import PageAnswer, PageRequest, Paginator
from haulier.api.query import LinkError, resolve, with_query
from haulier.api.totals import Drift, Promise, Total
from haulier.api.transport import Request, Response
from haulier.api.verdict import ApiError, Asked, Verdict
from haulier.errors import UsageError

logger = logging.getLogger("haulier.api")


@dataclass(frozen=True, slots=True)
class Listing:
    """How a list is read."""

    paginator: Paginator
    records: str
    """Path of the records in each body."""
    total: Total | None = None
    max_pages: int = MAX_PAGES
    may_be_empty: bool = False
    """An answer without a body, such as a 204, is a page without records and the last one."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read from one response."""

    page: Page
    following: PageRequest | None
    total: int | None


class Walk:
    """Reads one item's list from its first page to its last. Made anew for each."""

    def __init__(self, exchange: Exchange, home: str, listing: Listing) -> None:
        self._exchange = exchange
        self._home = home
        self._listing = listing
        self._reader = PageReader(listing.records)
        self._guard = LoopGuard(listing.max_pages)
        self._promise = None if listing.total is None else Promise(listing.total)
        self._received = 0
        self._tail: list[bytes] = []
        """The records that the next page must begin with."""

    async def pages(self, request: PageRequest) -> AsyncIterator[Page]:
        """The pages that hold records. Raises `ApiError`; the end is never quiet where it was not the API's."""
        first = self._listing.paginator.first(request)
        following: PageRequest | None = first
        while following is not None:
            page, following = await self._step(following)
            if page is None:
                break
            if page.records:
                yield page
            # A page keeps its body alive, which must not be there twice while the next one comes.
            del page
        await self._settle(first)

    async def _step(self, request: PageRequest) -> tuple[Page | None, PageRequest | None]:
        wire = self._wire(request)
        self._guard.check_request(wire)
        asked = Asked(has_page_token=request.has_token, may_be_empty=self._listing.may_be_empty)
        answered = await self._exchange.send(
            wire, lambda response: self._read(request, response), asked=asked, rules=request.end_rules
        )
        if answered.value is None:
            return None, None
        read = answered.value
        if read.following is not None or self._guard.pages > 1:
            self._guard.check_page(read.page)  # The only page of its walk can be no repetition.
        if self._promise is not None:
            self._promise.note(read.total)
            self._check_cap(wire, read.total)
        page = self._new_of(read.page, request.overlap, wire)
        self._received += len(page)
        if read.following is not None and read.following.overlap:
            self._tail = [bytes(record) for record in read.page.records[-read.following.overlap :]]
        return page, read.following

    def _read(self, request: PageRequest, response: Response) -> _Read:
        """Read a response without taking note of it: it is asked for again where this raises `BodyError`."""
        if self._listing.may_be_empty and not response.body:
            return _Read(Page(()), None, None)
        body = self._reader.read(response.body)
        received = self._received + max(0, len(body.page) - request.overlap)
        answer = PageAnswer(body, response.url, response.headers, received)
        total = None
        if self._promise is not None and self._listing.total is not None:
            total = self._promise.of(answer)
            if self._listing.total.is_exact:
                answer = replace(answer, total=total)
        return _Read(body.page, self._listing.paginator.next(request, answer), total)

    def _new_of(self, page: Page, overlap: int, wire: Request) -> Page:
        """The page without what the page before it ended with."""
        if not overlap:
            return page
        if [bytes(record) for record in page.records[:overlap]] != self._tail:
            raise ApiError(
                f"{self._exchange.shown(wire)}: the page does not begin with the records that the page before ended "
                "with. Records were added or removed while the item was read; it begins again.",
                verdict=Verdict.RESTART,
            )
        return replace(page, records=page.records[overlap:])

    def _check_cap(self, wire: Request, total: int | None) -> None:
        """Raises `ApiError` where the API has more records than it hands out: what lies above the cap never comes."""
        cap = 0 if self._listing.total is None else self._listing.total.divide_above
        if cap and total is not None and total > cap:
            raise ApiError(
                f"{self._exchange.shown(wire)}: the API has {total} records here, and hands out no more than {cap} for "
                "one query (`divide`). The item is divided; with a smaller step it would not have to be.",
                verdict=Verdict.SPLIT,
            )

    def _wire(self, request: PageRequest) -> Request:
        """Raises `ApiError` for a link that leads to another origin: nothing is sent there."""
        try:
            return wire_request(request, self._home)
        except LinkError as error:
            raise ApiError(
                f"The API's link to page {self._guard.pages + 1} is not followed: {error}. Nothing was sent there, "
                "since the credentials go with each request. If the API has moved, correct its url.",
                verdict=Verdict.POISON,
            ) from error

    async def _settle(self, first: PageRequest) -> None:
        """Compare the records with the promised total; where they differ, ask for it once more."""
        promise, total = self._promise, self._listing.total
        if promise is None or total is None or promise.first is None or promise.is_kept(self._received):
            return
        if not total.is_exact:
            logger.info(
                "the records differ from the API's estimate",
                extra={"records": self._received, "estimate": promise.first},
            )
            return
        wire = self._wire(first)
        answered = await self._exchange.send(
            wire, lambda response: self._total_of(total, response), rules=first.end_rules
        )
        if answered.value == self._received:
            if self._received != promise.first:
                self._exchange.usage.drift = Drift(promised=promise.first, reread=self._received)
            return
        raise ApiError(
            f"{self._exchange.shown(wire)}: the API promised {promise.first} records and sent {self._received}; asked "
            f"again, it promises {answered.value}. Check `records` and `pages` of the stream; if they are right, "
            "records moved while they were read, or the API does not keep its word.",
            verdict=Verdict.RESTART,
        )

    def _total_of(self, total: Total, response: Response) -> int:
        body = self._reader.read(response.body)
        return total.demand(PageAnswer(body, response.url, response.headers, received=len(body.page)))


def wire_request(request: PageRequest, home: str) -> Request:
    """The request as it is sent. Raises `LinkError` where it leads away from the origin of ``home``."""
    url = resolve(request.url, base=request.base or home, home=home)
    body, headers = b"", request.headers
    if request.json is not None:
        try:
            body = msgspec.json.encode(request.json)
        except (TypeError, ValueError) as error:
            raise UsageError(f"The body of the request cannot be written as JSON: {error}.") from error
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers = (*headers, ("Content-Type", "application/json"))
    for name, value in headers:
        if not value.isprintable():
            # A token from an answer could add headers of its own by a line end.
            raise ApiError(f"The header {name} would hold a control character; it is not sent.", verdict=Verdict.POISON)
    return Request(request.method, with_query(url, request.query), headers, body)
