"""Numbers of things as people say them."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """``1 item``, ``2 items``, ``1,000 items``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def are(count: int) -> str:
    """The verb that goes with so many."""
    return "is" if count == 1 else "are"
