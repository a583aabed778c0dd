"""Paging by addresses that the API sends: a link in the body, the Link header, OData's next link.

An address is opaque. It replaces the whole query, and the client follows it to the API's own origin only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urljoin

from haulier.api.errors import PagingError
from haulier.api.paging.declared_end import CHECKS_ONLY, End, Missing, check_ends, check_words, flag_of
from haulier.api.paging.kept_query import keep_parameters
from haulier.api.paging.link_header import links_of, relations_of
from haulier.api.paging.nested_lists import Nested, check_nested, check_uncut
from haulier.api.paging.page_size import halve_size
from haulier.api.paging.paginator import NO_TOKEN_VALUES, PageAnswer, PageRequest, text_of_raw
from haulier.api.records.next_sign import SignReport
from haulier.api.records.paths import check_path
from haulier.errors import UsageError

_PAGE_SIZE_PREFERENCE: Final = "odata.maxpagesize="
_NEXT_NAMES: Final = ("@odata.nextLink", "@nextLink", "odata.nextLink", "d.__next")
"""Of OData 4.0, 4.01, 3 (JSON light) and 2."""
_CONTEXT_NAMES: Final = ("@odata.context", "@context", "odata.metadata")
_DELTA_NAMES: Final = ("@odata.deltaLink", "@deltaLink", "odata.deltaLink", "d.__delta")
"""Where it stands, this was the last page."""


@dataclass(frozen=True, slots=True)
class NextUrl:
    """Pages by the address of the next one, absolute or relative, in the body or in a header.

    Ends where it is missing, null, "" or false, or as ``end`` says.
    """

    at: str = ""
    from_header: str = ""
    more: str = ""
    """Path of a flag that says whether there is more. It must agree with the address, unless ``end`` has "flag"."""
    done: str = ""
    end: tuple[End, ...] = ()
    """What else ends the list."""
    missing: Missing = field(default="", metadata=CHECKS_ONLY)
    """ "end": the address is left out of the last page, and a full page without it is not suspicious."""
    keep_query: bool = False
    """Parameters of the first request that an address lacks are put behind it."""

    def __post_init__(self) -> None:
        check_ends(self, self.missing)
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
        return follow(request, link, answer, self.end, keep_query=self.keep_query)

    def _note_sign(self, answer: PageAnswer, *, is_there: bool) -> None:
        if self.from_header:
            answer.note_header_sign(self.from_header, is_there=is_there)
        else:
            answer.note_sign(self.at, is_there=is_there or answer.body.raw(self.at) is not None)


@dataclass(frozen=True, slots=True)
class LinkHeader:
    """Pages by the Link header (RFC 8288), as GitHub, GitLab and Shopify have it. Ends where it lacks the relation, or
    as ``end`` says."""

    rel: str = "next"
    end: tuple[End, ...] = ()
    end_if: str = ""
    """An attribute of the link which says that nothing stands behind it, such as `results="false"` (Sentry)."""
    missing: Missing = field(default="", metadata=CHECKS_ONLY)
    """ "end": the relation is left out of the last page, and a full page without it is not suspicious."""
    keep_query: bool = False
    """Parameters of the first request that a link lacks are put behind it."""

    def __post_init__(self) -> None:
        check_words(self.end, self.missing)
        if "flag" in self.end:
            raise UsageError(
                "The Link header has no flag. Name an attribute of the link: end_if = 'results=\"false\"'."
            )
        name, is_set, value = self.end_if.partition("=")
        if self.end_if and not (name.strip() and is_set and value.strip()):
            raise UsageError(
                f"end_if is {self.end_if!r}; write an attribute and its value, such as 'results=\"false\"'."
            )

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
                    return follow(request, link, answer, self.end, keep_query=self.keep_query)
                relations |= dict.fromkeys(sorted(found))
        if not self.missing:
            instead = f"its relations are {', '.join(relations)}" if relations else "there is no Link header"
            answer.sign_reports.append(SignReport(self._sign, f"no link has the relation {self.rel!r}", instead))
        return None

    @property
    def _sign(self) -> str:
        return f"the relation {self.rel!r} of the Link header"

    def _is_ended_by(self, parameters: dict[str, str]) -> bool:
        name, _, value = self.end_if.partition("=")
        return bool(name) and parameters.get(name.strip().lower(), "").lower() == value.strip(" \"'").lower()


@dataclass(frozen=True, slots=True)
class OData:
    """OData with paging by the server: `@odata.nextLink`, or as versions 2, 3 and 4.01 write it. Ends where there is no
    link, or as ``end`` says.

    The service counts in `@odata.count` if the query has `$count=true`.
    """

    page_size: int | None = None
    """What the server is asked for; it may send fewer. Halved where it cannot send a first page of so many."""
    end: tuple[End, ...] = ()
    missing: Missing = field(default="", metadata=CHECKS_ONLY)
    """ "end": a full page without a link is not suspicious."""
    keep_query: bool = False
    """Parameters of the first request that a link lacks are put behind it."""
    nested: Nested = field(default="", metadata=CHECKS_ONLY)
    """ "cut": a list inside a record (`$expand`) may have a next link of its own, which is not followed: what came of
    the list is enough. Else it is an error."""

    def __post_init__(self) -> None:
        check_words(self.end, self.missing)
        check_nested(self.nested)
        if "flag" in self.end:
            raise UsageError('OData has no flag that says the end; leave "flag" out of `end`.')
        if self.page_size is not None and self.page_size < 1:
            raise UsageError(f"page_size is {self.page_size}; it must be at least 1.")

    def first(self, request: PageRequest) -> PageRequest:
        if self.page_size is None:
            return request
        preferences = [value for name, value in request.headers if name.lower() == "prefer"]
        asked = request.with_header("Prefer", ", ".join([*preferences, f"{_PAGE_SIZE_PREFERENCE}{self.page_size}"]))
        return replace(asked, smaller=_smaller)

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        links = _texts_at(answer, _NEXT_NAMES)
        if len(set(links.values())) > 1:
            raise PagingError(f"{' and '.join(map(repr, links))} lead to different pages, and only one can be right.")
        if not self.nested:
            check_uncut(answer.body.text, links)
        if not self.missing:
            is_there = any(answer.body.raw(name) is not None for name in (*_NEXT_NAMES, *_DELTA_NAMES))
            answer.note_sign(_NEXT_NAMES[0], is_there=is_there, asked=self.page_size)
        if not links:
            return None
        link = next(iter(links.values()))
        # A relative link is relative to the context, the service's metadata, not to the page (OData JSON 4.01, 4.5.1).
        context = "" if "://" in link[:8] else next(iter(_texts_at(answer, _CONTEXT_NAMES).values()), "")
        onward = follow(request, link, answer, self.end, base=_join(answer.url, context), keep_query=self.keep_query)
        # The standard lets the preference change between pages; but Dataverse's links hold a page's number.
        return None if onward is None else replace(onward, smaller=None)


def _texts_at(answer: PageAnswer, names: Iterable[str]) -> dict[str, str]:
    """The texts that stand at any of the names, most of which no answer has."""
    found = {name: answer.body.raw(name) for name in names}
    return {
        name: text_of_raw(raw, name)
        for name, raw in found.items()
        if raw is not None and bytes(raw) not in NO_TOKEN_VALUES
    }


def _smaller(request: PageRequest) -> PageRequest | None:
    """The preference goes with every page after it."""
    preferences = next((value for name, value in request.headers if name.lower() == "prefer"), "")
    others, _, size = preferences.rpartition(_PAGE_SIZE_PREFERENCE)
    half = halve_size(size)
    return None if half is None else request.with_header("Prefer", f"{others}{_PAGE_SIZE_PREFERENCE}{half}")


def follow(
    request: PageRequest,
    link: str,
    answer: PageAnswer,
    end: tuple[End, ...] = (),
    *,
    base: str = "",
    keep_query: bool = False,
) -> PageRequest | None:
    """The request of a link that was found in an answer; None where ``end`` says that it leads nowhere.

    The client checks where it leads. ``base``: what it is relative to; the page itself unless given.
    """
    if "empty page" in end and not answer.page.records:
        return None
    base = base or answer.url
    if "repeated" in end and (link == request.url or _join(base, link) == answer.url):
        return None
    return keep_parameters(replace(request.with_url(link, base), has_token=True), request, base, keep_query=keep_query)


def _join(base: str, link: str) -> str:
    try:
        return urljoin(base, link)
    except ValueError:
        return ""  # What is no address is refused where it is sent.
