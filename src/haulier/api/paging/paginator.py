"""The seam of paging."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import msgspec
from msgspec import Raw
from multidict import CIMultiDictProxy

from haulier.api.answers.judgement import Rule
from haulier.api.errors import BodyError, PagingError
from haulier.api.http.transport import RequestPart
from haulier.api.http.urls import Pairs
from haulier.api.paging.form_body import form_field, with_form_field
from haulier.api.paging.json_body import value_at, with_value
from haulier.api.paging.link_address import LinkBase, LinkOrigin
from haulier.api.paging.link_header import links_of, relations_of
from haulier.api.records.next_sign import SignReport, asked_sizes, onward_headers, report_found, report_missing
from haulier.api.records.page import Body, Page
from haulier.api.records.paths import describe, first_byte

NO_TOKEN_VALUES = (b"null", b'""', b"false", b"{}", b"[]")
"""What APIs send where there is no next token. The last two are how PHP writes an empty array."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The request of one page. Immutable: ``request.with_query("page", "2")`` returns a changed copy."""

    url: str
    """Absolute, or relative to ``base``."""
    query: Pairs = ()
    method: str = "GET"
    headers: Pairs = ()
    json: Any = None
    """JSON body, which may hold `msgspec.Raw`."""
    form: Pairs | None = None
    """Fields of a form, in place of ``json``."""
    overlap: int = 0
    """Records at its start that must equal the last ones of the page before: checked and dropped."""
    end_rules: tuple[Rule, ...] = ()
    """Rules ahead of the source's. END: there is no such page, which is no failure."""
    has_token: bool = False
    """It carries a token or link of the API's: if that expires, the item begins again."""
    pages_past_end: int = 0
    """Requests in a row past the apparent end, with this one: a refusal or a repeated page is the end then."""
    base: str = ""
    """Address that ``url`` is relative to; "" for the API's own."""
    smaller: Callable[[PageRequest], PageRequest | None] | None = None
    """Returns the request for half as many records at the same position, or None. Called where a page is too large."""

    first_query: Pairs = ()
    """Parameters of the first request, where ``url`` is a link."""
    missing_parameters: tuple[str, ...] = ()
    """Those that the link lacks, for a warning."""
    link_origin: LinkOrigin = ""
    link_base: LinkBase = ""
    """How ``url`` is read, where it is a link."""
    part: RequestPart = ""
    """Of a job, what it is for."""

    def with_query(self, name: str, value: str) -> PageRequest:
        """Set a parameter, in its old place if it had one."""
        pairs = [(known, value if known == name else old) for known, old in self.query]
        return replace(self, query=tuple(pairs) if self.query_value(name) is not None else (*pairs, (name, value)))

    def without_query(self, name: str) -> PageRequest:
        """Leave out a query parameter."""
        return replace(self, query=tuple(pair for pair in self.query if pair[0] != name))

    def query_value(self, name: str) -> str | None:
        """Return a parameter's first value; None where it is not set."""
        return next((value for known, value in self.query if known == name), None)

    def header_value(self, name: str) -> str | None:
        """Return a header's value, whatever the case of its name; None where it is not set."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)

    def with_header(self, name: str, value: str) -> PageRequest:
        """Set a header, in place of others of that name."""
        others = tuple(pair for pair in self.headers if pair[0].lower() != name.lower())
        return replace(self, headers=(*others, (name, value)))

    def with_field(self, path: str, value: Any) -> PageRequest:
        """Set the field at a dotted path of the JSON body, with the objects on the way. A number is a place in a list
        that is there, or the next one; ``search_after.0`` begins a list. Of a form, set the field of that name."""
        if self.form is not None:
            return replace(self, form=with_form_field(self.form, path, value))
        return replace(self, json=with_value(self.json, path, value))

    def field(self, path: str) -> Any:
        """Return what the JSON body holds at a dotted path, or a form under that name."""
        return value_at(self.json, path) if self.form is None else form_field(self.form, path)

    @property
    def parameters(self) -> Pairs:
        """Of the query, and of the form."""
        return self.query if self.form is None else (*self.query, *self.form)

    def with_url(self, url: str, base: str = "") -> PageRequest:
        """Ask another address, such as a link relative to `PageAnswer.url`. Headers and body stay, the query does not.
        The client refuses another origin with `ApiError`."""
        return replace(self, url=url, base=base, query=())


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """One page as a paginator sees it. Paths are dotted paths into its JSON body: ``paging.next``, ``rows.0.id``."""

    body: Body
    url: str
    """Address after redirects."""
    headers: CIMultiDictProxy[str]
    received: int
    """Records of this item so far, with this page's."""
    total: int | None = None
    """Records in all, where an exact total is declared."""
    counts_hidden: bool = False
    """``total`` counts rows that are hidden from us."""
    is_first: bool = False
    home: str = ""
    """The API's url."""
    sign_reports: list[SignReport] = field(default_factory=list)
    """For haulier's own kinds."""
    feed_marks: list[str] = field(default_factory=list)
    """Likewise: where a feed goes on."""

    @property
    def page(self) -> Page:
        """Records of the page."""
        return self.body.page

    @property
    def is_last_by_count(self) -> bool:
        """Whether the page is empty or the total reached."""
        return not self.page.records or (self.total is not None and self.received >= self.total)

    def raw(self, path: str) -> Raw | None:
        """Return the bytes at a path; None for nothing, null, "", false, and an empty object or list.

        Raises `PagingError` for a path that can never fit, such as a name into a list.
        """
        found = self.body.raw(path)
        if found is None:
            if wrong := self.body.explain_misfit(path):
                raise PagingError(f"nothing can be at {path!r}: {wrong}. Correct the path in `pages`.")
            return None
        # Jackson writes `{ }` and `[ ]`.
        return None if bytes(found) in NO_TOKEN_VALUES or bytes(found).split(None, 2) in _EMPTY_CONTAINERS else found

    def text(self, path: str) -> str | None:
        """Return the text or number, with the digits that were sent; None as `raw`. Raises `BodyError` for other
        values."""
        found = self.raw(path)
        return None if found is None else text_of_raw(found, path)

    def number(self, path: str) -> int | None:
        """Return the whole number; None as `raw`. Raises `BodyError` for other values."""
        found = self.text(path)
        return None if found is None else whole_number(found, path)

    def flag(self, path: str) -> bool | None:
        """Return true, false, 1 or 0, also as text, and "Y", "N", "yes", "no"; "" is false, null is None. Raises
        `BodyError` for other values."""
        found = self.body.raw(path)
        if found is None or bytes(found) == b"null":
            return None
        flag = _FLAGS.get(bytes(found).strip(b'"').lower())
        if flag is None:
            raise BodyError(f"expected true or false at {path!r}, found {describe(found)}")
        return flag

    def note_sign(self, at: str, *, is_there: bool, asked: int | None = None) -> None:
        """Report whether the sign of a next page is there, be it null. ``asked``: the page's size."""
        if not is_there:
            self.note_lack(report_missing(self.body, at, asked))
        elif self.is_first:
            # Later pages say nothing new, and looking beside the sign takes the body apart once more.
            self.sign_reports.append(report_found(self.body, at))

    def note_header_sign(self, name: str, *, is_there: bool, asked: int | None = None) -> None:
        sign = f"the header {name!r}"
        onward = onward_headers(self.headers)
        if is_there or name in self.headers:
            self.sign_reports.append(SignReport(sign, companions=tuple(("", key) for key in onward)))
        else:
            lack = f"no header is called {name!r}"
            instead = f"there are {', '.join(list(dict.fromkeys(self.headers))[:_SHOWN_HEADERS])}"
            self.note_lack(SignReport(sign, lack, instead, tokens=onward, asked=asked))

    def note_lack(self, report: SignReport) -> None:
        """Report that the sign is missing. A next one in the Link header speaks against the end."""
        if not (report.tokens or report.elsewhere) and _has_next_link(self):
            report = replace(report, elsewhere=(_NEXT_LINK,))
        self.sign_reports.append(report)

    def header(self, name: str) -> str | None:
        """Return a header's value; None where it is missing or empty."""
        return self.headers.get(name, "").strip() or None


