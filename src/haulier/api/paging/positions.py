"""Offsets and page numbers. Without a snapshot, records may move between pages."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, Literal, get_args

from haulier.api.answers.judgement import Rule
from haulier.api.errors import Action, ApiError, BodyError, PagingError
from haulier.api.paging.page_size import align_size, halve_size, size_number
from haulier.api.paging.paginator import PageAnswer, PageRequest, whole_number
from haulier.api.records.paths import check_path
from haulier.errors import UsageError

ParameterPlace = Literal["query", "body"]
"""The query, or a dotted path of the JSON body."""
Advance = Literal["received", "limit"]
Missing = Literal["", "end"]
"""``end``: the last page may lack what says whether there is a next one."""
CHECKS_ONLY: Final = {"shapes_records": False}
"""Marks a field that changes no records: an open run goes on when it changes."""
DEFAULT_EMPTY_PAGES: Final = 2
"""All rows of the first empty page may be hidden from us. The second costs a request for each item."""
MAX_EMPTY_PAGES: Final = 100
"""Empty pages in a row before an exact total is reached; then the item fails."""


@dataclass(frozen=True, slots=True)
class Offset:
    """Paging by the number of records before the page: ``Offset(limit=100)`` sends ``limit=100&offset=0``.

    Ends as the flag at ``more`` or ``done`` says, if declared; else at the total, or at ``empty_pages`` empty pages in
    a row. A ``limit`` too large for the API is halved, or lowered to one that divides the offset. Without total and
    ``overlap``, a record removed meanwhile hides another one.
    """

    is_counting: ClassVar[bool] = True

    limit: int | None = None
    """Records in a page; None leaves it to the stream's query or body."""
    offset_name: str = "offset"
    limit_name: str = "limit"
    start: int = 0
    place: ParameterPlace = "query"
    more: str = ""
    done: str = ""
    overlap: int = 0
    """Records asked for again with each page. If they differ, records moved, and the item begins again."""
    advance: Advance = "received"
    """What the offset is raised by: the records "received", since servers lower limits; or the "limit", where the API
    cuts a page and then leaves rows out (those that the user may not see). No empty page before the total is an end
    then."""
    empty_pages: int = DEFAULT_EMPTY_PAGES
    """Empty pages in a row that end the list; 1 looks at nothing behind the first."""
    is_parallel: bool = field(default=False, metadata=CHECKS_ONLY)
    """Pages are asked for side by side, as far as requests in flight are left. Needs an exact total, or a bound."""
    missing: Missing = field(default="", metadata=CHECKS_ONLY)
    """ "end": the last page may lack the flag, and ends as one without: at the total, or at an empty page behind it."""

    def __post_init__(self) -> None:
        check_flags(self.more, self.done, self.missing)
        check_empty_pages(self.empty_pages)
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"limit is {self.limit}; it must be at least 1.")
        if self.overlap < 0 or self.overlap >= (self.limit or self.overlap + 1):
            raise UsageError(f"overlap is {self.overlap}; it must be from 0 to below the limit.")
        if self.advance not in ("received", "limit"):
            raise UsageError(f'advance is {self.advance!r}; it must be "received" or "limit".')
        if self.overlap and self.advance == "limit":
            raise UsageError(
                '`overlap` and `advance = "limit"` cannot be used together: where rows are hidden, nobody knows which '
                "record a page should begin with. Keep one of them."
            )

    def first(self, request: PageRequest) -> PageRequest:
        if self.limit is not None:
            request = put(request, self.place, self.limit_name, self.limit)
        if self.advance == "limit" and self.size_of(request) is None:
            raise UsageError(
                f'`advance = "limit"` needs a limit, and the request has no {self.limit_name!r}. Write limit = 100 in '
                "`pages`, or whatever the API allows."
            )
        return replace(put(request, self.place, self.offset_name, self.start), smaller=self._smaller)

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        new, size = len(answer.page) - request.overlap, self.size_of(request)
        says_end = flag_says_end(answer, self.more, self.done, self.missing)
        if self._is_end(request, answer, new, size) if says_end is None else says_end:
            return None
        by_limit = size if self.advance == "limit" else None
        offset = self.offset_of(request)
        if new > 0:
            if by_limit is not None and new > by_limit:
                raise PagingError(
                    f"The page at {self.offset_name} {offset} holds {new} records, and {self.limit_name} {size} was "
                    'asked for: with advance = "limit" records would come twice. Check `limit_name` in `pages` of the '
                    "stream, and write a limit that the API keeps."
                )
            if by_limit is None and request.pages_past_end:
                raise PagingError(
                    f"There are records at {self.offset_name} {offset}, behind a page without any: the API leaves rows "
                    "out after it has cut a page, such as those that you may not see. "
                    'Write advance = "limit" in `pages` of the stream.'
                )
            # One less than the page at most, or a short page would be asked for again as it was.
            overlap = min(self.overlap, len(answer.page) - 1)
            step, run = by_limit or len(answer.page) - overlap, 0
        elif says_end is False and by_limit is None:
            raise BodyError("the API says that there is more, but the page holds no records to go on from")
        else:
            assert size is not None  # Else there is nothing to go on by, and that was the end.
            overlap, step = 0, size
            # Where something says that there is more, it is not past the end: a refusal is a failure then.
            run = 0 if says_end is False or answer.counts_hidden else request.pages_past_end + 1
        following = put(request, self.place, self.offset_name, offset + step)
        return replace(following, overlap=overlap, pages_past_end=run)

    def size_of(self, request: PageRequest) -> int | None:
        return size_number(size_in(request, self.place, self.limit_name))

    def offset_of(self, request: PageRequest) -> int:
        return number_in(request, self.place, self.offset_name)

    def at(self, request: PageRequest, offset: int, limit: int | None) -> PageRequest:
        asked = put(request, self.place, self.offset_name, offset)
        return asked if limit is None else put(asked, self.place, self.limit_name, limit)

    def _is_end(self, request: PageRequest, answer: PageAnswer, new: int, size: int | None) -> bool:
        check_size(answer, size)
        seen = None if size is None else self.offset_of(request) - self.start + size
        if self.advance == "limit":
            return is_end_of_places(request, answer, new, seen, self.empty_pages)
        if answer.counts_hidden and seen is not None:
            # What was received is no place in a list whose rows are hidden, and no end while there are records.
            return new <= 0 and seen >= (answer.total or 0)
        if answer.total is not None or size is None:
            return answer.is_last_by_count or new <= 0
        return new <= 0 and request.pages_past_end + 1 >= self.empty_pages

    def _smaller(self, request: PageRequest) -> PageRequest | None:
        limit = size_in(request, self.place, self.limit_name)
        if self.overlap:
            # A page must hold more than what is asked for again, or the walk would stand still. An API that counts in
            # whole pages shows itself by the records that are asked for again.
            size = halve_size(limit, floor=self.overlap + 1)
        else:
            size = align_size(limit, self.offset_of(request) - self.start)
        return None if size is None else put(request, self.place, self.limit_name, size)


