"""Finds capped totals, as of search servers, which count to 10,000 and no further.

Where a total ends a list with a full page, the page after it is asked for once. Records prove the total wrong, an empty
page proves it right. A refusal proves nothing, as many APIs refuse every page past the end.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from haulier.api.errors import PagingError
from haulier.api.paging.paginator import PageAnswer, PageRequest, Paginator, kind_of
from haulier.api.paging.totals import Total
from haulier.api.records.next_sign import asked_sizes

_MIN_CAP_RECORDS: Final = 1_000
"""Least total taken for a cap: no API is known to cap lower without saying so."""


class CappedTotal:
    def __init__(self, total: Total, paginator: Paginator, *, has_skip: bool = False) -> None:
        """``has_skip``: rows are skipped, which the total is taken to count."""
        self._paginator = paginator
        # Who declares the cap, or how an exact total is told from others, has settled it.
        is_told = total.only_if is not None or total.divide_above > 0
        self._is_settled = not total.is_exact or total.counts_hidden or (is_told and not has_skip)
        self._first_count: int | None = None

    def note(self, count: int) -> None:
        if self._first_count is None:
            self._first_count = count

    def request_past_end(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        if self._is_settled or answer.total is None or not answer.page.records or answer.received != answer.total:
            return None
        if not self._is_full(request, len(answer.page)):
            return None
        try:
            return self._paginator.next(request, replace(answer, total=None, sign_reports=[]))
        except PagingError:
            return None  # Without the total the page is an error by itself: nothing could follow it.

    def _is_full(self, request: PageRequest, count: int) -> bool:
        if self._first_count is not None and count >= self._first_count:
            return True
        declared = {getattr(kind_of(self._paginator), name, None) for name in ("limit", "size", "page_size")}
        return count in asked_sizes(request.parameters, request.json) | declared


def is_cap_like(total: int) -> bool:
    """Whether caps are made of such numbers: 10,000, 2,500, 65,536."""
    digits = str(total).rstrip("0")
    return total >= _MIN_CAP_RECORDS and (len(digits) == 1 or digits in ("15", "25") or total & (total - 1) == 0)


def cap_error(shown: str, total: int, status: int | None = None, *, has_skip: bool = False) -> PagingError:
    found = (
        "there are records behind it, so that it is capped, or counts something else"
        if status is None
        else f"the page behind it is refused (status {status}), as APIs do that count and hand out no more than that"
    )
    return PagingError(
        f"{shown}: the total of {total:,} ends the list behind a full page, and {found}. Write the cap, less one, as "
        f"divide = {{ above = {total - 1} }}, so that larger items are divided before they are read; or, where the API "
        "says whether its total is exact, only_if = { at = ..., is = ... } in `total`."
        + (" Or it leaves out rows that `skip` passes over: counts_skipped = false in `total`." if has_skip else "")
        + ("" if status is None else f" If there are just {total:,}, write divide = {{ above = {total} }}.")
    )
