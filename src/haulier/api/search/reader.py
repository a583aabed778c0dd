"""Reads the documents of one item."""

from __future__ import annotations

import functools
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from msgspec import Raw

from haulier.api.errors import Action, ApiError, PagingError
from haulier.api.paging.page_size import is_too_large
from haulier.api.records.first_page import FirstPage
from haulier.api.records.page import Page
from haulier.api.requester import Requester
from haulier.api.search.body import Span, page_body, search_body
from haulier.api.search.dialect import Dialect
from haulier.api.search.distinct_hits import DistinctHits
from haulier.api.search.hits import HitPage, LostPointError
from haulier.api.search.index_check import check_search, require_tie
from haulier.api.search.search import Search, keep_alive_seconds_of, names_clusters
from haulier.api.search.server import SearchServer
from haulier.api.search.slices import merge
from haulier.errors import UsageError

SLICED_PAGES: Final = 4
"""An item with more pages is read by slices: below that they would be short ones."""
MAX_DOCUMENTS: Final = 5_000_000
"""Of one item: 40 MB of numbers, by which they are told apart."""
MAX_KEEP_ALIVE_SECONDS: Final = 3_600
"""Servers allow a day."""
SHARD_DOC: Final = "_shard_doc"


@dataclass
class _PointInTime:
    """A point in time. Each answer may name it anew."""

    dialect: Dialect
    id: str
    keep_alive_seconds: int
    kept_at: float
    """When the newest answer of it came, in monotonic seconds."""