_PAST_THE_END_RULES: Final = tuple(Rule(Action.END, status) for status in (400, 404, 416, 422))
"""How APIs answer behind the last position of a list that had records."""


@dataclass(frozen=True, slots=True)
class PageNumber:
    """Paging by number: ``PageNumber(size=100)`` sends ``per_page=100&page=1``.

    Ends at the last page's number, if the API tells it; as the flag at ``more`` or ``done`` says, if declared; at
    ``end_status``; else at the total, or at ``empty_pages`` empty pages in a row. A ``size`` too large for the first
    page is halved; behind it numbers would mean other records.
    """

    is_counting: ClassVar[bool] = True

    name: str = "page"
    first_number: int = 1
    size: int | None = None
    size_name: str = "per_page"
    place: ParameterPlace = "query"
    pages: str = ""
    """Path of the number of pages."""
    pages_header: str = ""
    """Header with that number. Some APIs leave it out of long lists: the other signs count."""
    more: str = ""
    done: str = ""
    end_status: int | None = None
    """Status behind the last page, such as 404; a failure on the first."""
    end_text: str = ""
    """Text in that answer's body, to tell it from other mistakes."""
    empty_pages: int = DEFAULT_EMPTY_PAGES
    is_parallel: bool = field(default=False, metadata=CHECKS_ONLY)
    """As for `Offset`."""
    missing: Missing = field(default="", metadata=CHECKS_ONLY)
    """As `Offset.missing`."""

    def __post_init__(self) -> None:
        check_flags(self.more, self.done, self.missing)
        check_empty_pages(self.empty_pages)
        if self.pages:
            check_path(self.pages)

    def first(self, request: PageRequest) -> PageRequest:
        if self.size is not None:
            request = put(request, self.place, self.size_name, self.size)
        return replace(put(request, self.place, self.name, self.first_number), smaller=self._smaller)

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        number = self.number_of(request)
        pages = self._pages(answer)
        says_end = flag_says_end(answer, self.more, self.done, self.missing)
        is_last = False
        if pages is not None:
            place, flag = number - self.first_number + 1, says_end
            self._check_last(request, answer, place, pages)
            says_end = _agree(flag, place >= pages, self.more or self.done)
            is_last = place == pages and flag is None and answer.total is None and self._is_full(request, answer)
            if is_last:
                says_end = False  # The number may be capped, or that of this page: the one behind it is looked at.
        if says_end is None:
            size = self.size_of(request)
            check_size(answer, size)
            # A server that lowers the size has not shown so many yet, so that what has records is no end by itself.
            seen = None if size is None else (number - self.first_number + 1) * size
            is_last = is_end_of_places(request, answer, len(answer.page), seen, self.empty_pages)
        if (is_last and not (answer.page.records and answer.counts_hidden)) if says_end is None else says_end:
            return None
        # Where something says that there is more, it is not past the end: a refusal is a failure then.
        is_past_end = says_end is None and not answer.page.records and not answer.counts_hidden
        is_past_end = is_past_end or (pages is not None and is_last)
        following = replace(
            put(request, self.place, self.name, number + 1),
            smaller=None,
            pages_past_end=request.pages_past_end + 1 if is_past_end else 0,
            end_rules=_PAST_THE_END_RULES if is_last else (),
        )
        if self.end_status is None:
            return following
        return replace(following, end_rules=(Rule(Action.END, self.end_status, text=self.end_text or None),))

    def _is_full(self, request: PageRequest, answer: PageAnswer) -> bool:
        return len(answer.page) == self.size_of(request)

    def _check_last(self, request: PageRequest, answer: PageAnswer, place: int, pages: int) -> None:
        where, number = self.pages or self.pages_header, self.number_of(request)
        if place > pages and request.pages_past_end and answer.page.records:
            raise PagingError(
                f"{where!r} says that there are {pages} pages, and {self.name} {number} holds records all the same: "
                "the number is capped, or counts something else. Leave it out of `pages`, or correct its path."
            )
        if place == pages > 1 and not answer.page.records and not answer.counts_hidden:
            lower = self.first_number == 1
            raise PagingError(
                f"{where!r} says that {self.name} {number} is the last page, and it holds no records. "
                + ("If the API counts its pages from 0, write first = 0 in `pages`. " if lower else "")
                + f"If its last pages may be empty, leave {where!r} out of `pages`."
            )

    def number_of(self, request: PageRequest) -> int:
        return number_in(request, self.place, self.name)

    def size_of(self, request: PageRequest) -> int | None:
        return size_number(size_in(request, self.place, self.size_name))

    def _smaller(self, request: PageRequest) -> PageRequest | None:
        size = halve_size(size_in(request, self.place, self.size_name))
        return None if size is None else put(request, self.place, self.size_name, size)

    def _pages(self, answer: PageAnswer) -> int | None:
        if self.pages_header and (text := answer.header(self.pages_header)) is not None:
            return whole_number(text, self.pages_header)
        return answer.number(self.pages) if self.pages else None


