"""Divides a cap among members (docs/politeness.md#the-shared-row)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BUSY_TURN_BEATS = 10
"""Turn of a member with work, where others wait: several requests long, and far below a lease, so that waiting members
do not hand their items back."""
IDLE_TURN_BEATS = 2
"""Long enough for a dequeue to find an item."""
IDLE_CAP_DIVISOR = 4
"""Part of the cap for members that look for work."""


@dataclass(frozen=True)
class Wish:
    name: str
    share: int
    wants: bool
    turns: int
    takes_items: bool = True
    """False for a member that only asks."""
    is_guest: bool = False


def divide_cap(cap: int, wishes: Sequence[Wish]) -> dict[str, int]:
    """Divide the whole cap, if there is any member. Beside members with work a guest that asks has one place."""
    busy = [wish for wish in wishes if wish.wants]
    if not busy:
        return _divide_evenly(cap, [wish for wish in wishes if wish.takes_items] or wishes, IDLE_TURN_BEATS)
    idle = [wish for wish in wishes if not wish.wants and wish.takes_items]
    for_idle = max(0, min(len(idle), max(1, cap // IDLE_CAP_DIVISOR), cap - len(busy)))
    ones = _divide_evenly(for_idle, idle, IDLE_TURN_BEATS)
    at_work = [wish for wish in busy if not wish.is_guest]
    if not at_work or cap - for_idle < len(busy):
        return ones | _divide_evenly(cap - for_idle, busy, BUSY_TURN_BEATS)
    guests = dict.fromkeys((wish.name for wish in busy if wish.is_guest), 1)
    return ones | guests | _divide_evenly(cap - for_idle - len(guests), at_work, BUSY_TURN_BEATS)


def _divide_evenly(cap: int, wishes: Sequence[Wish], turn: int) -> dict[str, int]:
    if not wishes:
        return {}
    each, over = divmod(cap, len(wishes))
    if each:
        # Who has more keeps the odd one: a share that moves for nothing is a share that nobody uses meanwhile.
        ranked = sorted(wishes, key=lambda wish: (-wish.share, wish.name))
    else:
        # Who held one for the fewest beats comes first; who holds one keeps it until it is a turn ahead of them.
        ranked = sorted(wishes, key=lambda wish: (wish.turns - (turn if wish.share else 0), wish.name))
    return {wish.name: each + (place < over) for place, wish in enumerate(ranked)}
