"""Members of a scope as a state machine drives them: every step of a beat apart, and a world that sees all."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from haulier.api.scope.changes import Beat, after_beat, after_leave
from haulier.api.scope.membership import Identity, Membership
from haulier.api.scope.rhythm import Rhythm
from haulier.api.scope.row import ScopeRow

BEAT_SECONDS = 1.0
DEADLINE_SECONDS = 6.0


class State(Enum):
    RUNS = "runs"
    STOPPED = "stopped"
    DEAD = "dead"


@dataclass
class World:
    """True time, a wall clock that jumps, and the row."""

    now: float = 0.0
    wall_offset: float = 1.8e9
    row: ScopeRow = field(default_factory=ScopeRow)

    @property
    def wall(self) -> float:
        return self.now + self.wall_offset


@dataclass
class Process:
    """One process with a member in it. Its monotonic clock begins at a number of its own."""

    world: World
    name: str
    cap: int
    epoch: float
    knows_deaths: bool = False
    state: State = State.RUNS
    ends: list[float] = field(default_factory=list)
    """When the requests in flight end, as the API sees it."""
    is_busy: bool = True
    is_guest: bool = False
    beat: Beat | None = None
    began_at: float = 0.0
    after: ScopeRow | None = None
    rhythm: Rhythm | None = None
    """Of the beats that it begins from now on, where beats are rare."""

    def __post_init__(self) -> None:
        self.dead: set[str] = set()
        self.membership = Membership(
            Identity(
                self.name, self.cap, BEAT_SECONDS, DEADLINE_SECONDS, self.name, is_fixed=True, is_guest=self.is_guest
            ),
            lambda process: self.knows_deaths and process in self.dead,
        )

    @property
    def clock(self) -> float:
        return self.world.now + self.epoch

    @property
    def in_flight(self) -> int:
        return sum(end > self.world.now for end in self.ends)

    @property
    def may_have(self) -> int:
        """Requests in flight, with those that it may send this very moment."""
        if self.state is State.DEAD or not self.membership.is_fresh(self.clock):
            return self.in_flight
        return max(self.in_flight, self.membership.limit)

    def collect(self) -> None:
        """Learn which requests have ended: a process that is stopped does not."""
        if self.state is State.RUNS:
            self.ends = [end for end in self.ends if end > self.world.now]

    def send(self, seconds: float) -> bool:
        may = self.membership.is_fresh(self.clock) and len(self.ends) < self.membership.limit
        if may:
            self.ends.append(self.world.now + min(seconds, DEADLINE_SECONDS))
        return may

    def fill(self) -> None:
        """Send as much as it may, for as long as a request may last."""
        self.collect()
        while self.send(DEADLINE_SECONDS):
            pass

    def begin(self) -> None:
        self.began_at = self.clock
        self.beat = replace(
            self.membership.begin(
                self.clock, len(self.ends), is_busy=self.is_busy or bool(self.ends), rhythm=self.rhythm
            ),
            wall=self.world.wall,
            takes_items=not self.is_guest,
        )
        self.after = None

    def commit(self) -> None:
        assert self.beat is not None
        self.after = self.world.row = after_beat(self.world.row, self.beat)

    def adopt(self) -> None:
        assert self.beat is not None
        assert self.after is not None
        self.membership.adopt(self.after, self.beat, self.began_at, self.clock)
        self.beat = self.after = None

    def forget(self) -> None:
        """The store failed, before or after the change."""
        self.beat = self.after = None

    def whole_beat(self) -> None:
        self.collect()
        self.begin()
        self.commit()
        self.adopt()

    def look(self, *, is_busy: bool = True) -> None:
        """Read the row, and beat at once where that would move a share."""
        self.collect()
        if self.rhythm is not None:
            self.membership.watch(self.world.row, self.clock)
        if self.membership.look(
            self.world.row,
            len(self.ends),
            is_busy=is_busy,
            takes_items=not self.is_guest,
            is_slow=self.rhythm is not None,
        ):
            self.whole_beat()

    def leave(self) -> None:
        self.beat = self.after = None
        self.membership.close()
        self.world.row = after_leave(self.world.row, self.name, len(self.ends))
        self.state = State.DEAD
