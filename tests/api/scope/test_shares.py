"""How a cap is shared: the pure decision, and what it comes to over many beats."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import hypothesis.strategies as st
import pytest
from hypothesis import given

from haulier.api.scope.membership import SILENT_BEATS
from haulier.api.scope.shares import BUSY_TURN_BEATS, IDLE_TURN_BEATS, Wish, divide_cap
from tests.api.scope.fleet import BEAT_SECONDS, DEADLINE_SECONDS, Process, State, World

WISHES = st.lists(
    st.tuples(st.integers(0, 12), st.booleans(), st.integers(0, 50)),
    max_size=20,
).map(lambda rows: [Wish(f"w{n:02}", *row) for n, row in enumerate(rows)])


@given(cap=st.integers(0, 40), wishes=WISHES)
def test_sum_is_the_cap(cap: int, wishes: list[Wish]) -> None:
    """G5: the shares are whole, not below 0, and come to the cap exactly as long as anybody is there."""
    found = divide_cap(cap, wishes)
    assert sum(found.values()) == (cap if wishes else 0)
    assert all(share >= 0 for share in found.values())
    assert set(found) == {wish.name for wish in wishes}


@given(cap=st.integers(0, 40), wishes=WISHES)
def test_who_works_shares_evenly(cap: int, wishes: list[Wish]) -> None:
    """No two members with work differ by more than one, and no idle one has more than any of them."""
    found = divide_cap(cap, wishes)
    busy = [found[wish.name] for wish in wishes if wish.wants]
    idle = [found[wish.name] for wish in wishes if not wish.wants]
    if busy:
        assert max(busy) - min(busy) <= 1
        assert max(idle, default=0) <= 1
        if cap >= len(busy):
            assert min(busy) >= 1


@pytest.mark.parametrize(
    ("cap", "wishes", "expected"),
    [
        (12, "B0 B0 B0 B0", [3, 3, 3, 3]),
        (12, "B0 B0 B0 B0 B0", [3, 3, 2, 2, 2]),
        (13, "B3 B4 B3 B3", [3, 4, 3, 3]),  # Who has the odd one keeps it.
        (12, "I3 I3 I3 I3", [3, 3, 3, 3]),  # Work that comes is begun at full speed.
        (12, "B3 I3 I3 I3", [9, 1, 1, 1]),
        (12, "B9 I1 I1 I1 I0 I0", [9, 1, 1, 1, 0, 0]),
        (4, "B4 I0 I0", [3, 1, 0]),
        (1, "B1 I0 I0", [1, 0, 0]),
        (2, "B1 B1 I0", [1, 1, 0]),
        (2, "B1 B1 B0", [1, 1, 0]),
        (0, "B1 I1", [0, 0]),
        (1, "", []),
    ],
)
def test_table(cap: int, wishes: str, expected: list[int]) -> None:
    """Members with work come first; some of the cap is for who looks for work."""
    made = [Wish(f"w{n}", int(text[1:]), text[0] == "B", 0) for n, text in enumerate(wishes.split())]
    assert list(dict(sorted(divide_cap(cap, made).items())).values()) == expected


def test_who_takes_no_items_leaves_its_share_to_who_does() -> None:
    """A parent that only watches its workers has no part of the cap, unless nobody has anything to ask."""
    working = [Wish("parent", 1, False, 0, takes_items=False), Wish("a", 3, True, 0), Wish("b", 3, True, 0)]
    assert divide_cap(8, working) == {"a": 4, "b": 4}
    assert divide_cap(8, [Wish("parent", 1, True, 0, takes_items=False), *working[1:]]) == {"parent": 2, "a": 3, "b": 3}
    assert divide_cap(8, working[:1]) == {"parent": 8}
    idle = [Wish("parent", 8, False, 0, takes_items=False), Wish("a", 0, False, 0), Wish("b", 0, False, 0)]
    assert divide_cap(8, idle) == {"a": 4, "b": 4}


def test_a_guest_has_one_place_beside_members_with_work() -> None:
    """And all of the cap where it is alone, as when a source of Python code is planned that asks many at once."""
    guest = Wish("plan", 0, True, 0, takes_items=False, is_guest=True)
    working = [Wish("a", 6, True, 0), Wish("b", 6, True, 0)]
    assert divide_cap(12, [guest, *working]) == {"plan": 1, "a": 6, "b": 5}
    assert divide_cap(12, [guest, Wish("a", 6, True, 0), Wish("b", 6, False, 0)]) == {"plan": 1, "a": 10, "b": 1}
    assert divide_cap(12, [guest]) == {"plan": 12}
    assert divide_cap(2, [guest, *working]) == {"a": 1, "b": 1, "plan": 0}, "it waits its turn"


def test_a_guest_takes_one_place_of_a_worker_at_once() -> None:
    """The worker gives it back by its next look, though it is a small part of its share, and has it again then."""
    fleet = Fleet(12, ["worker"])
    fleet.pass_beats(2)
    guest, worker = fleet.join("plan", is_guest=True), fleet.members[0]
    assert guest.membership.limit == 0
    fleet.world.now += 0.2
    worker.look()
    guest.look()
    assert fleet.limits == [11, 1]
    fleet.pass_beats(5)
    assert fleet.limits == [11, 1]
    guest.leave()
    fleet.pass_beats(1)
    assert fleet.limits == [12]


def test_turn_passes() -> None:
    """Where there is not one for each, who holds one gives it up when it is a turn ahead of who waits for it."""
    held = [Wish("a", 1, True, BUSY_TURN_BEATS), Wish("b", 0, True, 0)]
    assert divide_cap(1, held) == {"a": 1, "b": 0}
    held[0] = Wish("a", 1, True, BUSY_TURN_BEATS + 1)
    assert divide_cap(1, held) == {"a": 0, "b": 1}
    idle = [Wish("a", 1, False, IDLE_TURN_BEATS + 1), Wish("b", 0, False, 0)]
    assert divide_cap(1, idle) == {"a": 0, "b": 1}


class Fleet:
    """Whole beats of members whose requests never end by themselves: the worst that shares can meet."""

    def __init__(self, cap: int, names: Iterable[str]) -> None:
        self.world = World()
        self.cap = cap
        self.members: list[Process] = []
        for name in names:
            self.join(name)

    def join(self, name: str, *, is_guest: bool = False) -> Process:
        one = Process(self.world, name, self.cap, epoch=float(len(self.members)), is_guest=is_guest)
        one.whole_beat()
        self.members.append(one)
        return one

    def pass_beats(self, beats: int, work: Callable[[Process], object] | None = None) -> None:
        for _ in range(beats):
            self.world.now += BEAT_SECONDS
            for one in self.members:
                if one.state is State.RUNS:
                    one.whole_beat()
                    if work is not None:
                        work(one)
            assert sum(one.may_have for one in self.members) <= self.cap

    @property
    def limits(self) -> list[int]:
        return [one.membership.limit for one in self.members if one.state is State.RUNS]


def test_newcomer_gets_its_share_as_others_give_back() -> None:
    """A newcomer has an even share two beats after it came, when requests are short."""
    fleet = Fleet(12, ["a"])
    fleet.pass_beats(1)
    assert fleet.limits == [12]
    for name in "bcd":
        fleet.join(name)
    fleet.pass_beats(3)
    assert fleet.limits == [3, 3, 3, 3]


def test_share_goes_down_only_as_requests_end() -> None:
    """What is in flight stays a member's own: it gives back the rest now, and that when it has ended."""
    fleet = Fleet(4, ["a"])
    fleet.pass_beats(1)
    first = fleet.members[0]
    for _ in range(3):
        first.send(DEADLINE_SECONDS)
    second = fleet.join("b")
    fleet.pass_beats(3)
    assert (first.membership.share, first.membership.limit) == (3, 2)
    assert (second.membership.share, second.membership.limit) == (1, 1)
    assert not first.send(1.0)
    fleet.pass_beats(6)
    assert fleet.limits == [2, 2]


