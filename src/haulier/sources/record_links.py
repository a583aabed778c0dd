"""Requests for the address that a record gives, such as `get = "{parent.url}"`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

from haulier.api.errors import PagingError
from haulier.api.http.urls import Link
from haulier.api.paging.paginator import PageAnswer, PageRequest, Paginator, Single, kind_of
from haulier.errors import ItemError
from haulier.sources.templates import PlaceholderValues, as_text, fill_path

_LINK = re.compile(r"\{(parents?\.[A-Za-z0-9_.-]+)\}(/[^?#]*)?")


def is_link(path: str) -> bool:
    """Whether a path begins with a field of a record, which then is the address itself."""
    return _LINK.fullmatch(path) is not None


def fill_link(path: str, values: PlaceholderValues, link_origin: str, link_base: str) -> Link:
    """Raises `ItemError` for a link to nowhere, and for one with a query, if more of a path is put behind it."""
    match = _LINK.fullmatch(path)
    assert match is not None
    name, behind = match[1], match[2] or ""
    link = as_text(values[name]).strip(" ")
    if not link or link.startswith(("?", "#")):
        raise ItemError(f"The link at {{{name}}} is empty: it would lead to the API's own url.")
    if not behind:
        return Link(link, link_origin, link_base)
    if "?" in link or "#" in link:
        raise ItemError(f"The link at {{{name}}} has a query, so nothing can be put behind its path.")
    return Link(link.rstrip("/") + fill_path(behind, values), link_origin, link_base)


@dataclass(frozen=True, slots=True)
class PagesOfLink:
    """Pages of another paginator, whose requests have the query of a link and their own: no parameter twice."""

    pages: Paginator

    @property
    def inner(self) -> Paginator:
        return self.pages

    def first(self, request: PageRequest) -> PageRequest:
        return _checked(self.pages.first(request))

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        if isinstance(kind_of(self.pages), Single):
            # The page's size may stand in the link.
            own = tuple(parse_qsl(urlsplit(request.url).query))
            return self.pages.next(replace(request, query=(*own, *request.query)), answer)
        following = self.pages.next(request, answer)
        return None if following is None else _checked(following)


def _checked(request: PageRequest) -> PageRequest:
    own = {name for name, _ in parse_qsl(urlsplit(request.url).query, keep_blank_values=True)}
    for name, _ in request.query:
        if name in own:
            raise PagingError(
                f"the link of a record has the parameter {name!r} itself, and so does the stream's request. Leave it "
                "out of `query`, or write `pages` that do not set it."
            )
    return request
