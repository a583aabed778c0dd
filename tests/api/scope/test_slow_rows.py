"""Rows that cost: many members beat rarely, never above the cap, and still hear of a pause (G5)."""

from __future__ import annotations

import asyncio
import math
import random
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import structs

from haulier.api.http.transport import NO_HEADERS, Response
from haulier.api.limits.breaker import Breaker, State
from haulier.api.limits.budget import UNLIMITED, run_quota
from haulier.api.limits.pacer import Pacer
from haulier.api.limits.schedule import parse_schedule
from haulier.api.scope.changes import with_hold, with_pause_lifted
from haulier.api.scope.health import Health
from haulier.api.scope.membership import SILENT_BEATS, STALE_BEATS
from haulier.api.scope.metronome import BURST_BEATS, LEAST_BEAT_PART, RETRIES_PER_BEAT, Metronome
from haulier.api.scope.orders import Hold
from haulier.api.scope.rhythm import BEAT_SECONDS, MAX_READ_SECONDS, Rhythm, fleet_rhythm, operations_now
from haulier.api.scope.row import Member, ScopeRow
from haulier.api.scope.scope import LEAVE_SECONDS
from haulier.cli.api_state import api_lines, api_state
from haulier.clock import wall_seconds
from haulier.errors import UsageError
from tests.api.scope.fleet import Process, World
from tests.api.scope.slow_fleet import DEADLINE_SECONDS, OPERATIONS_PER_SECOND, REQUEST_SECONDS, SlowFleet, slow_fleet
from tests.harness.virtual_time import VirtualTime

IN_FLIGHT = 12
TICK_SECONDS = 1.0
SETTLING_SECONDS = 180.0


def row_of(members: int, *, holders: int = IN_FLIGHT, share: int = 1) -> ScopeRow:
    return ScopeRow(
        members={
            f"w{number:03}": Member(
                beats=1,
                share=share if number < holders else 0,
                in_flight=IN_FLIGHT,
                wants=number < holders,
                turns=0,
                keep_seconds=1.0,
                beat_at=100.0,
            )
            for number in range(members)
        }
    )


async def until_heard(fleet: SlowFleet, seconds: float) -> float:
    """One member pauses all; returns when the last one that sends knows."""
    time, (first, *others) = fleet.time, fleet.senders
    began_at = time.monotonic()
    await first.scope.pause(seconds)
    while any(one.scope.pause_seconds_left == 0.0 for one in others):
        await asyncio.sleep(0.1)
    return time.monotonic() - began_at


@pytest.mark.parametrize("members", [1, 4, 12, 50])
def test_g5_a_fleet_costs_two_operations_a_second_and_never_sends_more_than_it_may(members: int) -> None:
    time = VirtualTime()

    async def main() -> None:
        async with slow_fleet(time, members, IN_FLIGHT) as fleet:
            await asyncio.sleep(SETTLING_SECONDS)
            served = fleet.api.served
            assert await fleet.operations_in(300.0) <= 1.25 * OPERATIONS_PER_SECOND
            # A request takes a second, and a worker looks for the next item four times a second.
            assert fleet.api.served - served >= 0.8 * IN_FLIGHT * 300.0
            assert fleet.api.peak == IN_FLIGHT

    time.run(main())


@pytest.mark.parametrize("members", [4, 12, 50])
def test_g5_a_pause_is_heard_by_all_that_send_within_a_few_seconds(members: int) -> None:
    time = VirtualTime()

    async def main() -> None:
        async with slow_fleet(time, members, IN_FLIGHT) as fleet:
            await asyncio.sleep(SETTLING_SECONDS)
            for _ in range(3):
                read_seconds = fleet_rhythm(fleet.row, OPERATIONS_PER_SECOND, BEAT_SECONDS).read_seconds
                assert await until_heard(fleet, 20.0) <= read_seconds + 2 * TICK_SECONDS
                await asyncio.sleep(45.0)
            assert fleet.api.peak == IN_FLIGHT

    time.run(main())


