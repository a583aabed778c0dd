"""Asks for pages of one list before their turn (docs/apis/counting.md#pages-side-by-side).

What a page is, and when the list ends, is decided in order by whoever walks it, as without this: a page that came
early saves it the wait, and nothing else. So a list that is read so meets the same checks. Where the walk wants another
page than was foreseen, it goes on one by one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from haulier.api.paging.paginator import PageRequest, Paginator, kind_of
from haulier.api.paging.positions import Offset, PageNumber, put
from haulier.api.paging.totals import Total
from haulier.api.records.page import Body
from haulier.api.requester import Answered, Requester, UnwantedError
from haulier.api.scope.gate import Ahead
from haulier.errors import UsageError

Ask = Callable[[PageRequest, Ahead], Awaitable[Answered[Body]]]


def is_parallel(paginator: Paginator) -> bool:
    kind = kind_of(paginator)
    return isinstance(kind, Offset | PageNumber) and kind.is_parallel


def check_parallel(paginator: Paginator, total: Total | None) -> None:
    """Raises `UsageError` without a total that would show that the list moved: a row that was added between two pages
    hides another one if the later page was read first."""
    if not is_parallel(paginator):
        return
    if total is None or not total.is_exact:
        raise UsageError(
            "`parallel` needs an exact total (or a bound), which tells how many pages there are, and shows that the "
            'list moved. Write total = { at = "total", is = "exact" } in the stream, or leave `parallel` out.'
        )
    if total.may_move:
        raise UsageError(
            "`parallel` and `may_move` cannot be used together: pages that are read side by side pass over rows of a "
            "list that moves. Keep one of them."
        )


def requests_ahead(
    paginator: Paginator, answered: PageRequest, following: PageRequest, records: int, counts_hidden: bool, total: int
) -> Iterator[PageRequest]:
    """The requests after the first page, which was ``answered`` with so many ``records`` of ``total``."""
    kind = kind_of(paginator)
    if isinstance(kind, Offset):
        first = kind.offset_of(following)
        step = first - kind.offset_of(answered)
        if step > 0:
            for offset in range(first, kind.start + total - following.overlap, step):
                yield put(following, kind.place, kind.offset_name, offset)
    elif isinstance(kind, PageNumber):
        size = kind.size_of(answered) if counts_hidden else records
        if size:
            for number in range(kind.number_of(following), kind.first_number - (-total // size)):
                yield put(following, kind.place, kind.name, number)


@dataclass(eq=False)
class _Early:
    request: PageRequest
    ahead: Ahead
    size_bytes: int
    """Taken of the room."""
    has_failed: bool = False
    task: asyncio.Task[Answered[Body] | None] = field(init=False)


class PagesAhead:
    """Those of one walk, in order."""

    def __init__(
        self,
        ask: Ask,
        requester: Requester,
        requests: Iterator[PageRequest],
        page_bytes: int,
    ) -> None:
        """``page_bytes``: size of the first page."""
        self._ask = ask
        self._requester = requester
        self._room = requester.ahead_room
        self._requests = requests
        self._page_bytes = page_bytes
        self._early: deque[_Early] = deque()
        self._next = next(requests, None)

    def begin(self) -> None:
        """Ask for as many as there is room for. Behind one that failed there may be no use in more."""
        while self._next is not None and not any(early.has_failed for early in self._early):
            if not self._room.take(self._requester.share, self._page_bytes):
                return
            early = _Early(self._next, Ahead(), self._page_bytes)
            early.task = asyncio.create_task(self._fetch(early), name="page ahead")
            self._requester.ahead.add(early.task)
            early.task.add_done_callback(self._note_done)
            self._early.append(early)
            self._next = next(self._requests, None)

    async def take(self, request: PageRequest) -> Answered[Body] | None:
        """Return the answer to the next request; None where it is not there, and has to be asked for. Raises what the
        client raises."""
        if not self._early:
            if self._next == request:
                self._next = next(self._requests, None)
            else:
                self._next = None
            self.begin()
            return None
        early = self._early[0]
        if early.request != request:
            self._requester.say_once(
                "a page of a list was shorter than its first one, or was asked for in smaller ones; the rest of the "
                "list is read one page after the other"
            )
            await self.close()
            return None
        early.ahead.want()
        self.begin()
        answered = await early.task
        self._early.popleft()
        self._room.give_back(early.size_bytes)
        if answered is not None:
            self.begin()
        return answered

    async def close(self) -> None:
        """End all that were asked for and are not wanted."""
        self._next = None
        unwanted, self._early = list(self._early), deque()
        for early in unwanted:
            early.task.cancel()
            self._room.give_back(early.size_bytes)
        if unwanted:
            await asyncio.wait([early.task for early in unwanted])

    async def _fetch(self, early: _Early) -> Answered[Body] | None:
        """None for one that failed before it was wanted: by its turn the trouble may be over."""
        try:
            answered = await self._ask(early.request, early.ahead)
        except UnwantedError:
            early.has_failed = True
            return None
        size_bytes = len(answered.response.body)
        self._room.change(size_bytes - early.size_bytes)
        early.size_bytes = size_bytes
        self._page_bytes = max(self._page_bytes, size_bytes)
        return answered

    def _note_done(self, task: asyncio.Task[Answered[Body] | None]) -> None:
        self._requester.ahead.discard(task)
        if not task.cancelled():
            task.exception()  # It is raised where the page is wanted, if ever.
