"""Counts pages that begin, byte for byte, with the record that the page before ended with.

It is no error, as pages may overlap and records be equal, and is told when the run is closed. For counted pages
`count_check` finds out more.
"""

from __future__ import annotations

from haulier.api.records.page import Page


class Neighbours:
    def __init__(self) -> None:
        self._last = b""
        self._before_last = b""

    def note(self, page: Page) -> bool:
        """Whether the page begins so, in a list without equal neighbours inside a page."""
        records = page.slices
        if not records:
            return False
        last, before_last = self._last, self._before_last
        self._last = bytes(records[-1])
        self._before_last = bytes(records[-2]) if len(records) > 1 else b""
        if not last or bytes(records[0]) != last or last == before_last:
            return False
        return len(records) == 1 or bytes(records[1]) != last
