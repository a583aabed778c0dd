"""Rows that cost: many members beat rarely, never above the cap, and still hear of a pause (G5)."""

from __future__ import annotations

import asyncio

import pytest

from haulier.api.scope.rhythm import BEAT_SECONDS, fleet_rhythm
from haulier.api.scope.row import Member, ScopeRow
from tests.api.scope.slow_fleet import OPERATIONS_PER_SECOND, SlowFleet, slow_fleet
from tests.harness.virtual_time import VirtualTime

IN_FLIGHT = 12
TICK_SECONDS = 1.0
SETTLING_SECONDS = 240.0


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
            assert await fleet.operations_in(600.0) <= 1.25 * OPERATIONS_PER_SECOND
            # A request takes a second, and a worker looks for the next item four times a second.
            assert fleet.api.served - served >= 0.8 * IN_FLIGHT * 600.0
            assert fleet.api.peak == IN_FLIGHT

    time.run(main())


@pytest.mark.parametrize("members", [4, 12, 50])
def test_g5_a_pause_is_heard_by_all_that_send_within_a_few_seconds(members: int) -> None:
    time = VirtualTime()

    async def main() -> None:
        async with slow_fleet(time, members, IN_FLIGHT) as fleet:
            await asyncio.sleep(SETTLING_SECONDS)
            for _ in range(5):
                read_seconds = fleet_rhythm(fleet.row, OPERATIONS_PER_SECOND, BEAT_SECONDS).read_seconds
                assert await until_heard(fleet, 20.0) <= read_seconds + 2 * TICK_SECONDS
                await asyncio.sleep(90.0)
            assert fleet.api.peak == IN_FLIGHT

    time.run(main())
