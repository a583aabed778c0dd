"""Counts pages that begin with the record that the page before ended with, byte for byte.

It is no error: pages may overlap, as by a cursor whose record is sent again, or records be equal in their own right. So
it is told when the run is closed; of counted pages `count_check` finds out which it is.
"""

from __future__ import annotations

from haulier.api.records.page import Page


class Neighbours:
    def __init__(self) -> None:
        self._last = b""
        self._before_last = b""

    def note(self, page: Page) -> bool:
        """Whether the page begins so, and no equal records are side by side within a page: such a list has many."""
        records = page.slices
        if not records:
            return False
        last, before_last = self._last, self._before_last
        self._last = bytes(records[-1])
        self._before_last = bytes(records[-2]) if len(records) > 1 else b""
        if not last or bytes(records[0]) != last or last == before_last:
            return False
        return len(records) == 1 or bytes(records[1]) != last
