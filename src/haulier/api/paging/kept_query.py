"""Parameters of the stream that a next link lacks: some servers' links drop the filter."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qsl, urlsplit

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


def keep_parameters(
    following: PageRequest, request: PageRequest, target: str, asked: str, *, keep_query: bool
) -> PageRequest:
    """Add the parameters that a link lacks or, without ``keep_query``, name them for a warning.

    ``target``: where the link leads; ``asked``: the address of the page that it came with. A link to another path holds
    its state there.
    """
    own = request.first_query or request.query
    if not own or (request.first_query and not keep_query):
        return replace(following, missing_parameters=()) if request.missing_parameters else following
    try:
        parts, paths = urlsplit(target), [urlsplit(asked).path, urlsplit(request.url).path]
    except ValueError:
        return following  # What is no address is refused where it is sent.
    names = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    lacking = tuple(pair for pair in own if pair[0] not in names and _bare(pair[0]) not in _POSITION_NAMES)
    if keep_query:
        return replace(following, query=lacking, first_query=own)
    lacks = () if parts.path not in paths else _filters(lacking)
    return replace(following, first_query=own, missing_parameters=lacks)


def _filters(pairs: Pairs) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name, _ in pairs if not is_size(name)))


def _bare(name: str) -> str:
    return re.sub("[^a-z]", "", name.lower())
