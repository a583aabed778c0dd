"""Connections within records of a GraphQL answer: their own further pages are not read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Raw

from haulier.api.errors import Action, PagingError
from haulier.api.paging.paginator import Paginator, kind_of
from haulier.api.records.paths import EACH, longest_key, members_of_each, parts_of, raw_at
from haulier.api.records.record_finder import has_each
from haulier.api.records.slices import Bytes

CUT_WARNING: Final = (
    "records hold connections that have more pages of their own (`hasNextPage` is true in them), and these are not "
    "read; if what is behind them is wanted, ask for it as a stream with a `parent`, or for more of it by `first`"
)
_HAS_MORE: Final = re.compile(rb'"hasNextPage"[ \t\r\n]*:[ \t\r\n]*true')


def are_cut(records: Iterable[Bytes]) -> bool:
    return any(_HAS_MORE.search(record) for record in records)


def check_each(body: bytes, records_path: str, paginator: Paginator) -> None:
    """Raises `PagingError` where records stand in connections within others, one of which goes on, and is not the one
    that the paginator reads. ``body`` is JSON."""
    if not has_each(records_path):
        return
    kind = kind_of(paginator)
    followed = [getattr(kind, name, "") for name in ("at", "more", "done")]
    for place in _cut_places(Raw(body), parts_of(records_path), (), is_within=False):
        where = ".".join(place)
        if any(path.startswith(f"{where}.pageInfo.") for path in followed):
            continue
        raise PagingError(
            f"the connection at {where!r} has more pages of its own (`hasNextPage`), which are not read. "
            "Read its records by a stream with a `parent`, or ask for more of them by `first`; if those that come are "
            "enough, leave its `pageInfo` out of the query.",
            action=Action.POISON,
        )


def _cut_places(node: Raw, parts: list[str], passed: tuple[str, ...], *, is_within: bool) -> Iterator[tuple[str, ...]]:
    """Objects on the way behind the first `*`. What holds no such flag is not decoded."""
    if not _HAS_MORE.search(memoryview(node)):
        return
    members = dict(members_of_each(node))
    if is_within and (info := members.get("pageInfo")) is not None and raw_at(info, "hasNextPage") == Raw(b"true"):
        yield passed
    if not parts:
        return
    if parts[0] == EACH:
        for name, member in members.items():
            yield from _cut_places(member, parts[1:], (*passed, name), is_within=True)
    elif length := longest_key(members, parts):
        name = ".".join(parts[:length])
        yield from _cut_places(members[name], parts[length:], (*passed, name), is_within=is_within)