def test_g5_a_hold_and_its_end_are_heard_by_all_that_send_within_a_few_seconds() -> None:
    time = VirtualTime()

    async def main() -> None:
        async with slow_fleet(time, 12, IN_FLIGHT) as fleet:
            await asyncio.sleep(SETTLING_SECONDS)
            await fleet.order(lambda row: with_hold(row, Hold(by="ann@host", since=1.0)))
            await asyncio.sleep(MAX_READ_SECONDS + 2.0)
            served = fleet.api.served
            await asyncio.sleep(600.0)
            assert fleet.api.served == served
            await fleet.order(lambda row: with_pause_lifted(row, wall_seconds(time)))
            await asyncio.sleep(2 * MAX_READ_SECONDS)
            assert fleet.api.served > served
            assert fleet.api.peak == IN_FLIGHT

    time.run(main())


@pytest.mark.parametrize("fast_seconds", [-60.0, 60.0])
def test_g5_a_pause_is_heard_on_a_machine_whose_clock_is_wrong(fast_seconds: float) -> None:
    """Its own is heard as well, and hides none of those that come after it."""
    time = VirtualTime()

    async def main() -> None:
        async with slow_fleet(time, 3, IN_FLIGHT) as fleet:
            wrong = fleet.join(fast_seconds)
            await asyncio.sleep(SETTLING_SECONDS)
            right = fleet.members[0]
            for one, other in ((right, wrong), (wrong, right), (right, wrong)):
                await one.scope.pause(20.0)
                await asyncio.sleep(MAX_READ_SECONDS)
                assert other.scope.pause_seconds_left == pytest.approx(20.0 - MAX_READ_SECONDS, abs=1.0)
                await asyncio.sleep(45.0)

    time.run(main())


def test_g5_the_time_of_the_row_goes_by_the_foremost_clock() -> None:
    """Else each pair of beats by two machines would count how far their clocks are apart."""
    world = World()
    right, fast = Process(world, "right", 2, 0.0), Process(world, "fast", 2, 0.0)
    right.rhythm = fast.rhythm = Rhythm(8.0, 10.0, 2.0)
    right.whole_beat()
    began_at = world.row.time
    for _ in range(20):
        world.now += 4.0
        right.whole_beat()
        world.now += 4.0
        world.wall_offset += 30.0
        fast.whole_beat()
        world.wall_offset -= 30.0
    assert world.row.time - began_at == 160.0 + 30.0


def test_g5_the_share_of_a_dead_member_is_free_once_its_requests_must_have_ended() -> None:
    """On another machine nobody sees that it died: three of its beats and the deadline have to pass, and no more than a
    read and a beat of who takes it."""
    time = VirtualTime()

    async def main() -> None:
        async with slow_fleet(time, 12, IN_FLIGHT) as fleet:
            await asyncio.sleep(SETTLING_SECONDS)
            beat_seconds = fleet_rhythm(fleet.row, OPERATIONS_PER_SECOND, BEAT_SECONDS).beat_seconds
            newcomer = fleet.join()
            await asyncio.sleep(60.0)
            assert not newcomer.scope.share  # There is one place for each of the twelve.
            died_at = time.monotonic()
            await fleet.kill(fleet.members[0])
            while not newcomer.scope.share:
                await asyncio.sleep(1.0)
                assert fleet.api.in_flight <= IN_FLIGHT
            seconds = time.monotonic() - died_at
            assert seconds > DEADLINE_SECONDS + STALE_BEATS * beat_seconds * LEAST_BEAT_PART
            assert seconds <= DEADLINE_SECONDS + (SILENT_BEATS + 1) * beat_seconds + 2 * MAX_READ_SECONDS

    time.run(main())


def test_g5_a_newcomer_has_its_share_after_two_reads_and_a_request() -> None:
    time = VirtualTime()

    async def main() -> None:
        async with slow_fleet(time, 4, IN_FLIGHT) as fleet:
            await asyncio.sleep(SETTLING_SECONDS)
            for _ in range(3):
                newcomer = fleet.join()
                while newcomer.scope.pause_seconds_left or not fleet.knows(newcomer):
                    await asyncio.sleep(0.1)
                joined_at = time.monotonic()
                while not newcomer.last_sent_at:
                    await asyncio.sleep(0.1)
                assert time.monotonic() - joined_at <= 2 * MAX_READ_SECONDS + 1.5 * REQUEST_SECONDS + TICK_SECONDS
                await asyncio.sleep(60.0)
            assert fleet.api.peak == IN_FLIGHT

    time.run(main())


