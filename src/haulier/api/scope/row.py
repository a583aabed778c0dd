"""The row that the members share. `haulier.api.scope.changes` changes it."""

from __future__ import annotations

import msgspec

from haulier.api.limits.breaker import Breaker
from haulier.api.limits.budget import UNLIMITED, Budget
from haulier.api.limits.governor import Governor
from haulier.api.limits.learned_rate import LearnedRate
from haulier.api.scope.failures import Failures
from haulier.api.scope.orders import Hold, InFlightLimit
from haulier.errors import HaulierError, NewerFormatError

FORMAT = 2
"""1 without a person's orders, which a reader of that format would drop."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    beats: int
    """Number of the last beat, never repeated."""
    share: int
    in_flight: int
    wants: bool
    """It had an item in work, or a request, within two beats."""
    looks: bool = True
    """It takes items."""
    is_guest: bool = False
    """It sends one request after the other, for a person who waits: one place is enough for it."""
    turns: int
    """Beats with a share. The fewest come first where places are few."""
    keep_seconds: float
    """Seconds after its last beat for which requests may be under way."""
    beat_seconds: float = 1.0
    """Longest time until its next beat; the others judge its silence by it."""
    beat_at: float
    """Wall time, for people alone."""
    peak: int = 0
    """Most requests in flight since the beat before."""
    items: int = 0
    """Items in work, for people alone."""
    is_fixed: bool = False
    rate: float = UNLIMITED
    wanted: float = UNLIMITED
    granted: dict[str, int] = msgspec.field(default_factory=dict)
    out_of: str = ""
    process: str = ""


class ScopeRow(msgspec.Struct, frozen=True, kw_only=True):
    v: int = 1
    members: dict[str, Member] = msgspec.field(default_factory=dict)
    time: float = 0.0
    """Seconds of beating; no jump of a clock moves it."""
    beat_at: float = 0.0
    """Wall time."""
    pause_until: float = 0.0
    """Wall time."""
    pause_seconds: float = 0.0
    """Length when written: it lasts no longer, even if the wall clock is set back."""
    pause_reason: str = ""
    """Without secrets."""
    pause_mark: str = ""
    """Refused credentials, to which alone the pause applies; empty: to everybody."""
    lifted_at: float = 0.0
    """Wall time of a person's last lift. It never goes back, and so numbers the lifts."""
    successes: int = 0
    """Beats with a success, since the first of these members joined."""
    last_success_at: float = 0.0
    success_age_seconds: float = 0.0
    """Age of that success when it was told, where beats are rare."""
    governor: Governor = msgspec.field(default_factory=Governor)
    breaker: Breaker = msgspec.field(default_factory=Breaker)
    budget: Budget = msgspec.field(default_factory=Budget)
    learned: LearnedRate = msgspec.field(default_factory=LearnedRate)
    failures: dict[str, Failures] = msgspec.field(default_factory=dict)
    held: Hold | None = None
    limit: InFlightLimit | None = None
    latencies: tuple[float, ...] = ()
    """Answers of the last minutes by how long they took (`haulier.api.scope.latencies`)."""


class _RowFormat(msgspec.Struct):
    v: int


def decode(body: bytes | None) -> ScopeRow:
    """None is an empty row. Raises `NewerFormatError`, and `HaulierError` for what is no row."""
    if body is None:
        return ScopeRow()
    try:
        found = msgspec.json.decode(body, type=_RowFormat).v
        if found > FORMAT:
            raise NewerFormatError("The scope row in the queue", found, FORMAT)
        return msgspec.json.decode(body, type=ScopeRow)
    except msgspec.MsgspecError as error:
        raise HaulierError(f"The scope row in the queue cannot be read: {error}") from error


def encode(row: ScopeRow) -> bytes:
    return msgspec.json.encode(row)