def test_dead_share_is_kept_until_its_requests_must_have_ended() -> None:
    """A share is free three beats and a request's deadline after the last beat of its member, and not before."""
    fleet = Fleet(4, ["a", "b"])
    fleet.pass_beats(3)
    dead = fleet.members[0]
    dead.send(DEADLINE_SECONDS)
    dead.state = State.DEAD
    fleet.pass_beats(3 + int(DEADLINE_SECONDS) - 1)
    assert fleet.limits == [2]
    fleet.pass_beats(3)
    assert fleet.limits == [4]
    assert list(fleet.world.row.members) == ["b"]


def test_dead_share_is_free_at_once_where_the_death_is_sure() -> None:
    """Where the system says that a process is gone, three beats of silence are enough."""
    fleet = Fleet(4, ["a", "b"])
    fleet.pass_beats(3)
    dead, witness = fleet.members
    dead.state = State.DEAD
    witness.dead.add("a")
    witness.knows_deaths = True
    fleet.pass_beats(5)
    assert fleet.limits == [4]


def test_clean_leave_frees_at_once() -> None:
    """Who leaves without a request in flight leaves its share to the others with the same write."""
    fleet = Fleet(4, ["a", "b"])
    fleet.pass_beats(3)
    fleet.members[0].leave()
    assert list(fleet.world.row.members) == ["b"]
    fleet.pass_beats(1)
    assert fleet.limits == [4]


