"""What the first page of a list tells about the rest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FirstPage:
    """A run is estimated from it."""

    records: int
    total: int | None
    """Records of the whole list, as the API tells it."""
    has_more: bool
    is_total_exact: bool = False
    is_total_least: bool = False
    """There are so many or more."""
    extra_requests: int = 0
    """Behind the last record, by which alone the list is known to end."""
    looks_behind_full_end: bool = False
    """One more, if the last page is full."""
    beside_requests: int = 0
    """Of a list of several pages, those that ask for none of them."""
    is_only: bool = False
    """Lists of this kind have no other page."""
    divide_above: int = 0
    """Most records that the API hands out for the item: with more it is divided. 0: no cap."""