def test_g5_beats_follow_the_number_of_members_up_and_down() -> None:
    """Many join one that was alone, and leave again: nobody is taken for dead, and nothing is sent above the cap."""
    time = VirtualTime()

    async def main() -> None:
        async with slow_fleet(time, 1, IN_FLIGHT) as fleet:
            await asyncio.sleep(60.0)
            assert fleet.members[0].scope.share == IN_FLIGHT
            for _ in range(30):
                fleet.join()
            await asyncio.sleep(SETTLING_SECONDS)
            assert len(fleet.row.members) == 31
            assert len(fleet.senders) >= IN_FLIGHT - 1
            assert await fleet.operations_in(300.0) <= 1.25 * OPERATIONS_PER_SECOND
            for member in fleet.members[1:]:
                await fleet.leave(member)
            await asyncio.sleep(2 * MAX_READ_SECONDS)
            assert list(fleet.row.members) == ["w001"]
            assert fleet.members[0].scope.share == IN_FLIGHT
            assert await fleet.operations_in(60.0) <= 0.7
            assert fleet.api.peak == IN_FLIGHT

    time.run(main())


def test_g5_what_is_free_goes_to_who_comes_first() -> None:
    """Eighteen wait for one of twelve places, and each looks for one every three minutes."""
    time = VirtualTime()

    async def main() -> None:
        async with slow_fleet(time, 30, IN_FLIGHT) as fleet:
            await asyncio.sleep(SETTLING_SECONDS)
            await asyncio.gather(*[fleet.leave(member) for member in fleet.senders[:4]])
            await asyncio.sleep(60.0)
            assert sum(one.scope.share for one in fleet.members) == IN_FLIGHT
            assert fleet.api.peak == IN_FLIGHT

    time.run(main())


def test_g5_no_member_sends_for_longer_than_two_beats_without_the_store() -> None:
    time = VirtualTime()

    async def main() -> None:
        async with slow_fleet(time, 4, IN_FLIGHT) as fleet:
            await asyncio.sleep(200.0)
            beat_seconds = fleet_rhythm(fleet.row, OPERATIONS_PER_SECOND, BEAT_SECONDS).beat_seconds
            fleet.is_store_away = True
            away_at = time.monotonic()
            await asyncio.sleep(120.0)
            assert fleet.api.in_flight == 0
            assert max(one.last_sent_at for one in fleet.members) - away_at <= STALE_BEATS * beat_seconds
            fleet.is_store_away = False
            await asyncio.sleep(beat_seconds / RETRIES_PER_BEAT + 2 * TICK_SECONDS)
            assert fleet.senders
            await asyncio.sleep(2 * MAX_READ_SECONDS)  # The first to come back had the others for dead.
            assert [one.scope.share for one in fleet.members] == [3, 3, 3, 3]
            assert fleet.api.peak == IN_FLIGHT

    time.run(main())


def test_g5_a_cap_that_falls_is_obeyed_at_the_next_read() -> None:
    """Twelve hold one place each at half past ten, when two are left for all of them. Their beats are 48 s apart."""
    time = VirtualTime(datetime(2026, 11, 23, 22, 25, tzinfo=UTC))
    caps = parse_schedule({"default": IN_FLIGHT, "22:30-23:30": 2, "zone": "UTC"})

    async def main() -> None:
        async with slow_fleet(time, 12, caps) as fleet:
            await asyncio.sleep(300.0 - 1.0)
            assert fleet.api.in_flight > 6
            await asyncio.sleep(1.0 + MAX_READ_SECONDS + 2 * TICK_SECONDS + 1.5 * REQUEST_SECONDS)
            served = fleet.api.served
            for _ in range(60):
                assert fleet.api.in_flight <= 2
                await asyncio.sleep(1.0)
            assert fleet.api.served - served >= 60
            await asyncio.sleep(60.0)
            assert await fleet.operations_in(60.0) <= 1.5 * OPERATIONS_PER_SECOND

    time.run(main())


def test_g4_a_success_told_long_ago_is_no_fresh_one() -> None:
    """A member without a share looks every six minutes."""
    health = Health(is_slow=True)
    health.see(ScopeRow(successes=5, last_success_at=1_000.0), 1_000.0, 0.0)
    row = ScopeRow(successes=9, last_success_at=1_010.0, success_age_seconds=2.0)
    health.see(row, 1_385.0, 385.0)
    assert not health.is_fresh(385.0)
    health.see(structs.replace(row, successes=10), 1_390.0, 390.0)
    assert health.is_fresh(390.0)


