"""Ends walks that would never end: a request sent twice, a page that comes twice, more pages than there can be."""

from __future__ import annotations

import hashlib
import struct
from typing import Final

from isal import isal_zlib

from haulier.api.errors import Action, ApiError, PagingError
from haulier.api.http.transport import Request
from haulier.api.records.page import Page

MAX_PAGES: Final = 100_000
"""Of one item. Far above any item that was planned well, and the end of an API that makes up a new cursor for ever."""

_DIGEST_BYTES: Final = 16


class PaginationLoopError(PagingError):
    """The walk goes in a circle."""


class LoopGuard:
    """Watches one walk. Holds 16 bytes for each request and page, whatever their size.

    Comparing a token with the one before it, as is often done, misses circles of two.
    """

    def __init__(self, max_pages: int = MAX_PAGES) -> None:
        self._max_pages = max_pages
        self._requests: dict[bytes, int] = {}
        self._pages: dict[bytes, int] = {}

    @property
    def pages(self) -> int:
        """How many pages were asked for."""
        return len(self._requests)

    def check_request(self, request: Request, *, is_look: bool = False) -> None:
        """Before a page is asked for. Raises `PaginationLoopError`, or `ApiError` above the page cap: no quiet end.

        What has so many pages with records is divided; of pages without any, smaller items would have as many.
        ``is_look``: it looks behind what is the last page by all that is known, and may be one more.
        """
        if self.pages >= self._max_pages + is_look:
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
        """After a page came. Two equal pages that are not empty are the same one."""
        if not page.records:
            return
        before = self._pages.setdefault(_checksum(page), self.pages)
        if before != self.pages:
            raise PaginationLoopError(
                f"Page {self.pages} holds the records of page {before} again, byte for byte: the API ignores what asks "
                "for the next page, or repeats its last one. Check `pages` of the stream."
            )

    def has_sent(self, request: Request) -> bool:
        """Whether the same was asked for before."""
        return _digest_of(request) in self._requests

    def knows(self, page: Page) -> bool:
        """Whether the same records came before, as one page."""
        return bool(page.records) and _checksum(page) in self._pages


def _checksum(page: Page) -> bytes:
    """Length and two unlike sums, at a quarter of the cost of SHA-1 (130 us a MB). Nobody gains by a page that is taken
    for another, and by chance it happens to one item of 100,000 pages in a billion."""
    text = b"\n".join(page.slices)
    return struct.pack("<QII", len(text), isal_zlib.crc32(text), isal_zlib.adler32(text))


def _digest_of(request: Request) -> bytes:
    headers = [f"{name}: {value}" for name, value in request.headers]
    return _digest("\n".join((request.method, request.url, *headers)).encode(), request.body)


def _digest(*pieces: object) -> bytes:
    # Short texts, for which checksums are weak.
    return hashlib.sha1(b"\n".join(pieces), usedforsecurity=False).digest()[:_DIGEST_BYTES]  # type: ignore[arg-type]
