"""G5: whatever happens to the members of a scope, together they are never above its cap."""

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from haulier.api.scope.membership import SILENT_BEATS
from haulier.api.scope.rhythm import Rhythm
from tests.api.scope.fleet import Process, State, World

NAMES = st.integers(0, 10_000)
SECONDS = st.sampled_from([0.1, 0.5, 0.9, 1.0, 1.1, 2.0, 2.1, 3.0, 3.1, 5.0, 9.0, 9.1, 20.0])


class Members(RuleBasedStateMachine):
    """Beats in three steps that may each be the last, requests, deaths, stops, leaves and clocks that jump."""

    longest_beat_seconds = 1

    @initialize(cap=st.integers(1, 9), count=st.integers(1, 5), data=st.data())
    def start(self, cap: int, count: int, data: st.DataObject) -> None:
        self.world, self.cap = World(), cap
        self.all: list[Process] = []
        for _ in range(count):
            self.all.append(self._new(data.draw(st.floats(0, 1e6))))
        for one in self.all:
            one.whole_beat()

    def _new(self, epoch: float) -> Process:
        is_guest = len(self.all) % 3 == 2
        return Process(self.world, f"w{len(self.all):03}", self.cap, epoch, is_guest=is_guest)

    def _pick(self, number: int, *states: State) -> Process | None:
        those = [one for one in self.all if one.state in (states or (State.RUNS,))]
        return those[number % len(those)] if those else None

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.world.now += seconds
        for one in self.all:
            one.collect()

    def _others_beat(self, seconds: float, but: Process | None = None) -> None:
        for _ in range(int(seconds) + 1):
            self.world.now += 1.0
            for one in self.all:
                if one.state is State.RUNS and one.beat is None and one is not but:
                    one.whole_beat()

    @rule(seconds=SECONDS)
    def time_passes_with_beats(self, seconds: float) -> None:
        self._others_beat(seconds)

    @rule(number=NAMES, waits=st.sampled_from([0.0, 1.0, 2.0]), seconds=SECONDS)
    def one_falls_silent_with_requests_under_way(self, number: int, waits: float, seconds: float) -> None:
        """It sends as late and as much as it may; the others go on; then it is there again."""
        if (one := self._pick(number)) and one.beat is None:
            one.is_busy = True
            one.whole_beat()
            self.world.now += waits
            one.fill()
            self._others_beat(seconds, but=one)
            one.fill()

    @rule(number=NAMES, before=SECONDS, after=SECONDS)
    def one_beats_slowly(self, number: int, before: float, after: float) -> None:
        """Time passes before its change is made, and again before it hears of it."""
        if (one := self._pick(number)) and one.beat is None:
            one.is_busy = True
            one.begin()
            self._others_beat(before, but=one)
            one.fill()
            one.commit()
            self._others_beat(after, but=one)
            one.adopt()
            one.fill()

    @rule(first=NAMES, second=NAMES, seconds=SECONDS)
    def one_comes_back_while_another_has_it_for_dead(self, first: int, second: int, seconds: float) -> None:
        """Two are silent; one gets ready to beat, the other beats, and only then the first one's change is made."""
        one, other = self._pick(first), self._pick(second)
        if one and other and one is not other and one.beat is None and other.beat is None:
            one.is_busy = other.is_busy = True
            self.world.now += seconds
            one.begin()
            other.whole_beat()
            other.fill()
            one.commit()
            one.adopt()
            one.fill()

    @rule(jump=st.sampled_from([-86_400.0, -3_600.0, -5.0, 5.0, 3_600.0, 86_400.0]))
    def wall_jumps(self, jump: float) -> None:
        self.world.wall_offset += jump

    @rule(number=NAMES, seconds=SECONDS, times=st.integers(1, 9))
    def sends(self, number: int, seconds: float, times: int) -> None:
        if one := self._pick(number):
            one.is_busy = True
            while times and one.send(seconds):
                times -= 1

    @rule(number=NAMES)
    def begins(self, number: int) -> None:
        if (one := self._pick(number)) and one.beat is None:
            one.begin()

    @rule(number=NAMES)
    def commits(self, number: int) -> None:
        if (one := self._pick(number)) and one.beat is not None and one.after is None:
            one.commit()

    @rule(number=NAMES)
    def hears_of_it(self, number: int) -> None:
        if (one := self._pick(number)) and one.after is not None:
            one.adopt()

    @rule(number=NAMES)
    def loses_the_store(self, number: int) -> None:
        if (one := self._pick(number)) and one.beat is not None:
            one.forget()

    @rule(number=NAMES, is_busy=st.booleans())
    def has_work(self, number: int, is_busy: bool) -> None:
        if one := self._pick(number):
            one.is_busy = is_busy

    @rule(number=NAMES, is_busy=st.booleans())
    def looks_between_beats(self, number: int, is_busy: bool) -> None:
        """It beats out of turn where that would move a share."""
        if (one := self._pick(number)) and one.beat is None:
            one.look(is_busy=is_busy)

    @rule(number=NAMES)
    def hands_over(self, number: int) -> None:
        if one := self._pick(number):
            one.membership.hand_over()

    @rule(number=NAMES)
    def stops(self, number: int) -> None:
        if one := self._pick(number):
            one.state = State.STOPPED

    @rule(number=NAMES, sees_ends=st.booleans())
    def goes_on(self, number: int, sees_ends: bool) -> None:
        if one := self._pick(number, State.STOPPED):
            one.state = State.RUNS
            if sees_ends:
                one.collect()

    @rule(number=NAMES)
    def dies(self, number: int) -> None:
        if one := self._pick(number, State.RUNS, State.STOPPED):
            one.state = State.DEAD

    @rule(number=NAMES)
    def leaves(self, number: int) -> None:
        if (one := self._pick(number)) and one.after is None:
            one.leave()

    @rule(epoch=st.floats(0, 1e6))
    def joins(self, epoch: float) -> None:
        if len(self.all) < 12:
            self.all.append(self._new(epoch))
            self.all[-1].whole_beat()

    @invariant()
    def never_above_the_cap(self) -> None:
        if hasattr(self, "all"):
            assert sum(one.may_have for one in self.all) <= self.cap

    @invariant()
    def the_row_is_never_above_the_cap(self) -> None:
        if hasattr(self, "all"):
            shares = [one.share for one in self.world.row.members.values()]
            assert sum(shares) <= self.cap
            assert all(share >= 0 for share in shares)

    def teardown(self) -> None:
        """Whatever came before: once the last dead one is forgotten, the whole cap is shared again, evenly."""
        if not hasattr(self, "all"):
            return
        for one in self.all:
            one.is_busy = True
            one.rhythm = None
            one.forget()
            if one.state is State.STOPPED:
                one.state = State.RUNS
        living = [one for one in self.all if one.state is State.RUNS]
        in_use = []
        for _ in range(24 + SILENT_BEATS * self.longest_beat_seconds):
            self.world.now += 1.0
            for one in living:
                one.whole_beat()
            in_use.append(sum(one.membership.limit for one in living))
        limits = [one.membership.limit for one in living]
        if len(living) > self.cap:
            # Shares go from hand to hand, and are nobody's for a moment each time.
            assert sum(in_use[-12:]) >= 0.7 * 12 * self.cap
        elif living:
            assert sum(limits) == self.cap
            even = [one.membership.limit for one in living if not one.is_guest] or limits
            assert max(even) - min(even) <= 1
            assert len(even) == len(limits) or max(one.membership.limit for one in living if one.is_guest) == 1


