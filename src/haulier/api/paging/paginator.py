"""The seam of paging: what the request of the first page is, and what follows a page.

A paginator of one's own takes ten lines. It keeps no state: the request carries what the next one depends on, so that
one paginator serves any number of items at once, and a page can be asked for again.

    class ByYear:
        def first(self, request: PageRequest) -> PageRequest:
            return request.with_query("year", "2020")

        def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
            if answer.flag("is_last"):
                return None
            return request.with_query("year", str(int(request.query_value("year") or 0) + 1))

What the client adds to any paginator: the retries, the loop guard, the page cap, the same-origin rule, the total. One
that asks for places in a list, as an offset does, says so by an attribute ``is_counting = True``: a total that moves
then begins the item again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import msgspec
from msgspec import Raw
from multidict import CIMultiDictProxy

from haulier.api.answers.judgement import Rule
from haulier.api.errors import BodyError, PagingError
from haulier.api.http.urls import Pairs
from haulier.api.paging.link_header import links_of, relations_of
from haulier.api.records.next_sign import SignReport, asked_sizes, report_found, report_missing
from haulier.api.records.page import Body, Page
from haulier.api.records.paths import describe, first_byte

NO_TOKEN_VALUES = (b"null", b'""', b"false", b"{}", b"[]")
"""What APIs put where there is no next token or link; the last two are what PHP makes of nothing."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The request of one page. The ``with_`` methods return a changed copy."""

    url: str
    """``query`` comes behind what it holds itself."""
    query: Pairs = ()
    method: str = "GET"
    headers: Pairs = ()
    json: Any = None
    """The body; None: none. May hold `msgspec.Raw`."""
    overlap: int = 0
    """So many records at the start of this page must be the last ones of the page before; checked, and dropped."""
    end_rules: tuple[Rule, ...] = ()
    """Rules about its answer, ahead of the source's. END says that there is no such page, which is no failure."""
    has_token: bool = False
    """It continues a walk by something that the API handed out, which may expire: the item then begins again."""
    pages_beyond: int = 0
    """It looks whether anything comes behind what seems to be the end, such as an empty page: for the n-th time in a
    row. A refusal, and a page that came before, are the end then."""
    base: str = ""
    """What ``url`` is relative to; "" for the API's own address."""
    smaller: Callable[[PageRequest], PageRequest | None] | None = None
    """Makes of this request the one for a page of half the size at the same place; None where it can be no smaller.

    It is asked where the API cannot send the page whole, and what it made is gone on from.
    """

    first_query: Pairs = ()
    """The parameters of the walk's first request, where ``url`` is a link that may lack them."""
    missing_parameters: tuple[str, ...] = ()
    """Names of those that it does lack, for a person to be told of."""

    def with_query(self, name: str, value: str) -> PageRequest:
        """``name`` set to ``value``, in the place where it stood, or else at the end."""
        pairs = [(known, value if known == name else old) for known, old in self.query]
        return replace(self, query=tuple(pairs) if self.query_value(name) is not None else (*pairs, (name, value)))

    def without_query(self, name: str) -> PageRequest:
        """``name`` left out."""
        return replace(self, query=tuple(pair for pair in self.query if pair[0] != name))

    def query_value(self, name: str) -> str | None:
        """What ``name`` is set to."""
        return next((value for known, value in self.query if known == name), None)

    def header_value(self, name: str) -> str | None:
        """What the header is set to."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)

    def with_header(self, name: str, value: str) -> PageRequest:
        """The header set to ``value``."""
        others = tuple(pair for pair in self.headers if pair[0].lower() != name.lower())
        return replace(self, headers=(*others, (name, value)))

    def with_field(self, path: str, value: Any) -> PageRequest:
        """The field of the JSON body at a dotted path set to ``value``; objects on the way are made where they lack."""
        return replace(self, json=_with_field(self.json, path.split("."), value))

    def field(self, path: str) -> Any:
        """What the JSON body holds at a dotted path, or None."""
        node = self.json
        for key in path.split("."):
            node = node.get(key) if isinstance(node, Mapping) else None
        return node

    def with_url(self, url: str, base: str = "") -> PageRequest:
        """Another address, with a query of its own only. The client refuses one of another origin.

        Relative to ``base``, such as `PageAnswer.url`. Headers and body stay.
        """
        return replace(self, url=url, base=base, query=())


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """What a page came with. Paths are dotted paths into its JSON body."""

    body: Body
    url: str
    """Where it came from, after redirects."""
    headers: CIMultiDictProxy[str]
    received: int
    """Records of this item so far, this page's too."""
    total: int | None = None
    """How many the API says there are in all, where a total was declared that is no estimate."""
    counts_hidden: bool = False
    """Whether that total counts rows that are hidden from us as well."""
    is_first: bool = False
    """It is the first page of its walk."""
    sign_reports: list[SignReport] = field(default_factory=list)
    """What the kinds of haulier's own found where the sign of a next page should stand."""

    @property
    def page(self) -> Page:
        """The records."""
        return self.body.page

    @property
    def is_last_by_count(self) -> bool:
        """The end of kinds without a sign of their own: the exact total is reached, or else no records came."""
        return not self.page.records or (self.total is not None and self.received >= self.total)

    def raw(self, path: str) -> Raw | None:
        """The bytes at a path; None for nothing, null, "", false, and an empty object or list.

        Raises `PagingError` for a path that can never lead anywhere here, such as one by a name into a list.
        """
        found = self.body.raw(path)
        if found is None:
            if wrong := self.body.explain_misfit(path):
                raise PagingError(f"nothing can stand at {path!r}: {wrong}. Correct the path in `pages`.")
            return None
        # Jackson writes `{ }` and `[ ]`.
        return None if bytes(found) in NO_TOKEN_VALUES or bytes(found).split(None, 2) in _EMPTY_CONTAINERS else found

    def text(self, path: str) -> str | None:
        """The text or number at a path, as it was sent; None as in `raw`. Raises `BodyError` for anything else."""
        found = self.raw(path)
        return None if found is None else text_of_raw(found, path)

    def number(self, path: str) -> int | None:
        """The whole number at a path; None where nothing or null stands there. Raises `BodyError` for anything else."""
        found = self.text(path)
        return None if found is None else whole_number(found, path)

    def flag(self, path: str) -> bool | None:
        """What a flag says; None where nothing or null stands there. Raises `BodyError` for what is no flag."""
        found = self.body.raw(path)
        if found is None or bytes(found) == b"null":
            return None
        flag = _FLAGS.get(bytes(found).strip(b'"').lower())
        if flag is None:
            raise BodyError(f"at {path!r} stands {describe(found)}, and true or false was expected")
        return flag

    def note_sign(self, at: str, *, is_there: bool, asked: int | None = None) -> None:
        """Whether something stands at the path of the sign of a next page, be it null. ``asked``: the page's size."""
        if not is_there:
            self.sign_reports.append(report_missing(self.body, at, asked))
        elif self.is_first:
            # Later pages say nothing new, and looking beside the sign takes the body apart once more.
            self.sign_reports.append(report_found(self.body, at))

    def note_header_sign(self, name: str, *, is_there: bool, asked: int | None = None) -> None:
        """The same for a header."""
        sign = f"the header {name!r}"
        if is_there or name in self.headers:
            self.sign_reports.append(SignReport(sign))
        else:
            instead = f"there are {', '.join(list(dict.fromkeys(self.headers))[:_SHOWN_HEADERS])}"
            self.sign_reports.append(SignReport(sign, f"no header is called {name!r}", instead, asked=asked))

    def header(self, name: str) -> str | None:
        """The header's value; None where it is not there, or empty."""
        return self.headers.get(name, "").strip() or None


