"""How many requests and records a list has, by its first page."""

from __future__ import annotations

import math

from haulier.cli.plan.sample import SampledPage
from haulier.cli.plan.uncertain import Uncertain, at_least, between, exactly


def list_requests(page: SampledPage) -> Uncertain:
    """Exact where the API tells an exact total; without one at least a second page, where more follow."""
    if not page.is_known:
        return at_least(max(1, page.requests))
    if page.total is None or not page.has_more or not page.records:
        is_full = 0 < page.records == page.size
        tail = page.extra_requests + (is_full and page.looks_behind_full_end) if page.records else 0
        return at_least(2 + tail) if _goes_on(page) else exactly(1 + tail)
    pages = math.ceil(page.total / page.records)
    if page.cap and page.total > page.cap:
        return _divided(page, page.total)
    if page.is_total_exact:
        return exactly(pages + page.beside_requests + (page.looks_behind_full_end and page.total % page.records == 0))
    return at_least(pages if page.is_total_least else 2, pages + page.extra_requests)


def list_records(page: SampledPage) -> Uncertain:
    if page.total is not None and page.is_total_exact:
        return exactly(page.total)
    if page.total is not None:
        return at_least(page.total if page.is_total_least else page.records, max(page.records, page.total))
    return at_least(page.records) if _goes_on(page) or not page.is_known else exactly(page.records)


def leaves(page: SampledPage) -> Uncertain:
    """Items into which one with too many records is divided, by halves until none is above the cap."""
    if not page.cap or page.total is None or page.total <= page.cap:
        return exactly(1)
    return at_least(math.ceil(page.total / page.cap), 2 ** _halvings(page.total, page.cap))


def _goes_on(page: SampledPage) -> bool:
    """A short page of a list that ends by empty pages is most likely the last one with records."""
    is_short = page.extra_requests > 0 and page.records < page.most
    return page.has_more and not is_short


def _divided(page: SampledPage, total: int) -> Uncertain:
    """Each item that is divided takes a request; where halves are unequal, more are."""
    whole = math.ceil(total / page.records)
    parts = 2 ** _halvings(total, page.cap)
    return between(whole + 1, parts - 1 + parts * math.ceil(total / parts / page.records), None)


def _halvings(total: int, cap: int) -> int:
    return math.ceil(math.log2(total / cap))