def test_share_without_work_goes_back_and_comes_again() -> None:
    """Two beats without work: the others get what was not used. Work again: an even share again."""
    fleet = Fleet(12, ["a", "b"])
    fleet.pass_beats(3)
    idle = fleet.members[1]
    idle.is_busy = False
    fleet.pass_beats(5)
    assert fleet.limits == [11, 1]
    idle.is_busy = True
    fleet.pass_beats(3)
    assert fleet.limits == [6, 6]


@pytest.mark.parametrize(("cap", "count"), [(1, 2), (1, 5), (2, 5), (3, 16), (12, 16)])
def test_share_of_zero_is_not_for_ever(cap: int, count: int) -> None:
    """More workers than requests allowed: each gets its turn as often as any other, and the cap is in use."""
    fleet = Fleet(cap, [f"w{n:02}" for n in range(count)])
    had = dict.fromkeys((one.name for one in fleet.members), 0)
    in_use = []

    def work(one: Process) -> None:
        had[one.name] += one.membership.limit
        one.send(0.9)

    for _ in range(max(150, 12 * count)):
        fleet.pass_beats(1, work)
        in_use.append(sum(fleet.limits))
    assert min(had.values()) > 0
    assert max(had.values()) <= 1.5 * min(had.values()) + 2 * BUSY_TURN_BEATS
    assert sum(in_use) >= 0.9 * cap * len(in_use)


def test_turn_passes_while_work_never_pauses() -> None:
    """A member whose gate is always full gives its only place up when its request ends, and the next gets it."""
    fleet = Fleet(1, ["a", "b"])
    sent = {"a": 0, "b": 0}

    def work(one: Process) -> None:
        sent[one.name] += one.send(2.5)

    fleet.pass_beats(200, work)
    assert min(sent.values()) >= 0.4 * max(sent.values())


def test_idle_share_goes_from_hand_to_hand() -> None:
    """Workers without work look for some in turn: nobody waits for a share for ever."""
    fleet = Fleet(4, ["busy", *(f"idle{n}" for n in range(6))])
    for one in fleet.members[1:]:
        one.is_busy = False
    looked = set()
    for _ in range(40):
        fleet.pass_beats(1)
        looked |= {one.name for one in fleet.members if one.membership.limit}
        assert fleet.members[0].membership.limit >= 1
    assert looked == {one.name for one in fleet.members}


def test_newcomer_is_not_starved() -> None:
    """A newcomer among as many old members as there are places gets one within a turn and some beats."""
    fleet = Fleet(2, ["a", "b"])
    fleet.pass_beats(500, lambda one: one.send(0.9))
    newcomer = fleet.join("c")
    had = []
    for _ in range(BUSY_TURN_BEATS + 4):
        fleet.pass_beats(1, lambda one: one.send(0.9))
        had.append(newcomer.membership.limit)
    assert max(had) == 1


def test_lower_cap_rules() -> None:
    """Of two caps that members know the lower one counts, as soon as the requests in flight allow."""
    fleet = Fleet(8, ["a"])
    fleet.pass_beats(1)
    fleet.members.append(Process(fleet.world, "b", 3, epoch=0.0))
    fleet.pass_beats(4)
    assert sum(fleet.limits) == 3


def test_a_member_that_fell_silent_is_no_living_one() -> None:
    """It stands in the row until its requests have surely ended."""
    fleet = Fleet(8, ["a", "b"])
    first, second = fleet.members
    second.state = State.DEAD
    fleet.pass_beats(SILENT_BEATS)
    assert len(first.membership.living(fleet.world.row)) == 2
    fleet.pass_beats(2)
    assert fleet.world.row.members.keys() == {"a", "b"}
    assert len(first.membership.living(fleet.world.row)) == 1