def append_end_advice(error: ApiError, kind: object) -> None:
    if error.action is not Action.POISON or error.status not in {rule.status for rule in _PAST_THE_END_RULES}:
        return
    if type(kind) is PageNumber and kind.end_status is None:
        declared = f"end_status = {error.status} in `pages`"
    elif type(kind) is Offset:
        declared = f"empty = [{error.status}] in the stream"
    else:
        return
    error.args = (
        f"{error}. If that is how the API answers what is behind the last record, declare a `total`, or write "
        f"{declared}",
    )


def _agree(flag: bool | None, by_number: bool, path: str) -> bool:
    if flag is not None and flag is not by_number:
        said = "this was all" if flag else "there is more"
        raise PagingError(
            f"{path!r} says that {said}, but the number of pages says otherwise. Remove the wrong one from `pages`."
        )
    return by_number


def is_end_of_places(request: PageRequest, answer: PageAnswer, new: int, seen: int | None, empty_pages: int) -> bool:
    """Whether a list ends whose pages are cut before rows are left out. ``seen``: positions so far, where known."""
    total, run = answer.total, request.pages_past_end + 1
    if total is not None and answer.counts_hidden and seen is not None:
        return seen >= total
    if total is not None and answer.received >= total:
        return True
    if new > 0:
        return False
    is_seen = total is None or seen is None or seen >= total
    return run >= (empty_pages if is_seen else max(empty_pages, MAX_EMPTY_PAGES))


