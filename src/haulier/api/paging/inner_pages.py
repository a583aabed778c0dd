"""Connections within records of a GraphQL answer: their own further pages are not read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from haulier.api.errors import Action, PagingError
from haulier.api.records.paths import EACH, longest_key, parts_of
from haulier.api.records.record_finder import has_each
from haulier.api.records.slices import Bytes

CUT_WARNING: Final = (
    "records hold connections that have more pages of their own (`hasNextPage` is true in them), and these are not "
    "read; if what is behind them is wanted, ask for it as a stream with a `parent`, or for more of it by `first`"
)
_HAS_MORE: Final = re.compile(rb'"hasNextPage"[ \t\r\n]*:[ \t\r\n]*true')


def are_cut(records: Iterable[Bytes]) -> bool:
    return any(_HAS_MORE.search(record) for record in records)


def check_each(body: bytes, records_path: str) -> None:
    """Raises `PagingError` where records stand in connections within others, one of which goes on. ``body`` is JSON."""
    if not has_each(records_path) or not _HAS_MORE.search(body):
        return
    for where in _cut_places(
        json.loads(body, parse_int=str, parse_float=str), parts_of(records_path), (), is_within=False
    ):
        raise PagingError(
            f"the connection at {'.'.join(where)!r} has more pages of its own (`hasNextPage`), which are not read. "
            "Read its records by a stream with a `parent`, or ask for more of them by `first`; if those that come are "
            "enough, leave its `pageInfo` out of the query.",
            action=Action.POISON,
        )


def _cut_places(
    node: Any, parts: Sequence[str], passed: tuple[str, ...], *, is_within: bool
) -> Iterator[tuple[str, ...]]:
    """Objects on the way behind the first `*`."""
    if is_within and isinstance(node, dict):
        info = node.get("pageInfo")
        if isinstance(info, dict) and info.get("hasNextPage") is True:
            yield passed
    if not parts:
        return
    if parts[0] == EACH:
        members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for name, member in members:
            yield from _cut_places(member, parts[1:], (*passed, str(name)), is_within=True)
    elif isinstance(node, dict) and (length := longest_key(node, list(parts))):
        name = ".".join(parts[:length])
        yield from _cut_places(node[name], parts[length:], (*passed, name), is_within=is_within)
