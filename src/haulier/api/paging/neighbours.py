"""Equal neighbours of two pages: a page that begins with the record that the page before ended with, byte for byte.

So does a list whose pages overlap, such as one that is read by a cursor whose record is sent again. But records may be
equal in their own right, so that it is no error by itself: it is counted, and said when the run is closed. Where pages
are counted, `count_check` finds out which of the two it is.
"""

from __future__ import annotations

from haulier.api.records.page import Page


class Neighbours:
    """Watches one walk. Holds the last two records of a page."""

    def __init__(self) -> None:
        self._last = b""
        self._before_last = b""

    def note(self, page: Page) -> bool:
        """Whether the page begins so. Not where an equal record stands beside it within a page: this list has many."""
        records = page.slices
        if not records:
            return False
        last, before_last = self._last, self._before_last
        self._last = bytes(records[-1])
        self._before_last = bytes(records[-2]) if len(records) > 1 else b""
        if not last or bytes(records[0]) != last or last == before_last:
            return False
        return len(records) == 1 or bytes(records[1]) != last