class SearchReader:
    def __init__(
        self, requester: Requester, server: SearchServer, search: Search, span: Span | None, *, is_sample: bool = False
    ) -> None:
        """``is_sample``: a few pages of the item are looked at, so nothing is guessed of it."""
        self._requester = requester
        self._server = server
        self._search = search
        self._span = span
        self._size = search.size
        self._hits = DistinctHits()
        self._name = (search.index, search.time)
        self._is_sample = is_sample
        self._promised = 0
        """Documents of all walks, as the server counts them."""
        self._whole = 0
        self._least = 0
        """Documents that a search without a point in time has found."""

    async def pages(self) -> AsyncGenerator[Page, None]:
        """Raises `ApiError` unless as many documents came as there are, each once."""
        if self._is_sample or not await self._is_likely_large():
            page = await self._first_alone()
            if page is not None:
                self._hits.add(page.places)
                if page.total is None or page.total <= len(page):
                    self._compare(page.total)
                if page.places:
                    yield page.page
                return
        async with aclosing(self._of_point()) as pages:
            async for page in pages:
                self._hits.add(page.places)
                if page.places:
                    yield page.page
                del page

    async def _first_alone(self) -> HitPage | None:
        """The whole item, if it is one page; else None. A single request is a point in time by itself. Of a sample the
        page is kept where no other one could be asked for."""
        page = await self._ask(self._page)
        dialect = await self._server.dialect()
        self._note_first(page, MAX_DOCUMENTS if dialect.has_points_in_time else self._size)
        if page.total == 0:
            await self._prove_empty()
        total = self._guess if page.total is None else page.total
        self._server.knowledge.newest[self._name] = total
        if names_clusters(self._search):
            self._least = total
        is_whole = page.total is not None and page.total <= len(page)
        return page if is_whole or (self._is_sample and not dialect.has_points_in_time) else None

    @property
    def _guess(self) -> int:
        """At the documents of the item. Who declares slices says that items are large."""
        return self._server.knowledge.newest.get(self._name, MAX_DOCUMENTS if self._search.slices > 1 else 0)

    async def _is_likely_large(self) -> bool:
        """Never where there are no points in time: each item would be divided unseen, and its parts as well. Nor where
        there are several clusters, since the making of a point in time does not tell that one of them is away."""
        if names_clusters(self._search) or self._guess <= self._size:
            return False
        return (await self._server.dialect()).has_points_in_time

    async def _page(self, size: int) -> HitPage:
        return await self._server.search(self._search, search_body(self._search, self._span, size))

    async def _prove_empty(self) -> None:
        """An index that is mapped otherwise than it was is answered as an empty one."""
        if self._server.knowledge.is_checked(self._search):
            return
        try:
            await check_search(self._server, self._search)
        except UsageError as error:
            raise ApiError(str(error), action=Action.CONFIG) from error

    async def _of_point(self) -> AsyncGenerator[HitPage, None]:
        dialect = await self._server.dialect()
        if not dialect.has_points_in_time:
            raise ApiError(
                f"There are more documents here than {self._size:,}, the `size` of one search, and {dialect.name} has "
                "no point in time (PIT) to page them by. " + self._advice,
                action=Action.SPLIT,
            )
        try:
            require_tie(dialect, self._search)
        except UsageError as error:
            raise ApiError(str(error), action=Action.CONFIG) from error
        seconds = self._keep_alive_seconds
        id = await self._server.open_point(dialect, self._search, f"{seconds}s")
        point = _PointInTime(dialect, id, seconds, self._server.knowledge.clock.monotonic())
        try:
            async with aclosing(self._read(point)) as pages:
                async for page in pages:
                    yield page
                    del page
        finally:
            await self._server.close_point(dialect, point.id)

    async def _read(self, point: _PointInTime) -> AsyncGenerator[HitPage, None]:
        slices = self._search.slices
        is_sliced = slices > 1 and self._guess > SLICED_PAGES * self._size
        if is_sliced:
            # Counted beside them, since documents that are in no slice are in no total of one.
            pages = merge([self._count(point), *(self._walk(point, (number, slices)) for number in range(slices))])
        else:
            pages = self._walk(point, None)
        async with aclosing(pages):
            async for page in pages:
                yield page
                del page
        self._server.knowledge.newest[self._name] = self._promised
        if not self._promised:
            await self._prove_empty()
        if is_sliced and self._promised != self._whole:
            raise PagingError(
                f"A point in time of {self._search.index!r} has {self._whole:,} documents here, and its {slices} "
                f"slices say that they have {self._promised:,}."
            )
        self._compare(self._promised)

    async def _count(self, point: _PointInTime) -> AsyncGenerator[HitPage, None]:
        """The whole of a point in time, as a page without documents."""
        page = await self._page_of(point, 0, [], None)
        self._whole = self._total_of(page)
        self._compare_clusters(self._whole)
        yield page

    async def _walk(self, point: _PointInTime, part: tuple[int, int] | None) -> AsyncGenerator[HitPage, None]:
        """The pages of a slice, or of all."""
        after: list[Raw] = []
        total: int | None = None
        received = 0
        while True:
            page = await self._ask(functools.partial(self._page_of, point, after=after, part=part))
            if total is None:
                total = self._total_of(page)
                self._promised += total
                if part is None:
                    self._compare_clusters(total)
                    self._note_first(page, MAX_DOCUMENTS)
            elif page.total is not None and page.total != total:
                raise PagingError(f"A point in time had {total:,} documents here, and on a later page {page.total:,}.")
            received += len(page)
            # A page that ends the list and is full is looked behind.
            is_last = not page.places or received > total or (received == total and len(page) < self._size)
            after = page.after
            if not is_last:
                self._check_key(after)
            yield page
            del page
            if is_last:
                break
        if received != total:
            raise self._miscounted(total, received)

    async def _ask(self, send: Callable[..., Awaitable[HitPage]]) -> HitPage:
        """With a smaller page where one is too large. Other slices ask for smaller ones then, too."""
        while True:
            size = self._size
            try:
                return await send(size=size)
            except ApiError as error:
                if size == 1 or not is_too_large(error):
                    raise
                self._size = min(self._size, size // 2)

    async def _page_of(self, point: _PointInTime, size: int, after: list[Raw], part: tuple[int, int] | None) -> HitPage:
        sort = self._search.tie or SHARD_DOC
        asked = page_body(
            search_body(self._search, self._span, size), point.id, f"{point.keep_alive_seconds}s", sort, after, part
        )
        if after and sort == SHARD_DOC:
            # Counting them again would make the server look at each document for each page.
            asked["track_total_hits"] = False
        try:
            page = await self._server.search_point(self._search, asked, is_first=part is None and not after)
        except LostPointError as error:
            self._blame_wait(point, error)
            raise
        point.id = page.point or point.id
        point.kept_at = self._server.knowledge.clock.monotonic()
        return page

    @property
    def _keep_alive_seconds(self) -> int:
        """Longer than declared, where that was too short for how long items wait for their turn."""
        needed = min(MAX_KEEP_ALIVE_SECONDS, math.ceil(2 * self._server.knowledge.longest_wait_seconds))
        return max(keep_alive_seconds_of(self._search), needed)

    def _blame_wait(self, point: _PointInTime, error: LostPointError) -> None:
        """Raises an error that is not charged, where the point in time ended since no page was asked for in time: a
        pause, a pace, other items at work. The next one is kept for longer, so that this comes to an end."""
        waited = self._server.knowledge.clock.monotonic() - point.kept_at
        if waited < point.keep_alive_seconds or point.keep_alive_seconds >= MAX_KEEP_ALIVE_SECONDS:
            return
        knowledge = self._server.knowledge
        knowledge.longest_wait_seconds = max(knowledge.longest_wait_seconds, waited)
        raise ApiError(
            f"{error} It was kept for {point.keep_alive_seconds} s, and {waited:.0f} s went by before the next page "
            f"could be asked for. The next one is kept for {self._keep_alive_seconds} s.",
            action=Action.PAUSE,
        ) from error

    def _total_of(self, page: HitPage) -> int:
        """Raises `ApiError` also for more than one item can have."""
        if page.total is None:
            raise PagingError("The server did not count the documents to their end, though it was asked to.")
        if page.total > MAX_DOCUMENTS:
            raise ApiError(
                f"{self._search.index!r} has {page.total:,} documents here, and one item can have {MAX_DOCUMENTS:,}. "
                + self._advice,
                action=Action.SPLIT,
            )
        return page.total

    @property
    def _advice(self) -> str:
        if self._span is None:
            return "Divide the stream by windows of a field of time, or by ids or values that are fewer or narrower."
        return "The item is divided; with a smaller step it would not have to be."

    def _compare_clusters(self, total: int) -> None:
        """The making of a point in time does not tell of a cluster that is away (`skip_unavailable`)."""
        if total < self._least:
            raise PagingError(
                f"A search of {self._search.index!r} found {self._least:,} documents here, and a point in time has "
                f"{total:,}. Is one of the clusters away? The item begins again."
            )

    def _check_key(self, after: list[Raw]) -> None:
        if not after:
            raise PagingError("The server sends no sort values, by which the next page would be asked for.")
        if bytes(after[-1]) == b"null":
            raise PagingError(
                f"A document has no {self._search.tie!r} (`tie`), so that what comes after it cannot be asked for. "
                "Name a field that each document has; a `.keyword` has none where the text is longer than 256 "
                "characters (ignore_above).",
                action=Action.POISON,
            )

    def _compare(self, total: int | None) -> None:
        if total != self._hits.count:
            raise self._miscounted(total, self._hits.count)
        if doubled := self._hits.doubled():
            raise PagingError(
                f"{doubled:,} of {total:,} documents of {self._search.index!r} came twice, so that as many others are "
                "missing, though the count is right. The item begins again."
            )

    def _miscounted(self, total: int | None, received: int) -> PagingError:
        promised = "an unknown number of" if total is None else f"{total:,}"
        advice = f" Is {self._search.tie!r} (`tie`) different in each document?" if self._search.tie else ""
        return PagingError(
            f"{self._search.index!r} has {promised} documents here, and {received:,} came. The item begins again."
            + advice
        )

    def _note_first(self, page: HitPage, most: int) -> None:
        total = page.total
        self._requester.note_first_page(
            FirstPage(
                records=len(page),
                total=total,
                has_more=total is None or total > len(page),
                is_total_exact=total is not None,
                looks_behind_full_end=True,
                beside_requests=2 + (self._search.slices > 1),
                divide_above=most,
            )
        )