def test_g4_a_success_told_late_hides_no_later_one() -> None:
    world = World()
    first, second = Process(world, "first", 2, 0.0), Process(world, "second", 2, 0.0)
    first.rhythm = second.rhythm = Rhythm(48.0, 48.0, 7.0)
    world.now = 100.0
    for process, age_seconds in ((first, 2.0), (second, 50.0)):
        process.begin()
        assert process.beat is not None
        process.beat = replace(process.beat, had_success=True, success_age_seconds=age_seconds)
        process.commit()
        process.adopt()
    assert world.row.last_success_at == world.wall - 2.0
    assert (world.row.successes, world.row.success_age_seconds) == (1, 2.0)


def test_requests_that_are_refused_together_write_their_pause_once() -> None:
    time = VirtualTime()

    async def main() -> None:
        async with slow_fleet(time, 1, IN_FLIGHT) as fleet:
            await asyncio.sleep(SETTLING_SECONDS)
            (member,) = fleet.members
            versions = [fleet.store.objects[fleet.settings.name][0]]
            for _ in range(IN_FLIGHT):
                await member.scope.pause(20.0)
                versions.append(fleet.store.objects[fleet.settings.name][0])
            assert versions[1] == versions[0] + 1
            assert versions[-1] <= versions[1] + 2  # A beat, and a pause that ends half a second later.
            assert fleet.row.pause_until >= time.now().timestamp() + 19.0

    time.run(main())


@pytest.mark.parametrize("is_beating", [False, True])
def test_who_leaves_does_not_wait_for_a_store_that_hangs(is_beating: bool) -> None:
    time = VirtualTime()

    async def main() -> None:
        async with slow_fleet(time, 2, IN_FLIGHT) as fleet:
            await asyncio.sleep(SETTLING_SECONDS)
            fleet.store_seconds = 600.0
            scope = fleet.members[0].scope
            if is_beating:
                await asyncio.sleep(fleet_rhythm(fleet.row, OPERATIONS_PER_SECOND, BEAT_SECONDS).beat_seconds)
            left_at = time.monotonic()
            await scope.leave()
            assert time.monotonic() - left_at <= LEAVE_SECONDS
            assert (scope.share, scope.was_last) == (0, False)

    time.run(main())


def test_g4_a_witness_is_waited_for_as_long_as_others_beat() -> None:
    """Without one an item's own request is the probe, and a bad item may be the cause."""
    world = World()
    with_witness, without = Process(world, "with", 2, 0.0), Process(world, "without", 2, 0.0)
    with_witness.rhythm = without.rhythm = Rhythm(48.0, 48.0, 7.0)
    for _ in range(2):
        with_witness.whole_beat()
        without.whole_beat()
    doubt = Breaker(state=State.SUSPECT, probe_at=world.row.time)
    world.row = structs.replace(world.row, breaker=doubt)
    for seconds in (7.0, 40.0, 49.0):
        world.now = seconds
        without.begin()
        assert without.beat is not None
        without.beat = replace(without.beat, can_probe=True)
        without.commit()
        without.adopt()
        assert (world.row.breaker.prober == "without") == (seconds > 48.0)


def test_g5_a_lower_cap_that_one_member_tells_is_obeyed_at_the_next_read_of_the_others() -> None:
    world = World()
    members = [Process(world, f"m{number}", 4, 0.0) for number in range(4)]
    for one in members:
        one.rhythm = Rhythm(48.0, 48.0, 7.0)
    for _ in range(3):
        for one in members:
            one.whole_beat()
    assert [one.membership.limit for one in members] == [1, 1, 1, 1]
    first = members[0].membership
    first.identity = replace(first.identity, in_flight=2)
    members[0].whole_beat()
    world.now += 7.0
    for one in members:
        one.look()
    assert sum(one.membership.limit for one in members) <= 2


def test_g5_a_row_that_was_removed_is_noticed_at_the_next_read() -> None:
    """By hand, or by a policy of the store. The first member to beat finds the whole cap free."""
    time = VirtualTime()

    async def main() -> None:
        async with slow_fleet(time, 12, 2 * IN_FLIGHT) as fleet:
            await asyncio.sleep(SETTLING_SECONDS)
            del fleet.store.objects[fleet.settings.name]
            while fleet.settings.name not in fleet.store.objects:
                await asyncio.sleep(0.1)
            await asyncio.sleep(MAX_READ_SECONDS + 2 * TICK_SECONDS + 1.5 * REQUEST_SECONDS)
            for _ in range(120):
                assert fleet.api.in_flight <= 2 * IN_FLIGHT
                await asyncio.sleep(1.0)
            assert [one.scope.share for one in fleet.members] == [2] * 12

    time.run(main())


