"""One member's knowledge of its scope, without task or store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from haulier.api.scope.changes import Beat, room, target
from haulier.api.scope.row import ScopeRow

STALE_BEATS = 2
"""Age of its last beat above which a member sends nothing."""
SILENT_BEATS = 3
"""Nobody waits for a member after so much silence; its share stays taken until it is gone."""
IDLE_BEATS = 2
"""A share goes back after so long without an item in work."""
EARLY_BEAT_SHARE_DIVISOR = 4
"""Part of a share that is worth an early beat, which is a write flushed to the disk."""


@dataclass(frozen=True)
class Identity:
    name: str
    in_flight: int
    beat_seconds: float
    request_deadline_seconds: float
    process: str = ""
    is_fixed: bool = False

    @property
    def keep_seconds(self) -> float:
        """Silence after which none of its requests can be in flight: it sends for `STALE_BEATS` after a beat; one beat
        is to spare."""
        return SILENT_BEATS * self.beat_seconds + self.request_deadline_seconds


@dataclass(frozen=True)
class _Sighting:
    beats: int
    seen_at: float
    keep_seconds: float
    process: str


class Membership:
    """One member's side of the row, in its own monotonic time.

    A beat is `begin`, the change of the row, then `adopt`, which is left out where the store fails. From `begin` on,
    the row holds no less than ``share``, whatever happens.
    """

    def __init__(self, identity: Identity, is_gone: Callable[[str], bool]) -> None:
        self.identity = identity
        self._is_gone = is_gone
        self._sightings: dict[str, _Sighting] = {}
        self._busy_at = 0.0
        self._number = 0
        self._silent: dict[str, int] = {}
        self._is_handed_over = False
        self._beaten_at: float | None = None
        self.share = 0
        """The row surely holds so much for us."""
        self.limit = 0
        """Below the share while some of it goes back."""
        self.place = 0
        """Our index among the living members with share and work."""
        self.sharers = 1

    def is_fresh(self, now: float) -> bool:
        return self._beaten_at is not None and now - self._beaten_at <= STALE_BEATS * self.identity.beat_seconds

    def begin(self, now: float, in_use: int, *, is_busy: bool) -> Beat:
        """``is_busy``: an item was held, or a request made, since the last beat."""
        if is_busy:
            self._busy_at, self._is_handed_over = now, False
        if self._is_handed_over:
            self.limit = 0
        self.share = min(self.share, max(self.limit, in_use))
        self.limit = min(self.limit, self.share)
        self._number += 1
        silent: dict[str, int] = {}
        gone: dict[str, int] = {}
        for name, seen in self._sightings.items():
            silence = now - seen.seen_at
            if silence > SILENT_BEATS * self.identity.beat_seconds:
                silent[name] = seen.beats
                if silence > seen.keep_seconds or (seen.process and self._is_gone(seen.process)):
                    gone[name] = seen.beats
        self._silent = silent
        return Beat(
            name=self.identity.name,
            number=self._number,
            offer=self.share,
            in_flight=self.identity.in_flight,
            wants=now - self._busy_at < IDLE_BEATS * self.identity.beat_seconds,
            keep_seconds=self.identity.keep_seconds,
            process=self.identity.process,
            is_fixed=self.identity.is_fixed,
            silent=silent,
            gone=gone,
        )

    def adopt(self, row: ScopeRow, beat: Beat, begun_at: float, now: float) -> None:
        name = self.identity.name
        self._beaten_at = begun_at
        self.share = row.members[name].share
        self.limit = min(self.share, target(row, name, beat.silent))
        self._see(row, now)
        working = sorted(
            other
            for other, one in row.members.items()
            if other == name or (one.share and one.wants and beat.silent.get(other) != one.beats)
        )
        self.place, self.sharers = working.index(name), len(working)

    def hand_over(self) -> None:
        """Give the share back with the next beat, unless it is busy then."""
        self._is_handed_over = True

    def look(self, row: ScopeRow, in_use: int, *, is_busy: bool, takes_items: bool) -> bool:
        """Whether a beat now would move a good part of a share. What is to go back is no longer used.

        It does so only for a member that wants a share and has none: shares that follow work from hand to hand surprise
        the breaker, which then opens over the last bad items of a run again and again.
        """
        mine = row.members.get(self.identity.name)
        if mine is None:
            return False
        if is_busy and not mine.wants and not self.share:
            return True
        if self.share and all(one.share for one in row.members.values() if one.wants):
            return False
        wanted = target(row, self.identity.name, self._silent)
        if (self.limit - wanted) * EARLY_BEAT_SHARE_DIVISOR >= self.share:
            self.limit = min(self.limit, wanted)
        spare = self.share - max(self.limit, in_use)
        more = min(wanted - mine.share, room(row, self._silent)) if is_busy or takes_items else 0
        return (spare > 0 and spare * EARLY_BEAT_SHARE_DIVISOR >= self.share) or (
            more > 0 and more * EARLY_BEAT_SHARE_DIVISOR >= wanted
        )

    def close(self) -> None:
        self.share = self.limit = 0
        self._beaten_at = None

    def _see(self, row: ScopeRow, now: float) -> None:
        seen: dict[str, _Sighting] = {}
        for name, one in row.members.items():
            if name != self.identity.name:
                before = self._sightings.get(name)
                is_same = before is not None and before.beats == one.beats
                seen_at = before.seen_at if before is not None and is_same else now
                seen[name] = _Sighting(one.beats, seen_at, one.keep_seconds, one.process)
        self._sightings = seen
