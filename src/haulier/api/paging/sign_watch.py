"""Judges whether a page without the sign of a next one is likely to be the last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from haulier.api.errors import PagingError
from haulier.api.paging.paginator import PageRequest
from haulier.api.records.next_sign import SignReport, asked_sizes
from haulier.api.requester import Requester

_SHOWN_KEYS: Final = 6


class SignWatch:
    def __init__(self, requester: Requester) -> None:
        self._requester = requester

    async def check(
        self, request: PageRequest, report: SignReport, records: int, *, must_be_likely: bool, shown: Callable[[], str]
    ) -> None:
        """Raise `PagingError` where the sign is missing and something speaks against the end.

        ``must_be_likely``: nothing else proves the end.
        """
        memory = self._requester.signs.of(report.sign)
        totals = self._requester.usage.sign_totals
        if not report.lack:
            memory.note(report)
            totals.note(report.sign, was_seen=True)
            return
        if unknown_keys := memory.unknown_keys(report):
            raise PagingError(
                f"{shown()}: {report.lack}, which says whether there is a next page. In its place: "
                f"{', '.join(map(repr, unknown_keys[:_SHOWN_KEYS]))}. Correct the path in `pages`; or write "
                'missing = "end" there, if the API leaves it out of the last page, whatever is beside it.'
            )
        if not must_be_likely:
            return
        sizes = asked_sizes(request.parameters, request.json) | ({report.asked} if report.asked else set())
        if records in sizes and not memory.was_seen and not await self._requester.was_sign_seen():
            raise PagingError(
                f"{shown()}: the page is full, with the {records} records that were asked for, and {report.lack}, "
                f"which would say whether there is a next one ({report.instead}). No page of this run had it yet. "
                'Correct the path in `pages`; or write missing = "end" there, if the API leaves it out at the end.'
            )
        totals.note(report.sign, was_seen=False)
