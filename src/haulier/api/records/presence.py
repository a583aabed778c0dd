"""What of that which may be absent was there, by the declaration of the source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Presence:
    """Counts parents' lists and joined values that were asked for."""

    present: int = 0
    absent: int = 0
    ended_lists: int = 0
    """Lists that a rule ended before their first page, whether or not they are counted."""

    def note(self, present: int, absent: int) -> None:
        self.present += present
        self.absent += absent
