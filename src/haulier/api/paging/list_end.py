"""How many requests a list takes behind its last record: for whoever estimates a run."""

from __future__ import annotations

from haulier.api.paging.cursors import Seek
from haulier.api.paging.positions import Offset, PageNumber
from haulier.api.paging.totals import Total


def requests_past_end(kind: object) -> int:
    """Of a list without a total: those whose pages without records end it."""
    if not isinstance(kind, Offset | PageNumber | Seek) or ((kind.more or kind.done) and not kind.missing):
        return 0
    if isinstance(kind, Seek):
        return 1
    if isinstance(kind, PageNumber) and (kind.pages or kind.pages_header):
        return 0
    return 1 if isinstance(kind, PageNumber) and kind.end_status is not None else kind.empty_pages


def looks_behind_full_end(kind: object, total: Total) -> bool:
    """Whether the page behind the last is asked for where a total ends the list with a full page
    (`haulier.api.paging.capped_total`)."""
    if total.only_if is not None or total.counts_hidden or total.divide_above or not total.is_exact:
        return False
    has_number = isinstance(kind, PageNumber) and not (kind.more or kind.done)
    return has_number or requests_past_end(kind) > 0
