"""What is counted of an item beside its records."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MovedTotal:
    """A total that changed while the item was read. Its records number ``reread``."""

    promised: int
    reread: int


@dataclass(slots=True)
class ItemCounts:
    """Added up while the item is worked; then it stands in its receipt, or in its outcome."""

    hidden: int = 0
    """Rows that a declared total counts and the API does not show."""
    repeated: int = 0
    """Pages that began with the last record of the page before, without error."""
    present: int = 0
    """Of what may be absent, as the source declares: parents' lists and joined values that were there."""
    absent: int = 0
    """The others of these."""
    skipped: int = 0
    """Rows that are no records, by the source's own rules."""

    def note_presence(self, present: int, absent: int) -> None:
        self.present += present
        self.absent += absent
