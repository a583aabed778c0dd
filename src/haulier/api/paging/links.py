"""Paging by links of the API's. They replace the whole query, and lead to its own origin only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol
from urllib.parse import urljoin

from haulier.api.errors import PagingError
from haulier.api.http.urls import LinkError
from haulier.api.paging.declared_end import End, check_ends, check_words, flag_of
from haulier.api.paging.kept_query import UNSAID_IS_FALSE, keep_parameters
from haulier.api.paging.link_address import LinkBase, LinkOrigin, address_of, check_link_words
from haulier.api.paging.link_header import (
    attribute_error,
    attribute_of,
    check_attribute,
    is_value,
    links_of,
    relations_of,
)
from haulier.api.paging.nested_lists import Nested, check_nested, check_uncut
from haulier.api.paging.page_size import halve_size
from haulier.api.paging.paginator import NO_TOKEN_VALUES, PageAnswer, PageRequest, text_of_raw
from haulier.api.paging.positions import CHECKS_ONLY, Missing
from haulier.api.records.next_sign import SignReport, onward_relation
from haulier.api.records.paths import check_path
from haulier.errors import UsageError

_PAGE_SIZE_PREFERENCE: Final = "odata.maxpagesize="
_NEXT_NAMES: Final = ("@odata.nextLink", "@nextLink", "odata.nextLink", "d.__next")
"""Next links of OData 4.0, 4.01, 3 (JSON light) and 2."""
_CONTEXT_NAMES: Final = ("@odata.context", "@context", "odata.metadata")
_DELTA_NAMES: Final = ("@odata.deltaLink", "@deltaLink", "odata.deltaLink", "d.__delta")


ODataVersion = Literal["v4", "v3", "v2"]


@dataclass(frozen=True, slots=True)
class _Dialect:
    next_names: tuple[str, ...]
    delta_names: tuple[str, ...]
    headers: tuple[tuple[str, str], ...] = ()
    """Sent unless the request has them: a service answers in the newest version that it knows."""


_DIALECTS: Final[Mapping[str, _Dialect]] = {
    "v4": _Dialect(_NEXT_NAMES, _DELTA_NAMES),
    "v3": _Dialect(
        ("odata.nextLink",),
        ("odata.deltaLink",),
        (("MaxDataServiceVersion", "3.0"), ("Accept", "application/json;odata=minimalmetadata")),
    ),
    "v2": _Dialect(("d.__next",), ("d.__delta",), (("MaxDataServiceVersion", "2.0"), ("Accept", "application/json"))),
}


@dataclass(frozen=True, slots=True)
class NextUrl:
    """Paging by the address of the next page, absolute or relative: ``NextUrl("paging.next")``.

    Ends where it is missing, null, "" or false, or as ``end`` says. A flag at ``more`` or ``done`` must agree.
    """

    at: str = ""
    from_header: str = ""
    more: str = ""
    done: str = ""
    end: tuple[End, ...] = ()
    """As `Cursor.end`."""
    missing: Missing = field(default="", metadata=CHECKS_ONLY)
    """As `Cursor.missing`."""
    keep_query: bool | None = field(default=None, metadata=UNSAID_IS_FALSE)
    """Send parameters of the first request that an address lacks. Undeclared, one that cannot hold them raises
    `PagingError`; False takes it as it is."""
    link_origin: LinkOrigin = ""
    """ "own": path and query of an address are asked for at the API's own origin, whatever host it names. Else one of
    another origin raises `ApiError`."""
    link_base: LinkBase = ""
    """ "api": path and query of an address go behind the API's url, as where a proxy adds a prefix."""

    def __post_init__(self) -> None:
        check_ends(self, self.missing)
        check_link_words(self.link_origin, self.link_base)
        if bool(self.at) == bool(self.from_header):
            raise UsageError(
                "The address of the next page is read from one place: a path of the body, or a header. Name one."
            )
        if self.at:
            check_path(self.at)

    def first(self, request: PageRequest) -> PageRequest:
        return request

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        link = answer.header(self.from_header) if self.from_header else answer.text(self.at)
        if self.at in _NEXT_NAMES:
            check_uncut(answer.body.text, () if link is None else (self.at,))
        says_end = flag_of(self, answer, has_token=link is not None)
        if not self.missing:
            self._note_sign(answer, is_there=link is not None or says_end is not None)
        if link is None or says_end:
            return None
        return follow(self, request, link, answer)

    def _note_sign(self, answer: PageAnswer, *, is_there: bool) -> None:
        if self.from_header:
            answer.note_header_sign(self.from_header, is_there=is_there)
        else:
            answer.note_sign(self.at, is_there=is_there or answer.body.raw(self.at) is not None)