def check_size(answer: PageAnswer, size: int | None) -> None:
    if size is None and answer.counts_hidden:
        raise UsageError(
            'A total that counts hidden rows (`is = "bound"`) needs the page size to tell where a list ends. Write '
            "it in `pages`: limit = 100, or size = 100 for page numbers."
        )


def check_empty_pages(empty_pages: int) -> None:
    if empty_pages < 1:
        raise UsageError(f"empty_pages is {empty_pages}; it must be at least 1.")


def check_flags(more: str, done: str, missing: str = "") -> None:
    if missing not in get_args(Missing):
        raise UsageError(f"missing is {missing!r}; write 'end', or leave it out.")
    if missing and not (more or done):
        raise UsageError("`missing` says that the last page lacks its flag: declare `more` or `done`.")
    if more and done:
        raise UsageError("Declare `more` or `done`, not both: they say the same in opposite words.")
    for path in (more, done):
        if path:
            check_path(path)


def flag_says_end(answer: PageAnswer, more: str, done: str, missing: str) -> bool | None:
    """Whether the declared flag says the end; None without one, and for a declared empty page.

    Raises `BodyError` where another page lacks it, unless ``missing`` allows that: its path may be misspelt.
    """
    path = more or done
    if not path:
        return None
    flag = answer.flag(path)
    if flag is None:
        if missing or answer.body.is_declared_empty:
            return None
        raise BodyError(
            f"no flag says whether there is more: {answer.body.explain_missing(path)}. Correct its path; or, where the "
            'API leaves it out of the last page, write missing = "end" in `pages`'
        )
    return flag is bool(done)


def put(request: PageRequest, place: ParameterPlace, name: str, value: int) -> PageRequest:
    return request.with_query(name, str(value)) if place == "query" else request.with_field(name, value)


def number_in(request: PageRequest, place: ParameterPlace, name: str) -> int:
    return int(size_in(request, place, name) or 0)


def size_in(request: PageRequest, place: ParameterPlace, name: str) -> Any:
    return request.query_value(name) if place == "query" else request.field(name)