class Paginator(Protocol):
    """One way to page through an API. Any number of items share an instance: keep nothing in it."""

    def first(self, request: PageRequest) -> PageRequest:
        """The request of the first page, made from the one that was declared for the stream."""
        ...

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        """The request after ``answer``, which was the answer to ``request``; None where that was the last page.

        A page with fewer records than asked for is no end: servers lower limits. May raise `BodyError` where the answer
        makes no sense: it is asked for again then; and `PagingError` where it contradicts what was declared.
        """
        ...


@dataclass(frozen=True, slots=True)
class Single:
    """All records come in one page. One with as many records as the request asks for is an error: there may be more.

    An exact total settles it. ``may_be_full``: so many are all that is wanted, such as the newest hundred.
    """

    may_be_full: bool = False

    def first(self, request: PageRequest) -> PageRequest:
        return request

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        count = len(answer.page)
        if answer.total is None and not self.may_be_full and _has_next_link(answer):
            raise PagingError(
                'the Link header leads to a next page, and pages = "single" reads no more. Write pages = "link"; or '
                'pages = { single = "may be full" }, if the first page is all that is wanted.'
            )
        if answer.total is None and not self.may_be_full and count in asked_sizes(request.query, request.json):
            raise PagingError(
                f"the page is as full as it was asked for, with {count:,} records, so that there may be more, and "
                'pages = "single" reads no more. Declare in `pages` how a page leads to the next, or an exact `total`; '
                'or write pages = { single = "may be full" }, if so many are all that is wanted.'
            )
        return None


def kind_of(paginator: Paginator) -> Paginator:
    """The kind of paging itself, where one only wraps another: what it wraps is its ``inner``."""
    while (inner := getattr(paginator, "inner", None)) is not None:
        paginator = inner
    return paginator


def _has_next_link(answer: PageAnswer) -> bool:
    """A header that cannot be read says nothing: nobody declared that there is one."""
    try:
        links = [each for value in answer.headers.getall("Link", ()) for _, each in links_of(value)]
    except BodyError:
        return False
    return any("next" in relations_of(each) for each in links)


def text_of_raw(value: Raw, where: str) -> str:
    """A JSON text or number as a query or header says it: numbers with the digits they came with."""
    kind = first_byte(value)
    if kind == b'"':
        try:
            return msgspec.json.decode(value, type=str)
        except msgspec.DecodeError as error:
            raise BodyError(f"the text at {where!r} cannot be sent back: {error}") from error
    if kind in b"-0123456789":
        return bytes(value).decode()
    raise BodyError(f"at {where!r} stands {describe(value)}, and text or a number was expected")


def whole_number(text: str, where: str) -> int:
    """Raises `BodyError` for what is no whole number from 0 up."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise BodyError(f"at {where!r} stands no whole number, and one was expected")
    return int(text)


_SHOWN_HEADERS = 12
_EMPTY_CONTAINERS = ([b"{", b"}"], [b"[", b"]"])

_FLAGS = {b"true": True, b"1": True, b"false": False, b"0": False, b"": False}


def _with_field(node: Any, keys: list[str], value: Any) -> Any:
    if not keys:
        return value
    old = dict(node) if isinstance(node, Mapping) else {}
    return old | {keys[0]: _with_field(old.get(keys[0]), keys[1:], value)}
