"""Ends endless walks: a request sent twice, a page that comes twice, too many pages."""

from __future__ import annotations

import hashlib
import struct
from typing import Final

from isal import isal_zlib

from haulier.api.errors import Action, ApiError, PagingError
from haulier.api.http.transport import Request
from haulier.api.records.page import Page

MAX_PAGES: Final = 100_000
"""Pages of one item, far above any good plan: some APIs make up cursors for ever."""

_DIGEST_BYTES: Final = 16


class PaginationLoopError(PagingError):
    """The pages go in a circle: one of them came twice.

    To do: correct `pages`; `haulier try SOURCE --pages 2` shows how two of them follow each other.
    """


class LoopGuard:
    """Watches one walk, with 16 bytes a request and page. Comparing neighbouring tokens would miss circles of two."""

    def __init__(self, max_pages: int = MAX_PAGES) -> None:
        self._max_pages = max_pages
        self._requests: dict[bytes, int] = {}
        self._pages: dict[bytes, int] = {}

    @property
    def pages(self) -> int:
        return len(self._requests)

    def check_request(self, request: Request, *, is_past_end: bool = False) -> None:
        """Raise `PaginationLoopError` for a repeated request, or `ApiError` above the page cap.

        Only pages with records make it divide, as smaller items have as many empty ones. ``is_past_end`` allows one
        more.
        """
        if self.pages >= self._max_pages + is_past_end:
            raise ApiError(
                f"There are more than {self._max_pages} pages, which is the most that one item may have. "
                "Divide the stream into smaller items, or ask for larger pages.",
                action=Action.SPLIT if self._pages else Action.POISON,
            )
        number = self.pages + 1
        before = self._requests.setdefault(_digest_of(request), number)
        if before != number:
            raise PaginationLoopError(
                f"The request for page {number} is the one for page {before} again: the API's paging goes in a circle. "
                "Check `pages` of the stream; if it is right, the API sent a cursor or link twice. Where it ends its "
                'lists so, write end = ["repeated"] in `pages`.'
            )

    def check_page(self, page: Page) -> None:
        """Empty pages may repeat."""
        if not page.records:
            return
        before = self._pages.setdefault(_checksum(page), self.pages)
        if before != self.pages:
            raise PaginationLoopError(
                f"Page {self.pages} holds the records of page {before} again, byte for byte: the API ignores what asks "
                "for the next page, or repeats its last one. Check `pages` of the stream."
            )

    def has_sent(self, request: Request) -> bool:
        return _digest_of(request) in self._requests

    def knows(self, page: Page) -> bool:
        return bool(page.records) and _checksum(page) in self._pages


def _checksum(page: Page) -> bytes:
    """Return length and two unlike checksums, at a quarter of the cost of SHA-1 (130 us a MB). By chance pages share
    them in one of a billion items of 100,000."""
    text = b"\n".join(page.slices)
    return struct.pack("<QII", len(text), isal_zlib.crc32(text), isal_zlib.adler32(text))


def _digest_of(request: Request) -> bytes:
    headers = [f"{name}: {value}" for name, value in request.headers]
    return _digest("\n".join((request.method, request.url, *headers)).encode(), request.body)


def _digest(*pieces: object) -> bytes:
    # Short texts, for which checksums are weak.
    return hashlib.sha1(b"\n".join(pieces), usedforsecurity=False).digest()[:_DIGEST_BYTES]  # type: ignore[arg-type]
