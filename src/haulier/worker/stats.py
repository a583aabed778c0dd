"""Counters for progress bars and the last log line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Stats:
    done: int = 0
    empty: int = 0
    split: int = 0
    adopted: int = 0
    retried: int = 0
    """Charged, and come again."""
    freed: int = 0
    """Uncharged, and come again."""
    poisoned: int = 0
    records: int = 0
    bytes: int = 0
    under_way: int = 0
