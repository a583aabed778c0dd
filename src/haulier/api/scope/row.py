"""The row that the members of a scope share, as it is stored. `haulier.api.scope.changes` is how it may change."""

from __future__ import annotations

import msgspec

from haulier.api.limits.breaker import Breaker
from haulier.api.limits.budget import UNLIMITED, Budget
from haulier.api.limits.governor import Governor
from haulier.api.limits.learned_rate import LearnedRate
from haulier.api.scope.failures import Failures
from haulier.errors import HaulierError, NewerFormatError

FORMAT = 1


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One process that sends requests under the scope."""

    beats: int
    """The number of its last beat; it never comes twice. Where it does not move, the member is silent."""
    share: int
    in_flight: int
    """The cap that this member knows of."""
    wants: bool
    """Whether it had an item in work, or a request, within the last two beats."""
    looks: bool = True
    """Whether it takes items; who does not needs a share only while it has something to ask."""
    turns: int
    """For how many beats it has held a share: who has the fewest comes first where there is not one for each."""
    keep_seconds: float
    """How long its share is kept after its last beat, since requests of its own may be under way for so long."""
    beat_at: float
    """Wall time of the last beat, for people; nothing is decided by it."""
    peak: int = 0
    """The most requests that it had in flight at once between its last two beats."""
    is_fixed: bool = False
    """Whether it leaves the cap to the user alone."""
    rate: float = UNLIMITED
    """Requests a second that it may send: its part of the pace."""
    wanted: float = UNLIMITED
    granted: dict[str, int] = msgspec.field(default_factory=dict)
    """What it was given of each quota in its last beat."""
    out_of: str = ""
    """The limit of an hour or a day that is used up, for people."""
    process: str = ""
    """What tells whether its process still exists; empty where that cannot be told."""


class ScopeRow(msgspec.Struct, frozen=True, kw_only=True):
    """The whole row. An empty one is a scope without members."""

    v: int = FORMAT
    members: dict[str, Member] = msgspec.field(default_factory=dict)
    time: float = 0.0
    """Seconds for which the scope has been beating. It never goes back, and no jump of a clock moves it."""
    beat_at: float = 0.0
    """Wall time of the last beat of all."""
    pause_until: float = 0.0
    """Wall time at which the pause ends; in the past, there is none."""
    pause_seconds: float = 0.0
    """How long it was when it was written. It lasts no longer than that, even if the wall clock is set back."""
    pause_reason: str = ""
    """For people, without secrets."""
    pause_mark: str = ""
    """Where credentials were refused, their mark: the pause is for those alone. Empty: it is for everybody."""
    lifted_at: float = 0.0
    """Wall time at which a person last lifted what held the requests back. It never goes back, and serves as a number:
    who knows of an earlier one only does not know yet."""
    successes: int = 0
    """Beats with a good answer in them, since the first of these members joined."""
    last_success_at: float = 0.0
    governor: Governor = msgspec.field(default_factory=Governor)
    breaker: Breaker = msgspec.field(default_factory=Breaker)
    budget: Budget = msgspec.field(default_factory=Budget)
    learned: LearnedRate = msgspec.field(default_factory=LearnedRate)
    failures: dict[str, Failures] = msgspec.field(default_factory=dict)
    """What went wrong in each of the newest runs, for people."""


class _RowFormat(msgspec.Struct):
    v: int


def decode(body: bytes | None) -> ScopeRow:
    """The row as it is stored; None is an empty one. Raises `NewerFormatError`; `HaulierError` for what is no row."""
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