def test_g5_a_declared_pace_is_shared_with_a_newcomer_before_the_next_beat() -> None:
    time = VirtualTime()

    async def main() -> None:
        async with slow_fleet(time, 12, 2 * IN_FLIGHT, rate="20/s") as fleet:
            await asyncio.sleep(SETTLING_SECONDS)
            served = fleet.api.served
            assert await fleet.operations_in(120.0) <= 1.25 * OPERATIONS_PER_SECOND
            assert 0.9 * 19 * 120 <= fleet.api.served - served <= 20 * 120
            newcomer = fleet.join()
            await asyncio.sleep(5.0 + 3 * MAX_READ_SECONDS)
            assert fleet.row.members[newcomer.name].rate >= 0.5 * 19 / 13
            assert sum(one.rate for one in fleet.row.members.values()) <= 19.01
            served = fleet.api.served
            await asyncio.sleep(120.0)
            assert fleet.api.served - served <= 20 * 120

    time.run(main())


def test_g5_a_run_whose_requests_are_spent_sends_no_more_and_says_so_within_a_minute() -> None:
    time = VirtualTime()

    async def main() -> None:
        async with slow_fleet(time, 12, IN_FLIGHT, max_requests=1_000) as fleet:
            while fleet.api.served < 1_000:
                await asyncio.sleep(1.0)
            await asyncio.sleep(60.0)
            assert all(isinstance(one.scope.refusal, UsageError) for one in fleet.members)
            assert fleet.api.served == 1_000

    time.run(main())


def test_g5_a_run_is_not_spent_while_another_worker_may_bring_requests_back() -> None:
    """Four beats of a member that has none left pass within seconds; another one's beat is 48 s away."""
    quota = run_quota("run", 100)
    pacer, row_has_none = Pacer(), {quota: 0}
    pacer.add(quota)
    for now in (0.0, 1.0, 2.0, 3.0, 4.0, 10.0, 47.0):
        pacer.adopt(UNLIMITED, {}, row_has_none, now, others_hold_seconds=48.0)
        assert pacer.find_spent() is None
    pacer.adopt(UNLIMITED, {quota.key: 1}, row_has_none, 47.5, others_hold_seconds=48.0)
    pacer.note_sent(47.5)
    for now in (48.0, 49.0, 50.0, 51.0, 95.0):
        pacer.adopt(UNLIMITED, {}, row_has_none, now, others_hold_seconds=48.0)
        assert pacer.find_spent() is None
    pacer.adopt(UNLIMITED, {}, row_has_none, 96.0, others_hold_seconds=48.0)
    assert pacer.find_spent() == quota


def test_no_request_of_a_run_is_held_by_who_does_not_send() -> None:
    """Six of twelve have no work any more. Their beats are 48 s apart."""
    time = VirtualTime()

    async def main() -> None:
        async with slow_fleet(time, 12, IN_FLIGHT, max_requests=400) as fleet:
            await asyncio.sleep(20.0)
            for member in fleet.senders[:6]:
                member.is_draining = True
            while fleet.api.served < 400:
                await asyncio.sleep(1.0)
                assert time.monotonic() - fleet.began_at <= 150.0

    time.run(main())


def test_g5_who_is_refused_as_in_an_outage_reads_at_once() -> None:
    """It hears of the others' pause within a second, whenever its next read would be."""
    time = VirtualTime()

    async def main() -> None:
        async with slow_fleet(time, 12, IN_FLIGHT) as fleet:
            await asyncio.sleep(SETTLING_SECONDS)
            first, second, *_ = fleet.senders
            await first.scope.pause(60.0)
            second.scope.note_failure(Response(503, NO_HEADERS, b""))
            await asyncio.sleep(TICK_SECONDS + 0.1)
            assert second.scope.pause_seconds_left > 50.0

    time.run(main())