Members.TestCase.settings = settings(max_examples=70, stateful_step_count=25)
TestMembers = Members.TestCase


class SlowMembers(Members):
    """The same, where beats are rare, and each member's next may take another time than its last."""

    longest_beat_seconds = 20

    @rule(number=NAMES, seconds=st.sampled_from([1.0, 2.0, 5.0, 20.0]), quiet_factor=st.sampled_from([1.0, 4.0]))
    def beats_in_another_rhythm(self, number: int, seconds: float, quiet_factor: float) -> None:
        if one := self._pick(number):
            one.rhythm = Rhythm(seconds, min(20.0, seconds * quiet_factor), seconds / 5)

    @rule(number=NAMES, seconds=st.sampled_from([1.0, 2.0, 20.0]), before=SECONDS, after=SECONDS)
    def one_beats_faster_and_never_hears_of_it(self, number: int, seconds: float, before: float, after: float) -> None:
        """The others wait for it by its new length, and it goes on by its old one."""
        if (one := self._pick(number)) and one.beat is None:
            one.is_busy, one.rhythm = True, Rhythm(20.0, 20.0, 1.0)
            one.whole_beat()
            one.rhythm = Rhythm(seconds, seconds, 1.0)
            one.begin()
            self._others_beat(before, but=one)
            one.commit()
            one.forget()
            self._others_beat(after, but=one)
            one.fill()


SlowMembers.TestCase.settings = settings(max_examples=70, stateful_step_count=25)
TestSlowMembers = SlowMembers.TestCase