@dataclass(frozen=True, slots=True)
class LinkHeader:
    """Paging by the Link header (RFC 8288), as of GitHub and Shopify. Ends where it lacks ``rel``, or as ``end``
    says."""

    rel: str = "next"
    end: tuple[End, ...] = ()
    end_if: str = ""
    """Attribute of a link that leads to nothing more: `results="false"` (Sentry). A link without it raises
    `PagingError`, unless an empty page ends the list too."""
    missing: Missing = field(default="", metadata=CHECKS_ONLY)
    """As `Cursor.missing`."""
    keep_query: bool | None = field(default=None, metadata=UNSAID_IS_FALSE)
    """As `NextUrl.keep_query`."""
    link_origin: LinkOrigin = ""
    """As `NextUrl.link_origin`."""
    link_base: LinkBase = ""
    """As `NextUrl.link_base`."""

    def __post_init__(self) -> None:
        check_words(self.end, self.missing)
        check_link_words(self.link_origin, self.link_base)
        if "flag" in self.end:
            raise UsageError(
                "The Link header has no flag. Name an attribute of the link: end_if = 'results=\"false\"'."
            )
        check_attribute(self.end_if)

    def first(self, request: PageRequest) -> PageRequest:
        return request

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        relations: dict[str, None] = {}
        for value in answer.headers.getall("Link", ()):
            for link, parameters in links_of(value):
                found = relations_of(parameters)
                if self.rel.lower() in found:
                    answer.sign_reports.append(SignReport(self._sign))
                    if self._is_ended_by(parameters):
                        return None
                    return follow(self, request, link, answer)
                relations |= dict.fromkeys(sorted(found))
        if not self.missing:
            instead = f"its relations are {', '.join(relations)}" if relations else "there is no Link header"
            lack, elsewhere = f"no link has the relation {self.rel!r}", onward_relation(self.rel, relations)
            answer.sign_reports.append(SignReport(self._sign, lack, instead, elsewhere=elsewhere))
        return None

    @property
    def _sign(self) -> str:
        return f"the relation {self.rel!r} of the Link header"

    def _is_ended_by(self, parameters: dict[str, str]) -> bool:
        if not self.end_if:
            return False
        found = parameters.get(attribute_of(self.end_if).lower())
        if found is None and "empty page" not in self.end:
            raise attribute_error(self.end_if, f"the link {self.rel!r} of the Link header", parameters)
        return found is not None and is_value(self.end_if, found)


