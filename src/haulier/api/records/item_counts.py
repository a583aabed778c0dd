"""What is counted of an item beside its records."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MovedTotal:
    """A total that changed while the item was read. Its records number ``reread``."""

    promised: int
    reread: int


@dataclass
class Presence:
    """Parents' lists and joined values that were asked for and may be absent, as the source declares."""

    present: int = 0
    absent: int = 0
    ended_lists: int = 0
    """Lists that a rule ended before their first page, whether or not they are counted."""

    def note(self, present: int, absent: int) -> None:
        self.present += present
        self.absent += absent