def test_g5_a_member_that_beats_slowly_is_not_taken_for_dead_by_one_that_beats_fast() -> None:
    world = World()
    slow, fast = Process(world, "slow", 2, 0.0), Process(world, "fast", 2, 0.0)
    slow.rhythm = Rhythm(4.0, 4.0, 1.0)
    for _ in range(3):
        slow.whole_beat()
        fast.whole_beat()
    assert [slow.membership.limit, fast.membership.limit] == [1, 1]
    for _ in range(8):
        world.now += 1.0
        fast.whole_beat()
    slow.fill()  # Its requests last for six seconds.
    assert slow.in_flight == 1
    while fast.membership.limit == 1:
        world.now += 1.0
        fast.whole_beat()
        assert ("slow" in fast.membership.silent) == (world.now > SILENT_BEATS * 4.0)
    assert slow.in_flight == 0


def test_a_member_beats_out_of_turn_a_few_times_and_then_as_often_as_it_reads() -> None:
    metronome = Metronome(BEAT_SECONDS, OPERATIONS_PER_SECOND, random.Random(1))
    metronome.see(row_of(12), 0.0)
    now = 0.0
    for _ in range(100):
        now += metronome.seconds_to_turn(now)
    assert now == pytest.approx((100 - 1 - BURST_BEATS) * MAX_READ_SECONDS)


def test_where_operations_cost_nothing_beats_and_reads_are_as_often_as_ever() -> None:
    metronome = Metronome(BEAT_SECONDS, None, random.Random(1))
    metronome.see(row_of(50), 0.0)
    assert metronome.rhythm == Rhythm(1.0, 1.0, 0.2)
    assert metronome.seconds_to_beat(99.0, has_share=True, has_spare=False, is_cut_off=False) == 1.0
    assert metronome.seconds_to_turn(0.0) == 0.0


def test_the_table_of_the_page_is_what_the_rhythm_says() -> None:
    page = Path("docs/politeness.md").read_text(encoding="utf-8").partition("## Rows that cost")[2]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in re.findall(r"^\| [0-9].*\|$", page, re.M)][:5]
    found = []
    for members, holders in ((1, 1), (4, 4), (12, 12), (50, 12), (50, 50)):
        row = row_of(members, holders=holders)
        rhythm = fleet_rhythm(row, OPERATIONS_PER_SECOND, BEAT_SECONDS)
        operations = operations_now(row, OPERATIONS_PER_SECOND, BEAT_SECONDS)
        has_company, has_others = members > 1, members > holders
        found.append(
            [
                f"{members}, all with a share" if members == holders == 50 else str(members),
                f"{rhythm.beat_seconds:g} s",
                f"{rhythm.read_seconds:.2g} s" if has_company else "",
                f"{rhythm.quiet_beat_seconds:g} s" if has_others else "",
                f"{operations:.2f}",
                f"{math.ceil(rhythm.read_seconds + 0.5):g} s" if has_company else "",
                f"{SILENT_BEATS * rhythm.beat_seconds + 310:g} s" if has_company else "",
            ]
        )
    assert rows == found


def test_status_says_what_the_scope_costs() -> None:
    row = row_of(50)
    state = api_state(row, 100.0, OPERATIONS_PER_SECOND)
    assert (state.row_operations_per_second, state.beat_seconds) == (2.16, 48.0)
    assert api_lines(state)[-1] == (
        "  scope    about 2.2 storage operations a second: 50 workers, each of which beats every 48 s while it may send"
    )
    assert len(api_lines(api_state(row, 100.0))) == 1


def test_status_counts_a_worker_that_beats_rarely() -> None:
    members = {name: structs.replace(one, beat_seconds=380.0) for name, one in row_of(3).members.items()}
    assert api_state(ScopeRow(members=members), 800.0, OPERATIONS_PER_SECOND).workers == 3
    assert api_state(ScopeRow(members=members), 900.0, OPERATIONS_PER_SECOND).row_operations_per_second is None


def test_who_shows_progress_asks_for_nothing() -> None:
    """Each of fifty workers shows what it does every few seconds."""
    time = VirtualTime()

    async def main() -> None:
        async with slow_fleet(time, 2, IN_FLIGHT) as fleet:
            await asyncio.sleep(SETTLING_SECONDS)
            before = fleet.store.operations
            rows = [await fleet.members[0].scope.known_row() for _ in range(100)]
            assert fleet.store.operations == before
            assert set(rows[-1].members) == {"w001", "w002"}

    time.run(main())
