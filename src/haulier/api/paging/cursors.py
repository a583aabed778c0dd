"""Paging by a value to hand back: a token, or the last record's key."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from msgspec import Raw

from haulier.api.errors import BodyError, PagingError, Shape
from haulier.api.paging.declared_end import END_WORDS, End, check_ends, flag_of
from haulier.api.paging.form_body import form_text
from haulier.api.paging.page_size import allow_smaller, declared_size
from haulier.api.paging.paginator import PageAnswer, PageRequest, text_of_raw
from haulier.api.paging.positions import CHECKS_ONLY, Missing, check_flags, flag_says_end
from haulier.api.paging.seek_keys import ends_with_null, seek_keys
from haulier.api.records.paths import check_path, raw_at
from haulier.errors import UsageError


@dataclass(frozen=True, slots=True)
class Key:
    """One value from an answer for the next request: ``Key("paging.next", query="after")``."""

    at: str = ""
    """Path of the value in the answer."""
    from_header: str = ""
    """Header of the answer that has it instead."""
    query: str = ""
    """Parameter that it is sent as."""
    body: str = ""
    """Path in the JSON body where it is sent instead, as it came, be it an object."""
    header: str = ""
    """Header that it is sent as instead."""

    def __post_init__(self) -> None:
        if bool(self.at) == bool(self.from_header):
            raise UsageError("A cursor is read from one place: a path of the body, or a header. Name one.")
        if sum(map(bool, (self.query, self.body, self.header))) != 1:
            raise UsageError(
                "A cursor is sent back in one place. Write `query` (a parameter), `body` (a path of the JSON body) or "
                "`header`."
            )
        for path in (self.at, self.body):
            if path:
                check_path(path)

    def of(self, answer: PageAnswer) -> str | Raw | None:
        if self.from_header:
            return answer.header(self.from_header)
        return answer.raw(self.at) if self.body else answer.text(self.at)

    def put(self, request: PageRequest, value: str | Raw) -> PageRequest:
        if self.body:
            # A slice would keep its whole page alive.
            return request.with_field(self.body, value.copy() if isinstance(value, Raw) else value)
        text = value if isinstance(value, str) else text_of_raw(value, self.at)
        return request.with_query(self.query, text) if self.query else request.with_header(self.header, text)

    def was_sent(self, request: PageRequest, value: str | Raw) -> bool:
        if self.body:
            sent = request.field(self.body)
            if request.form is not None:
                return bool(sent == form_text(value))
            return (isinstance(sent, Raw) and isinstance(value, Raw) and bytes(sent) == bytes(value)) or sent == value
        sent = request.query_value(self.query) if self.query else request.header_value(self.header)
        return sent == (value if isinstance(value, str) else text_of_raw(value, self.at))

    def note_sign(self, answer: PageAnswer, *, is_there: bool, asked: int | None) -> None:
        if self.from_header:
            answer.note_header_sign(self.from_header, is_there=is_there, asked=asked)
        else:
            answer.note_sign(self.at, is_there=is_there or answer.body.raw(self.at) is not None, asked=asked)


NULL_TEXT = "null"


def is_zero(token: str | Raw | None) -> bool:
    return (token if isinstance(token, str) else bytes(token or b"").decode().strip('"')) == "0"


def zero_advice(kind: object, request: PageRequest) -> str:
    """What to declare where pages go in a circle, and the token that was sent is 0."""
    if not isinstance(kind, Cursor) or "zero" in kind.end:
        return ""
    sent: object = request.field(kind.body) if kind.body else request.header_value(kind.header)
    sent = request.query_value(kind.query) if kind.query else sent
    if not isinstance(sent, str | Raw) or not is_zero(sent):
        return ""
    return ' The token that was sent is 0: where it means the end, write end = ["zero"] in `pages`.'


@dataclass(frozen=True, slots=True)
class Cursor:
    """Paging by an opaque token: ``Cursor("next", query="cursor")``, read and sent as by `Key`.

    Ends where the token is missing, null, "" or false, or as ``end`` says. A flag at ``more`` or ``done`` must agree.
    All else of the request stays.
    """

    at: str = ""
    from_header: str = ""
    query: str = ""
    body: str = ""
    header: str = ""
    more: str = ""
    done: str = ""
    also: tuple[Key, ...] = ()
    """Further values to send along with the token."""
    size_name: str = ""
    """Parameter, or path of the JSON body, with the page size: halved where the first page is too large. Later tokens
    may depend on it."""
    end: tuple[End, ...] = ()
    """Further ends: "flag" (it alone counts), "repeated" (the token comes again), "empty page", "zero" (token 0),
    "null" (that text)."""
    missing: Missing = field(default="", metadata=CHECKS_ONLY)
    """ "end": the last page lacks the token; a full one is not suspicious."""

    alone: bool = False
    """Later requests have the token, and what ``also`` sends, and no other parameter or field of the body: some APIs
    refuse any other beside it."""
    next_path: str = ""
    """Path of all later requests, below the API's url, such as `/search/scroll`."""

    def __post_init__(self) -> None:
        check_ends(self, self.missing, END_WORDS)
        if self.next_path and not self.next_path.startswith("/"):
            raise UsageError(f"next_path is {self.next_path!r}; write a path that begins with a slash.")
        self._key()

    def first(self, request: PageRequest) -> PageRequest:
        return allow_smaller(request, self.size_name)

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        key = self._key()
        token = key.of(answer)
        if ("zero" in self.end and is_zero(token)) or ("null" in self.end and token == NULL_TEXT):
            # It is the sign, and says the end: nothing is missing.
            key.note_sign(answer, is_there=True, asked=None)
            flag_of(self, answer, has_token=False)
            return None
        says_end = flag_of(self, answer, has_token=token is not None)
        if not self.missing:
            is_there = token is not None or says_end is not None
            key.note_sign(answer, is_there=is_there, asked=declared_size(request, self.size_name))
        if token is None or says_end or ("empty page" in self.end and not answer.page.records):
            return None
        if "repeated" in self.end and key.was_sent(request, token):
            return None
        following = self._emptied(request)
        for each in (key, *self.also):
            value = each.of(answer)
            if value is None:
                raise PagingError(
                    f"there is a next page, but nothing at {(each.at or each.from_header)!r}. Correct the path in "
                    "`also`; where values come and go, the API has them in one object, which goes back whole: "
                    'pages = { continue = "continue" }.'
                )
            following = each.put(following, value)
        return replace(following, has_token=True, smaller=None)

    def _emptied(self, request: PageRequest) -> PageRequest:
        if self.next_path:
            request = replace(request, url=self.next_path, base="", link_base="api")
        if not self.alone:
            return request
        # The link of a record may have a query of its own.
        url = request.url.partition("?")[0]
        return replace(request, url=url, query=(), json=None, form=None if request.form is None else ())

    def _key(self) -> Key:
        return Key(self.at, self.from_header, self.query, self.body, self.header)