class Paginator(Protocol):
    """How a page of a list leads to the next: write one where no kind of haulier's fits the API.

    Items share an instance, so keep no state in it. The request carries what the next one depends on:

        class ByYear:
            def first(self, request: PageRequest) -> PageRequest:
                return request.with_query("year", "2020")

            def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
                if answer.flag("is_last"):
                    return None
                return request.with_query("year", str(int(request.query_value("year") or 0) + 1))

    The client adds retries, the loop guard, the page cap, the same-origin rule and the total. With ``is_counting =
    True``, as for offsets, a total that moves begins the item again. No class of one's own is
    checked for rows passed over or sent twice: declare an exact total. A page size is found in the attributes
    ``limit``, ``size`` and ``page_size``.
    """

    def first(self, request: PageRequest) -> PageRequest:
        """Return the first request, made from the one that the stream declares."""
        ...

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        """Return the request after ``answer``; None after the last page.

        A page with fewer records than asked for is no end: servers lower limits. Raise `BodyError` for an answer that
        makes no sense, which is asked for again, and `PagingError` where it contradicts what was declared.
        """
        ...


@dataclass(frozen=True, slots=True)
class Single:
    """All records come in one page. A page as full as was asked for, or a Link header with a next one, raises
    `PagingError`, unless there is an exact total."""

    may_be_full: bool = False
    """Accept a full page, such as the newest hundred."""

    def first(self, request: PageRequest) -> PageRequest:
        return request

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        count = len(answer.page)
        if answer.total is None and not self.may_be_full and _has_next_link(answer):
            raise PagingError(
                'the Link header leads to a next page, and pages = "single" reads one page. Write pages = "link"; or '
                'pages = { single = "may be full" }, if no more is wanted.'
            )
        if answer.total is None and not self.may_be_full and count in asked_sizes(request.parameters, request.json):
            raise PagingError(
                f"the page is full, with the {count:,} records that were asked for, so that there may be more, and "
                'pages = "single" reads one page. Declare in `pages` how a page leads to the next, or an exact total, '
                'or write pages = { single = "may be full" }, if no more are wanted.'
            )
        return None


