"""A table of orders behind an API, in virtual time: rows are inserted, changed and deleted, and some are seen late."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from haulier.items.windows import TimeWindow


@dataclass
class Version:
    """A version of a row, which the API shows from ``seen_at`` on until a later one is seen."""

    id: int
    number: int
    updated_at: datetime
    seen_at: datetime
    is_deletion: bool = False


@dataclass
class Outage:
    """Until ``over_at`` a window with this moment in it cannot be read."""

    moment: datetime
    over_at: datetime


@dataclass
class OrdersApi:
    """It hands out the newest version of each row, by the time of its last change. ``now`` is its own clock, which is
    right by definition."""

    rng: random.Random
    now: datetime
    latest: timedelta
    """How late a version may be seen after its time."""
    rows: list[list[Version]] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    changes_an_hour: float = 1.0
    late: int = 0
    """Versions that were seen late."""

    def advance(self, by: timedelta) -> None:
        """Let time pass, and with it some changes."""
        end = self.now + by
        while True:
            self.now += timedelta(hours=1) * self.rng.expovariate(self.changes_an_hour)
            if self.now >= end:
                break
            self._change()
        self.now = end

    def update_all(self) -> None:
        """Somebody touches every row, all in one second."""
        for row in self.rows:
            if not row[-1].is_deletion:
                self._add(row, self.now.replace(microsecond=0), may_be_late=False)

    def current(self, at: datetime) -> Iterator[Version]:
        """What is shown at a time."""
        for row in self.rows:
            seen = [version for version in row if version.seen_at <= at]
            if seen and not seen[-1].is_deletion:
                yield seen[-1]

    def find(self, window: TimeWindow) -> list[Version]:
        return [version for version in self.current(self.now) if window.start <= version.updated_at < window.end]

    def fails(self, window: TimeWindow) -> bool:
        return any(each.over_at > self.now and window.start <= each.moment < window.end for each in self.outages)

    def _change(self) -> None:
        living = [row for row in self.rows if not row[-1].is_deletion]
        what = self.rng.random()
        if what < 0.4 or not living:
            self.rows.append([])
            self._add(self.rows[-1], self.now, may_be_late=True)
        else:
            row = self.rng.choice(living)
            self._add(row, self.now, may_be_late=what < 0.9, is_deletion=what >= 0.9)

    def _add(self, row: list[Version], at: datetime, *, may_be_late: bool, is_deletion: bool = False) -> None:
        is_late = may_be_late and self.rng.random() < 0.3
        seen_at = at + self.latest * self.rng.random() if is_late else at
        self.late += is_late
        id = row[0].id if row else len(self.rows)
        row.append(Version(id, len(row), at, seen_at, is_deletion))
