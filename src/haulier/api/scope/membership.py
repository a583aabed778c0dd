"""One member's knowledge of its scope, without task or store."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from haulier.api.scope.changes import Beat, cap, room, target
from haulier.api.scope.rhythm import Rhythm, steady_rhythm
from haulier.api.scope.row import Member, ScopeRow

STALE_BEATS = 2
"""Age of its last beat above which a member sends nothing."""
SILENT_BEATS = 3
"""Nobody waits for a member after so much silence; its share stays taken until it is gone."""
IDLE_BEATS = 2
"""A share goes back after so long without an item in work."""
MAX_IDLE_SECONDS = 10.0
"""Beats may be far apart, and others wait for it."""
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
    is_guest: bool = False

    def keep_seconds(self, beat_seconds: float) -> float:
        """Silence after which none of its requests can be in flight: it sends for `STALE_BEATS` after a beat; one beat
        is to spare."""
        return SILENT_BEATS * beat_seconds + self.request_deadline_seconds


@dataclass(frozen=True)
class _Sighting:
    beats: int
    seen_at: float
    beat_seconds: float
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
        self.silent: dict[str, int] = {}
        self._is_handed_over = False
        self._fresh_until = -math.inf
        self.share = 0
        """The row surely holds so much for us."""
        self.limit = 0
        """Below the share while some of it goes back."""
        self.place = 0
        """Our index among the living members with share and work."""
        self.sharers = 1
        self.others_worked_at = -math.inf
        """Monotonic time when another living member was last seen with an item or a request."""

    def is_fresh(self, now: float) -> bool:
        return now <= self._fresh_until

    def begin(self, now: float, in_use: int, *, is_busy: bool, rhythm: Rhythm | None = None) -> Beat:
        """``is_busy``: an item was held, or a request made, since the last beat."""
        is_slow, rhythm = rhythm is not None, rhythm or steady_rhythm(self.identity.beat_seconds)
        # Its change may be made though we never hear of it: then the others wait for us by the new length.
        self._fresh_until = min(self._fresh_until, now + STALE_BEATS * rhythm.beat_seconds)
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
            is_silent = silence > SILENT_BEATS * seen.beat_seconds
            has_ended = (is_silent or is_slow) and bool(seen.process) and self._is_gone(seen.process)
            if is_silent or has_ended:
                silent[name] = seen.beats
            if has_ended or (is_silent and silence > seen.keep_seconds):
                gone[name] = seen.beats
        self.silent = silent
        return Beat(
            name=self.identity.name,
            number=self._number,
            offer=self.share,
            in_flight=self.identity.in_flight,
            wants=now - self._busy_at < min(IDLE_BEATS * rhythm.beat_seconds, MAX_IDLE_SECONDS),
            keep_seconds=self.identity.keep_seconds(rhythm.beat_seconds),
            beat_seconds=rhythm.beat_seconds,
            quiet_beat_seconds=rhythm.quiet_beat_seconds,
            is_slow=is_slow,
            process=self.identity.process,
            is_fixed=self.identity.is_fixed,
            is_guest=self.identity.is_guest,
            silent=silent,
            gone=gone,
        )

    def adopt(self, row: ScopeRow, beat: Beat, begun_at: float, now: float) -> None:
        name = self.identity.name
        self._fresh_until = begun_at + STALE_BEATS * row.members[name].beat_seconds
        self.share = row.members[name].share
        self.limit = min(self.share, target(row, name, beat.silent))
        self.watch(row, now)

    def hand_over(self) -> None:
        """Give the share back with the next beat, unless it is busy then."""
        self._is_handed_over = True

    def look(self, row: ScopeRow, in_use: int, *, is_busy: bool, takes_items: bool, is_slow: bool = False) -> bool:
        """Whether a beat now would move a good part of a share. What is to go back is no longer used.

        It does so only for a member that wants a share and has none: shares that follow work from hand to hand surprise
        the breaker, which then opens over the last bad items of a run again and again. Where beats are rare
        (``is_slow``), it also takes what nobody has, says that it has work now, gives to who has less than half of an
        even part, and obeys a cap that fell.
        """
        mine = row.members.get(self.identity.name)
        if mine is None:
            # The row was removed, or others took us for dead: they do not count our share.
            self.limit = 0 if is_slow else self.limit
            return is_slow and (is_busy or takes_items or self.share > 0)
        if is_busy and not mine.wants and (is_slow or not self.share):
            return True
        wanted = target(row, self.identity.name, self.silent)
        free = room(row, self.silent)
        if is_slow and free < 0:
            # The cap fell, and the next beat may be a minute away.
            self.limit = min(self.limit, wanted)
            return self.spare(in_use) > 0
        more = min(wanted - mine.share, free) if is_busy or takes_items else 0
        takes_more = more > 0 and more * EARLY_BEAT_SHARE_DIVISOR >= wanted
        busy = [one for one in row.members.values() if one.wants]
        even = [one.share for one in busy if not one.is_guest]
        is_one_short = is_slow and bool(even) and 2 * min(even) < cap(row, self.silent) // len(busy)
        if self.share and all(one.share for one in busy) and not is_one_short:
            return is_slow and takes_more
        # The one place of a guest is a small part of a share, and a person waits for it.
        is_asked = any(one.is_guest and not one.share for one in busy)
        if is_asked or (self.limit - wanted) * EARLY_BEAT_SHARE_DIVISOR >= self.share:
            self.limit = min(self.limit, wanted)
        spare = self.spare(in_use)
        return takes_more or (spare > 0 and (is_asked or spare * EARLY_BEAT_SHARE_DIVISOR >= self.share))

    def spare(self, in_use: int) -> int:
        """How much of the share is not used any more."""
        return self.share - max(self.limit, in_use)

    def living(self, row: ScopeRow) -> list[Member]:
        """Those that did not fall silent. A dead one stands in the row for as long as its requests may."""
        return [one for name, one in row.members.items() if self.silent.get(name) != one.beats]

    def is_next(self, row: ScopeRow) -> bool:
        """Whether a share is ours that we do not have yet."""
        return not self.share and self.identity.name in row.members and target(row, self.identity.name, self.silent) > 0

    def knows_of_death(self, row: ScopeRow) -> bool:
        """Whether a beat now would free the share of a process that has surely ended."""
        return any(
            one.share > 0 and bool(one.process) and self._is_gone(one.process)
            for name, one in row.members.items()
            if name != self.identity.name
        )

    def close(self) -> None:
        self.share = self.limit = 0
        self._fresh_until = -math.inf

    def watch(self, row: ScopeRow, now: float) -> None:
        """Note who beat, and who has work."""
        name = self.identity.name
        working = sorted(
            other
            for other, one in row.members.items()
            if other == name or (one.share and one.wants and self.silent.get(other) != one.beats)
        )
        if name in row.members:
            self.place, self.sharers = working.index(name), len(working)
        seen: dict[str, _Sighting] = {}
        for other, one in row.members.items():
            if other != name:
                if one.wants and self.silent.get(other) != one.beats:
                    self.others_worked_at = now
                before = self._sightings.get(other)
                is_same = before is not None and before.beats == one.beats
                seen_at = before.seen_at if before is not None and is_same else now
                seen[other] = _Sighting(one.beats, seen_at, one.beat_seconds, one.keep_seconds, one.process)
        self._sightings = seen
