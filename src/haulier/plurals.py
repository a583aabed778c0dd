"""Singular and plural: a count with its noun, and the verb that fits."""

from __future__ import annotations


def count_of(count: int, noun: str) -> str:
    """Write ``1 item``, ``2 items``, ``1,000 items``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def are(count: int) -> str:
    """Choose ``is`` or ``are``."""
    return "is" if count == 1 else "are"


def have(count: int) -> str:
    """Choose ``has`` or ``have``."""
    return "has" if count == 1 else "have"


def were(count: int) -> str:
    """Choose ``was`` or ``were``."""
    return "was" if count == 1 else "were"
