"""Paging by counting: offsets and page numbers. There is no snapshot behind these: records may move between pages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from haulier.api.page import BodyError
from haulier.api.page_size import aligned_size, halved_size
from haulier.api.paginator import PageAnswer, PageRequest, whole_number
from haulier.api.paths import check_path
from haulier.api.verdict import PagingError, Rule, Verdict
from haulier.errors import UsageError

Place = Literal["query", "body"]
"""Where a parameter goes: into the query, or to a dotted path of the JSON body."""


@dataclass(frozen=True, slots=True)
class Offset:
    """Pages by the number of records before them. Goes on by the records received, whatever was asked for.

    Ends where ``more`` is false or ``done`` is true, if one is declared; else at the exact total, or an empty page.
    ``overlap`` records are asked for again with each page: if they are not the ones that were read last, records moved
    while the item was read, and it begins again. Without it, a record that is removed meanwhile hides another one.
    A ``limit`` that makes a page too large for the API is halved, or lowered further to one that divides the offset.
    """

    limit: int | None = None
    offset_name: str = "offset"
    limit_name: str = "limit"
    start: int = 0
    place: Place = "query"
    more: str = ""
    """Path of a flag that says whether there is more."""
    done: str = ""
    """Path of a flag that says whether this was all."""
    overlap: int = 0

    def __post_init__(self) -> None:
        check_flags(self.more, self.done)
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"limit is {self.limit}; it must be at least 1.")
        if self.overlap < 0 or self.overlap >= (self.limit or self.overlap + 1):
            raise UsageError(f"overlap is {self.overlap}; it must be from 0 to below the limit.")

    def first(self, request: PageRequest) -> PageRequest:
        if self.limit is not None:
            request = put(request, self.place, self.limit_name, self.limit)
        return replace(put(request, self.place, self.offset_name, self.start), smaller=self._smaller)

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        new = len(answer.page) - request.overlap
        says_end = flag_says_end(answer, self.more, self.done)
        if answer.is_last_by_count or new <= 0 if says_end is None else says_end:
            return None
        if new <= 0:
            raise BodyError("the API says that there is more, and sends no records to go on from")
        # One less than the page at most, or a short page would be asked for again as it was.
        overlap = min(self.overlap, len(answer.page) - 1)
        offset = number_in(request, self.place, self.offset_name) + len(answer.page) - overlap
        return replace(put(request, self.place, self.offset_name, offset), overlap=overlap)

    def _smaller(self, request: PageRequest) -> PageRequest | None:
        limit = size_in(request, self.place, self.limit_name)
        if self.overlap:
            # A page must hold more than what is asked for again, or the walk would stand still. An API that counts in
            # whole pages shows itself by the records that are asked for again.
            size = halved_size(limit, floor=self.overlap + 1)
        else:
            size = aligned_size(limit, number_in(request, self.place, self.offset_name) - self.start)
        return None if size is None else put(request, self.place, self.limit_name, size)


@dataclass(frozen=True, slots=True)
class PageNumber:
    """Pages by their number.

    Ends at the last page's number, if the API tells how many there are; where ``more`` is false or ``done`` is true, if
    one is declared; at a status that means "no such page"; else at the exact total or an empty page. A ``size`` that
    makes the first page too large for the API is halved; after it the numbers mean other records with every size.
    """

    name: str = "page"
    first_number: int = 1
    size: int | None = None
    size_name: str = "per_page"
    place: Place = "query"
    pages: str = ""
    """Path of the number of pages."""
    pages_header: str = ""
    """Header with the number of pages. Some APIs leave it out of long lists: then the other signs count."""
    more: str = ""
    done: str = ""
    end_status: int | None = None
    """Answered past the last page, such as 400 or 404. The first page cannot be past the end: there it is a failure."""
    end_text: str = ""
    """Stands in that answer's body, to tell it from other mistakes."""

    def __post_init__(self) -> None:
        check_flags(self.more, self.done)
        if self.pages:
            check_path(self.pages)

    def first(self, request: PageRequest) -> PageRequest:
        if self.size is not None:
            request = put(request, self.place, self.size_name, self.size)
        return replace(put(request, self.place, self.name, self.first_number), smaller=self._smaller)

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        number = number_in(request, self.place, self.name)
        pages = self._pages(answer)
        says_end = flag_says_end(answer, self.more, self.done)
        if pages is not None:
            says_end = _agreed(says_end, number - self.first_number + 1 >= pages, self.more or self.done)
        if answer.is_last_by_count if says_end is None else says_end:
            return None
        following = replace(put(request, self.place, self.name, number + 1), smaller=None)
        if self.end_status is None:
            return following
        return replace(following, end_rules=(Rule(Verdict.END, self.end_status, text=self.end_text or None),))

    def _smaller(self, request: PageRequest) -> PageRequest | None:
        size = halved_size(size_in(request, self.place, self.size_name))
        return None if size is None else put(request, self.place, self.size_name, size)

    def _pages(self, answer: PageAnswer) -> int | None:
        if self.pages_header and (text := answer.header(self.pages_header)) is not None:
            return whole_number(text, self.pages_header)
        return answer.number(self.pages) if self.pages else None


def _agreed(flag: bool | None, by_number: bool, path: str) -> bool:
    """The end by the number of pages; `PagingError` where a flag says otherwise."""
    if flag is not None and flag is not by_number:
        said = "this was all" if flag else "there is more"
        raise PagingError(
            f"{path!r} says that {said}, and the number of pages says otherwise. Leave out the one that is wrong in "
            "`pages`."
        )
    return by_number


def check_flags(more: str, done: str) -> None:
    """`UsageError` unless at most one of the two is declared."""
    if more and done:
        raise UsageError("Declare `more` or `done`, not both: they say the same in opposite words.")
    for path in (more, done):
        if path:
            check_path(path)


def flag_says_end(answer: PageAnswer, more: str, done: str) -> bool | None:
    """What the declared flag says; None where none is declared, or where a page without records has none.

    Raises `BodyError` where it is not in the answer: its path may be misspelt, and no end is taken for granted.
    """
    path = more or done
    if not path:
        return None
    flag = answer.flag(path)
    if flag is None:
        if answer.body.is_declared_empty:
            return None
        raise BodyError(f"no flag says whether there is more: {answer.body.lacks(path)}")
    return flag is bool(done)


def put(request: PageRequest, place: Place, name: str, value: int) -> PageRequest:
    """Set a number in the query or body."""
    return request.with_query(name, str(value)) if place == "query" else request.with_field(name, value)


def number_in(request: PageRequest, place: Place, name: str) -> int:
    """The number that `put` set."""
    return int(size_in(request, place, name) or 0)


def size_in(request: PageRequest, place: Place, name: str) -> Any:
    """What stands where `put` sets a number: ours, or what the source declares there itself."""
    return request.query_value(name) if place == "query" else request.field(name)
