"""Connections within records of a GraphQL answer: their own further pages are not read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from haulier.api.records.slices import Bytes

CUT_WARNING: Final = (
    "records hold connections that have more pages of their own (`hasNextPage` is true in them), and these are not "
    "read; if what is behind them is wanted, ask for it as a stream with a `parent`, or for more of it by `first`"
)
_HAS_MORE: Final = re.compile(rb'"hasNextPage"[ \t\r\n]*:[ \t\r\n]*true')


def are_cut(records: Iterable[Bytes]) -> bool:
    return any(_HAS_MORE.search(record) for record in records)
