"""Finds pages that contradict how they are counted: an offset advanced wrongly, or a list that moved.

A page is only a suspicion, as records may be equal, and pages short for many reasons. A request, the probe, settles it;
what stays unclear is no error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from haulier.api.errors import MovedError, PagingError
from haulier.api.paging.paginator import PageRequest, Paginator
from haulier.api.paging.positions import Offset, PageNumber
from haulier.api.records.page import Page
from haulier.api.records.slices import Bytes

MAX_PROBES: Final = 3
"""Limit for a walk: many equal records raise suspicion again and again."""
_TEXT_BYTES: Final = 16 * 1024
"""Bytes kept of a page, to find them at the head of the next in some 15 us."""
_RECORD_MARK: Final = b"\x1e"
"""No JSON holds it unescaped."""


@dataclass(frozen=True, slots=True)
class Probe:
    """``judge`` raises `MovedError` or `PagingError` where the suspicion was right."""

    request: PageRequest
    judge: Callable[[Page], None]


@dataclass(frozen=True, slots=True)
class _Before:
    request: PageRequest
    count: int
    size: int | None
    text: bytes
    """Last records, with a mark around each."""

    @property
    def last(self) -> bytes:
        return self.text[self.text.rindex(_RECORD_MARK, 0, -1) :]

    def has(self, record: Bytes) -> bool:
        return _mark((record,)) in self.text

    def leads_into(self, records: Sequence[Bytes]) -> bool:
        first = _mark(records[:1])
        place = self.text.find(first)
        while place >= 0:
            again = self.text[place:]
            if _mark(records[: again.count(_RECORD_MARK) - 1]) == again:
                return True
            place = self.text.find(first, place + 1)
        return False


def check_of(paginator: Paginator) -> OffsetCheck | PageNumberCheck | None:
    # What a subclass counts may be something else. Every shipped kind decides: tests/api/paging/test_shipped_kinds.py.
    if type(paginator) is Offset and not paginator.overlap:
        return OffsetCheck(paginator)
    return PageNumberCheck(paginator) if type(paginator) is PageNumber else None


class OffsetCheck:
    """Finds out whether an API counts only the records that it sends, or also those that it leaves out."""

    def __init__(self, pages: Offset) -> None:
        self._pages = pages
        self._before: _Before | None = None
        self._short_count: int | None = None
        self._has_varied = False
        self._probes = 0

    @property
    def hides_rows(self) -> bool:
        """By declaration only: undeclared, hidden rows are an error."""
        return self._pages.advance == "limit"

    def note(self, request: PageRequest, page: Page, total: int | None) -> Probe | None:
        before, count, size = self._before, len(page), self._pages.size_of(request)
        if self._pages.advance == "limit":
            if before is None:
                self._before = _Before(request, count, size, b"")
                return self._lowered_limit(request, page, total)
            return None
        # What comes twice is at most as much as the page is short by.
        text = _text_of(page, 0 if size is None else size - count + 1)
        self._before = _Before(request, count, size, text) if count else None
        if before is None or not count or self._probes >= MAX_PROBES:
            return None
        if not (before.leads_into(page.slices) or self._varies(before)):
            return None
        self._probes += 1
        last = self._pages.at(request, self._pages.offset_of(request) - 1, None if size is None else 1)
        head = _mark(page.slices[:1])
        return Probe(last, lambda found: self._judge_last(before, head, found))

    def _varies(self, before: _Before) -> bool:
        """Whether two pages were short in different ways; true only once."""
        if self._has_varied or before.size is None or before.count >= before.size:
            return False
        first, self._short_count = self._short_count, before.count
        self._has_varied = first is not None and first != before.count
        return self._has_varied

    def _judge_last(self, before: _Before, head: bytes, found: Page) -> None:
        """``found`` was asked for from one record earlier, and should begin with the last record before."""
        records = found.slices[:2]
        if records and _mark(records[:1]) == before.last and (len(records) < 2 or _mark(records[1:]) == head):
            self._probes = MAX_PROBES  # It counts what it sends; equal records are in the nature of this list.
            return
        if (records and not before.has(records[0])) or _text_of(found) == before.text:
            return  # It may have changed meanwhile; or the API begins where it likes.
        offset, name = self._pages.offset_of(before.request), self._pages.offset_name
        if before.size is not None and before.count >= before.size:
            raise MovedError(
                f"The list moved while the item was read: the page behind {name} {offset} begins with records that it "
                "had itself. The item begins again. If it happens each time, write overlap = 1 in `pages`, or page by "
                "a key that never changes (`seek`), or ask for less at a time."
            )
        wanted = "a limit and " if before.size is None else ""
        raise PagingError(
            f"The page at {name} {offset} holds {before.count} records, and the next one does not begin behind them: "
            "the API counts rows that it leaves out of a page after it has cut it, such as those that you may not see. "
            f'Write {wanted}advance = "limit" in `pages` of the stream. If nothing is hidden from you, records were '
            "added while the item was read: write overlap = 1."
        )

    def _lowered_limit(self, request: PageRequest, page: Page, total: int | None) -> Probe | None:
        """Return a probe for the rest of a short first page: rows there show that the API lowered the limit."""
        size, count = self._pages.size_of(request), len(page)
        if size is None or not 0 < count < size or (total is not None and count >= total):
            return None
        rest = self._pages.at(request, self._pages.offset_of(request) + count - 1, size - count + 1)
        text = _mark(page.slices)

        def judge(found: Page) -> None:
            records = found.slices
            if len(records) < 2 or not text.endswith(_mark(records[:1])) or text.endswith(_mark(records)):
                return
            raise PagingError(
                f"The first page holds {count} records of the {size} that were asked for, and the next ones follow "
                'right behind them: the API lowered the limit, and advance = "limit" would skip rows. '
                f'Write advance = "received" in `pages` of the stream, or limit = {count}.'
            )

        return Probe(rest, judge)


class PageNumberCheck:
    """Finds out whether records were added meanwhile."""

    def __init__(self, pages: PageNumber) -> None:
        self._pages = pages
        self._before: _Before | None = None
        self._probes = 0
        self._counts: tuple[int, int] | None = None

    @property
    def hides_rows(self) -> bool:
        """Whether rows are left out, as pages differ in length that others follow."""
        return self._counts is not None and self._counts[0] != self._counts[1]

    def note(self, request: PageRequest, page: Page, total: int | None) -> Probe | None:
        before = self._before
        if before is not None and page.slices:
            least, most = self._counts or (before.count, before.count)
            self._counts = min(least, before.count), max(most, before.count)
        self._before = _Before(request, len(page), None, _text_of(page)) if page.slices else None
        if before is None or not page.slices or self._probes >= MAX_PROBES or not before.leads_into(page.slices):
            return None
        self._probes += 1
        return Probe(before.request, lambda found: self._judge(before, found))

    def _judge(self, before: _Before, found: Page) -> None:
        if _text_of(found) == before.text:
            self._probes = MAX_PROBES
            return
        raise MovedError(
            f"The list moved while the item was read: the page behind {self._pages.name} "
            f"{self._pages.number_of(before.request)} began with records that it had itself, and it is another one by "
            "now. The item begins again. If it happens each time, declare a `total`, page by a key that never changes "
            "(`seek`), or ask for less at a time."
        )


def _text_of(page: Page, least: int = 0) -> bytes:
    records = page.slices
    if not records:
        return b""
    return _mark(records[-max(1, least, _TEXT_BYTES // (len(records[-1]) + 1)) :])


def _mark(records: Sequence[Bytes]) -> bytes:
    return b"".join((_RECORD_MARK, _RECORD_MARK.join(records), _RECORD_MARK))