@dataclass(frozen=True, slots=True)
class OData:
    """Paging by an OData service: `@odata.nextLink`, or as versions 2, 3 and 4.01 write it.

    Ends where there is no link, or as ``end`` says. `$count=true` in the query gives the total `@odata.count`; in
    version 2, `$inlinecount=allpages` gives `d.__count`, and in version 3 `odata.count`.
    """

    page_size: int | None = None
    """Records asked for in `Prefer`; fewer may come. Halved where the first page is too large."""
    end: tuple[End, ...] = ()
    missing: Missing = field(default="", metadata=CHECKS_ONLY)
    """As `Cursor.missing`."""
    keep_query: bool | None = field(default=None, metadata=UNSAID_IS_FALSE)
    """As `NextUrl.keep_query`."""
    link_origin: LinkOrigin = ""
    """As `NextUrl.link_origin`."""
    link_base: LinkBase = ""
    """As `NextUrl.link_base`."""
    nested: Nested = field(default="", metadata=CHECKS_ONLY)
    """ "cut": lists inside records (`$expand`) may have next links, which are not followed. Without it they raise
    `PagingError`."""
    version: ODataVersion = "v4"
    """ "v2" and "v3" ask for that version, and take the link of no other. "v4" reads the links of all."""

    def __post_init__(self) -> None:
        check_words(self.end, self.missing)
        check_nested(self.nested)
        check_link_words(self.link_origin, self.link_base)
        if "flag" in self.end:
            raise UsageError('OData has no flag that says the end; leave "flag" out of `end`.')
        if self.page_size is not None and self.page_size < 1:
            raise UsageError(f"page_size is {self.page_size}; it must be at least 1.")
        if self.version not in _DIALECTS:
            raise UsageError(f"There is no version {self.version!r} of OData here. Available: {', '.join(_DIALECTS)}.")
        if self.page_size is not None and self.version != "v4":
            raise UsageError(
                "`page_size` is a wish that services of OData v4 know. Leave it out: the service sizes its pages "
                "itself, and $top would end the whole list."
            )

    def first(self, request: PageRequest) -> PageRequest:
        for name, value in self._dialect.headers:
            if request.header_value(name) is None:
                request = request.with_header(name, value)
        if self.page_size is None:
            return request
        preferences = [value for name, value in request.headers if name.lower() == "prefer"]
        asked = request.with_header("Prefer", ", ".join([*preferences, f"{_PAGE_SIZE_PREFERENCE}{self.page_size}"]))
        return replace(asked, smaller=_smaller)

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        links = _texts_at(answer, _NEXT_NAMES)
        if len(set(links.values())) > 1:
            raise PagingError(
                f"{' and '.join(map(repr, links))} lead to different pages, and only one can be right. "
                'Read the right one: pages = { next_url = "..." }.'
            )
        dialect = self._dialect
        if strange := links.keys() - {*dialect.next_names}:
            raise PagingError(
                f"{min(strange)!r} is a next link of another version than {self.version}. Write the version of this "
                'service: pages = { odata = "v4" }, "v3" or "v2".'
            )
        if not self.nested:
            check_uncut(answer.body.text, links)
        if not self.missing:
            is_there = any(answer.body.raw(name) is not None for name in (*dialect.next_names, *dialect.delta_names))
            answer.note_sign(dialect.next_names[0], is_there=is_there, asked=self.page_size)
        if not links:
            return None
        link = next(iter(links.values()))
        # A relative link is relative to the context, the service's metadata, not to the page (OData JSON 4.01, 4.5.1).
        context = "" if "://" in link[:8] else next(iter(_texts_at(answer, _CONTEXT_NAMES).values()), "")
        following = follow(self, request, link, answer, base=_join(answer.url, context))
        # The standard lets the preference change between pages; but Dataverse's links hold a page's number.
        return None if following is None else replace(following, smaller=None)

    @property
    def _dialect(self) -> _Dialect:
        return _DIALECTS[self.version]


def _texts_at(answer: PageAnswer, names: Iterable[str]) -> dict[str, str]:
    found = {name: answer.body.raw(name) for name in names}
    return {
        name: text_of_raw(raw, name)
        for name, raw in found.items()
        if raw is not None and bytes(raw) not in NO_TOKEN_VALUES
    }


def _smaller(request: PageRequest) -> PageRequest | None:
    preferences = next((value for name, value in request.headers if name.lower() == "prefer"), "")
    others, _, size = preferences.rpartition(_PAGE_SIZE_PREFERENCE)
    half = halve_size(size)
    return None if half is None else request.with_header("Prefer", f"{others}{_PAGE_SIZE_PREFERENCE}{half}")


class LinkRules(Protocol):
    @property
    def end(self) -> tuple[End, ...]: ...
    @property
    def keep_query(self) -> bool | None: ...
    @property
    def link_origin(self) -> LinkOrigin: ...
    @property
    def link_base(self) -> LinkBase: ...


def follow(
    kind: LinkRules, request: PageRequest, link: str, answer: PageAnswer, *, base: str = ""
) -> PageRequest | None:
    """Return None where the kind's ``end`` says that the link leads nowhere."""
    if "empty page" in kind.end and not answer.page.records:
        return None
    base = base or answer.url
    if "repeated" in kind.end and (link == request.url or _target(kind, link, base, answer) == answer.url):
        return None
    following = replace(
        request.with_url(link, base), has_token=True, link_origin=kind.link_origin, link_base=kind.link_base
    )
    target = _target(kind, link, base, answer) if request.first_query or request.query else ""
    return keep_parameters(following, request, target, answer.url, keep_query=kind.keep_query, received=answer.received)


def _target(kind: LinkRules, link: str, base: str, answer: PageAnswer) -> str:
    if not kind.link_origin and not kind.link_base:
        return _join(base, link)
    try:
        return address_of(link, base=base, home=answer.home, link_origin=kind.link_origin, link_base=kind.link_base)
    except LinkError:
        return ""


def _join(base: str, link: str) -> str:
    try:
        return urljoin(base, link)
    except ValueError:
        return ""  # What is no address is refused where it is sent.