def kind_of(paginator: Paginator) -> Paginator:
    """Unwrap paginators that hold another as ``inner``."""
    while (inner := getattr(paginator, "inner", None)) is not None:
        paginator = inner
    return paginator


def body_path_of(paginator: Paginator) -> str:
    """Return a path of the answer that the kind reads; "" where it reads none."""
    kinds = (kind_of(paginator), *getattr(kind_of(paginator), "also", ()))
    found = (getattr(kind, name, "") for kind in kinds for name in ("at", "more", "done"))
    return next((path for path in found if path and isinstance(path, str)), "")


def is_counting(paginator: Paginator) -> bool:
    return bool(getattr(kind_of(paginator), "is_counting", False))


_NEXT_LINK: Final = "the relation 'next' of the Link header"


def _has_next_link(answer: PageAnswer) -> bool:
    try:
        links = [each for value in answer.headers.getall("Link", ()) for _, each in links_of(value)]
    except BodyError:
        return False
    return any("next" in relations_of(each) for each in links)


def text_of_raw(value: Raw, where: str) -> str:
    """Return a JSON text or number as a query says it, with all digits."""
    kind = first_byte(value)
    if kind == b'"':
        try:
            return msgspec.json.decode(value, type=str)
        except msgspec.DecodeError as error:
            raise BodyError(f"the text at {where!r} cannot be sent back: {error}") from error
    if kind in b"-0123456789":
        return bytes(value).decode()
    raise BodyError(f"expected text or a number at {where!r}, found {describe(value)}")


def whole_number(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise BodyError(f"expected a whole number at {where!r}, found something else")
    return int(text)


_SHOWN_HEADERS = 12
_EMPTY_CONTAINERS = ([b"{", b"}"], [b"[", b"]"])

_FLAGS = {
    b"true": True, b"1": True, b"y": True, b"yes": True,
    b"false": False, b"0": False, b"n": False, b"no": False, b"": False,
}  # fmt: skip
