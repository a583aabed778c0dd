"""Parameters of the stream that a next link lacks: some servers' links drop the filter.

A token may hold them. The number of a page or of records cannot: such a link leads into another list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from haulier.api.errors import PagingError
from haulier.api.http.urls import Pairs
from haulier.api.paging.paginator import PageRequest
from haulier.api.records.next_sign import is_size

_POSITION_NAMES: Final = frozenset(
    {
        "page", "pagenumber", "pageindex", "pagetoken", "pageafter", "offset", "pageoffset", "skip", "start",
        "startat", "startindex", "startingafter", "after", "cursor", "pagecursor", "sinceid", "marker",
        "continuationtoken", "skiptoken", "scrollid",
    }
)  # fmt: skip
"""How APIs call a page's position, in letters only: a link has its own."""


_COUNT_NAMES: Final = frozenset({"inlinecount", "includecount", "includetotal", "includetotals", "withcount"})
"""What asks for a total: the first page alone may have it."""
_TOKEN_PATTERN: Final = re.compile("token|cursor|marker|continu|scroll|bookmark|after")
"""Parts of names whose values are the API's own affair, be they numbers (`$skiptoken=2`)."""
_PLACE_PATTERN: Final = re.compile("page|offset|skip|start|from|^.{1,2}$")
"""Parts of names of places, in letters only: `page`, `$skip`, `p`."""
_ORDER_NAMES: Final = frozenset({"sort", "sortby", "sortorder", "order", "orderby", "dir", "direction"})
"""What a server adds to a link by itself."""
_FORM_NAMES: Final = frozenset(
    {
        "format", "f", "fmt", "outputformat", "output", "pretty", "prettyprint", "indent", "mailto", "email", "select",
        "fields", "fl", "expand", "lang", "locale",
    }
)  # fmt: skip
"""What records look like, and who asks: no other records come without it."""

UNSAID_IS_FALSE: Final[Mapping[str, Any]] = {"like_default": (False,)}
"""Marks a field whose None takes what its False takes: an open run goes on where it is declared."""


def keep_parameters(
    following: PageRequest, request: PageRequest, target: str, asked: str, *, keep_query: bool | None, received: int
) -> PageRequest:
    """Add the parameters that a link lacks or, where ``keep_query`` is None, name them for a warning. Raises
    `PagingError` for a link that has a place in the list, and nothing that could stand for them.

    ``target``: where the link leads; ``asked``: the address of the page that it came with. A link to another path holds
    its state there. ``received``: records so far.
    """
    own = request.first_query or request.query
    if not own or (request.first_query and not keep_query):
        return following
    try:
        parts, paths = urlsplit(target), [urlsplit(asked).path, urlsplit(request.url).path]
    except ValueError:
        return following  # What is no address is refused where it is sent.
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    names, alike = {name for name, _ in pairs}, {(_bare(name), value) for name, value in pairs}
    lacking = tuple(
        (name, value)
        for name, value in own
        if name not in names and (_bare(name), value) not in alike and _bare(name) not in _POSITION_NAMES
    )
    if keep_query:
        return replace(following, query=lacking, first_query=own)
    lacks = () if keep_query is False or parts.path not in paths else _filters(lacking)
    if (filters := tuple(name for name in lacks if _bare(name) not in _FORM_NAMES)) and (
        place := _place_of(pairs, own, received)
    ):
        raise PagingError(
            f"the link to the next page has a place in the list, {place!r}, and nothing that could stand for "
            f"{shown_names(filters)} of the first request: it leads into another list. Write keep_query = true in "
            "`pages`, which adds them to each link; or keep_query = false, if the API knows them all the same."
        )
    return replace(following, first_query=own, missing_parameters=lacks)


def shown_names(names: tuple[str, ...]) -> str:
    return ", ".join(map(repr, names))


def _place_of(pairs: Iterable[tuple[str, str]], own: Pairs, received: int) -> str:
    """Return the parameter with the number of the next page or record, if the link has no other that is new; else
    ""."""
    sent = {(_bare(name), value) for name, value in own}
    new = [
        (name, value)
        for name, value in pairs
        if (bare := _bare(name), value) not in sent and not is_size(name) and bare not in _ORDER_NAMES
    ]
    numbers = {str(number) for number in (1, 2, received, received + 1)}
    is_place = all(value in numbers and _is_place_name(name) for name, value in new)
    return new[0][0] if new and is_place else ""


def _is_place_name(name: str) -> bool:
    return _PLACE_PATTERN.search(_bare(name)) is not None and not _TOKEN_PATTERN.search(name.lower())


def _filters(pairs: Pairs) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name, _ in pairs if not is_size(name) and _bare(name) not in _COUNT_NAMES))


def _bare(name: str) -> str:
    return re.sub("[^a-z]", "", name.lower())
