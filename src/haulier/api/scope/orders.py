"""What a person orders for all workers of a source. It stands in their row until a person takes it back."""

from __future__ import annotations

import msgspec

MAX_WHY_CHARACTERS = 200
"""The row is read and written by every worker, all the time."""


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """No request leaves."""

    by: str
    """Who ordered it, as ``ann@host``."""
    since: float
    """Wall time."""
    why: str = ""


class InFlightLimit(msgspec.Struct, frozen=True, kw_only=True):
    """Takes the place of the ``in_flight`` of the source file, at every hour."""

    in_flight: int
    by: str
    since: float
    """Wall time."""
