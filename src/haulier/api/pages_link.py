"""Paging by addresses that the API sends: a link in the body, the Link header, OData's next link.

An address is opaque. It replaces the whole query, and the client follows it to the API's own origin only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urljoin

from haulier.api.page import BodyError
from haulier.api.page_size import halved_size
from haulier.api.pages_count import check_flags
from haulier.api.pages_cursor import is_end_of_tokens
from haulier.api.paginator import PageAnswer, PageRequest
from haulier.api.paths import check_path
from haulier.errors import UsageError

_MOST = "odata.maxpagesize="
_LINK = re.compile(r"\s*<([^>]*)>\s*((?:;[^,\"]*(?:\"(?:\\.|[^\"\\])*\"[^,\"]*)*)?)\s*(?:,|$)")
_PARAMETER = re.compile(r";\s*([^\s=;,]+)\s*(?:=\s*(?:\"((?:\\.|[^\"\\])*)\"|([^\s;,\"]*)))?")


@dataclass(frozen=True, slots=True)
class NextUrl:
    """Pages by the address of the next one, absolute or relative, in the body or in a header.

    Ends where it is missing, null, "" or false, or where a declared flag says so.
    """

    at: str = ""
    from_header: str = ""
    more: str = ""
    done: str = ""

    def __post_init__(self) -> None:
        check_flags(self.more, self.done)
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
        if is_end_of_tokens(answer, self.more, self.done, has_token=link is not None) or link is None:
            return None
        return follow(request, link, answer.url)


@dataclass(frozen=True, slots=True)
class LinkHeader:
    """Pages by the Link header (RFC 8288), as GitHub, GitLab and Shopify have it. Ends where it lacks the relation."""

    rel: str = "next"

    def first(self, request: PageRequest) -> PageRequest:
        return request

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        for value in answer.headers.getall("Link", ()):
            for link, relations in links_of(value):
                if self.rel.lower() in relations:
                    return follow(request, link, answer.url)
        return None


@dataclass(frozen=True, slots=True)
class OData:
    """OData v4 with paging by the server: `@odata.nextLink`, records at ``value``. Ends where there is no link.

    The service counts in `@odata.count` if the query has `$count=true`.
    """

    page_size: int | None = None
    """What the server is asked for; it may send fewer. Halved where it cannot send a first page of so many."""

    def __post_init__(self) -> None:
        if self.page_size is not None and self.page_size < 1:
            raise UsageError(f"page_size is {self.page_size}; it must be at least 1.")

    def first(self, request: PageRequest) -> PageRequest:
        if self.page_size is None:
            return request
        preferences = [value for name, value in request.headers if name.lower() == "prefer"]
        asked = request.with_header("Prefer", ", ".join([*preferences, f"{_MOST}{self.page_size}"]))
        return replace(asked, smaller=_smaller)

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        link = answer.text("@odata.nextLink")
        if link is None:
            return None
        # A relative link is relative to the context, the service's metadata, not to the page (OData JSON 4.01, 4.5.1).
        onward = follow(request, link, urljoin(answer.url, answer.text("@odata.context") or ""))
        # The standard lets the preference change between pages; but Dataverse's links hold a page's number.
        return replace(onward, smaller=None)


def _smaller(request: PageRequest) -> PageRequest | None:
    """The preference goes with every page after it."""
    preferences = next((value for name, value in request.headers if name.lower() == "prefer"), "")
    others, _, size = preferences.rpartition(_MOST)
    half = halved_size(size)
    return None if half is None else request.with_header("Prefer", f"{others}{_MOST}{half}")


def follow(request: PageRequest, link: str, base: str) -> PageRequest:
    """The request of a link that was found in an answer from ``base``. The client checks where it leads."""
    return replace(request.with_url(link, base), has_token=True)


def links_of(header: str) -> Iterator[tuple[str, set[str]]]:
    """The links of one Link header with their relations in lower case. Raises `BodyError` for what is no such header.

    A link about something else than the page (`anchor`) is left out.
    """
    position = 0
    while position < len(header):
        match = _LINK.match(header, position)
        if match is None:
            raise BodyError("the Link header cannot be read, so that it is not known whether there is a next page")
        position = match.end()
        parameters: dict[str, str] = {}
        for name, quoted, bare in _PARAMETER.findall(match[2]):
            parameters.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) or bare)
        if "anchor" not in parameters:
            yield match[1].strip(), set(parameters.get("rel", "").lower().split())