@dataclass(frozen=True, slots=True)
class Seek:
    """Paging by the last record's key, "those after this one": ``Seek("id", query="since_id")``.

    The key must be unique, never change, and sort the list; a page that shows otherwise raises `PagingError`. Ends as
    the flag at ``more`` or ``done`` says, if declared; else at the exact total, or at an empty page.
    """

    key: str
    """Path in a record."""
    query: str = ""
    body: str = ""
    """Path in the JSON body, instead of ``query``: the value goes there as it came, be it a list of sort values."""
    template: str = "{key}"
    """Text to send, such as `sys_id>{key}^ORDERBYsys_id`."""
    more: str = ""
    done: str = ""
    is_inclusive: bool = False
    """The API repeats records with the last key: they are checked and dropped. The key need not be unique."""
    size_name: str = ""
    """Parameter, or path of the JSON body, with the page size: halved where a page is too large."""
    missing: Missing = field(default="", metadata=CHECKS_ONLY)
    """As `Offset.missing`."""

    def __post_init__(self) -> None:
        check_flags(self.more, self.done, self.missing)
        check_path(self.key)
        if bool(self.query) == bool(self.body):
            raise UsageError(
                "The key of the last record is sent in one place. Write `query` (a parameter) or `body` (a path of the "
                "JSON body)."
            )
        if "{key}" not in self.template:
            raise UsageError(f"The template {self.template!r} has no place for the key. Write '{{key}}' where it goes.")

    def first(self, request: PageRequest) -> PageRequest:
        # Of one record a page, the one with the key would be all that came.
        return allow_smaller(request, self.size_name, floor=2 if self.is_inclusive else 1)

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        new = len(answer.page) - request.overlap
        says_end = flag_says_end(answer, self.more, self.done, self.missing)
        if answer.is_last_by_count or new <= 0 if says_end is None else says_end:
            return None
        if new <= 0:
            raise BodyError("the API says that there is more, but the page holds no records to go on from")
        key = raw_at(bytes(answer.page.records[-1]), self.key)
        if key is None or bytes(key) == b"null" or ends_with_null(key):
            lack = f"the last record has nothing at {self.key!r}, the key that the next page is asked for with (`seek`)"
            raise BodyError(lack, Shape.RECORD)
        keys = seek_keys(self.key)
        if not self.is_inclusive:
            keys.check(answer.page.records, is_first_page=answer.is_first)
        following = self._put(request, key)
        return replace(following, overlap=keys.ties(answer.page.records)) if self.is_inclusive else following

    def _put(self, request: PageRequest, key: Raw) -> PageRequest:
        if self.body and self.template == "{key}":
            return request.with_field(self.body, key.copy())
        text = self.template.replace("{key}", text_of_raw(key, self.key))
        return request.with_query(self.query, text) if self.query else request.with_field(self.body, text)
