"""What was answered before a worker began, as the witness of its first failures (G4)."""

from __future__ import annotations

import pytest

from haulier.errors import RunSpentError
from haulier.worker.done_item_probe import PROBE_INTERVAL_SECONDS
from tests.harness.cuts.calls import Cuts
from tests.harness.things import things
from tests.worker.rig import Rig

GOOD, BAD = things(1, 4), things(10)


@pytest.mark.parametrize("status", [500, 503, 404])
async def test_g4_an_item_is_to_blame_where_one_that_is_done_is_answered(rig: Rig, status: int) -> None:
    """No request of this process has succeeded. One that did before is sent again, and works: the failure counts."""
    run = await rig.run(GOOD, BAD)
    async with rig.hand() as hand:
        await hand.work()
    rig.api.statuses = {10: status}
    rig.api.requests.clear()
    async with rig.hand() as hand:
        await rig.while_time_passes(hand.attempt(await hand.take()))
        assert rig.api.requests.count(1) == 1
        if status == 404:
            assert (rig.message.failures, rig.message.releases) == (1, 0)
            rig.turn(60)
            await rig.while_time_passes(hand.attempt(await hand.take()))
        await hand.settle()
    if status == 404:
        assert [path.rpartition("/")[2] for path in rig.files(run, "poison/**/*.json")] == ["1.json"]
    else:
        assert (rig.message.failures, rig.message.releases) == (1, 0)


@pytest.mark.parametrize(("status", "stops"), [(500, False), (503, False), (404, True), (403, True)])
async def test_g4_nobody_is_to_blame_where_that_fails_too(rig: Rig, status: int, *, stops: bool) -> None:
    """The API is down, or refuses everybody: uncharged. Where a person has to look, the worker stops with code 2."""
    run = await rig.run(GOOD, BAD)
    async with rig.hand() as hand:
        await hand.work()
    rig.api.statuses = {1: status, 10: status}
    async with rig.hand() as hand:
        await rig.while_time_passes(hand.attempt(await hand.take()))
        assert (rig.message.failures, rig.message.releases) == (0, 1)
        assert hand.stop.code == 0, "a server that starts anew refuses everybody for a moment"
        if stops:
            await rig.while_time_passes(hand.attempt(await hand.take()))
            assert (rig.message.failures, rig.message.releases) == (0, 2)
        assert rig.files(run, "poison/**/*.json") == []
        assert (hand.stop.code == 2) is stops


async def test_it_is_asked_once_a_minute(rig: Rig) -> None:
    """Twenty items that fail together ask for it once; a minute later it may be another answer."""
    run = await rig.run(GOOD, BAD)
    async with rig.hand() as hand:
        await hand.work()
    rig.api.statuses = {1: 503}
    async with rig.hand() as hand:
        probe = hand.state.probe
        rig.api.requests.clear()
        first = await rig.while_time_passes(probe.action(run))
        assert first is not None
        assert await probe.action(run) == first
        sent = len(rig.api.requests)
        assert 1 <= sent <= 5
        rig.turn(PROBE_INTERVAL_SECONDS)
        rig.api.statuses = {}
        await rig.while_time_passes(probe.action(run))
        assert len(rig.api.requests) == sent + 1
        assert hand.deps.client.scope.has_witness


async def test_a_run_without_a_done_item_has_no_such_witness(rig: Rig) -> None:
    """And is not searched for one again with each failure."""
    run, cuts = await rig.run(BAD), Cuts()
    async with rig.hand(cuts=cuts) as hand:
        assert await hand.state.probe.action(run) is None
        looked = len(cuts.calls)
        assert looked > 0
        assert await hand.state.probe.action(run) is None
        assert len(cuts.calls) == looked
    assert rig.api.requests == []


async def test_a_run_that_may_send_nothing_more_says_so_and_looks_nothing_up(rig: Rig) -> None:
    """That says nothing of the API. Its items come again and again, each as one that may have ended elsewhere; the lake
    is not asked each time."""
    rig.max_requests = 1
    run, cuts = await rig.run(GOOD, BAD), Cuts()
    async with rig.hand(cuts=cuts) as hand:
        for _ in range(2):
            await rig.while_time_passes(hand.attempt(await hand.take()))
        assert list(hand.state.spent) == [run.run_id]
        with hand.deps.client.scope.working_for(run.run_id), pytest.raises(RunSpentError):
            await rig.while_time_passes(hand.state.probe.action(run))
        rig.turn(60)
        again = await hand.take()
        assert again is not None
        assert again.lease.deliveries == 2
        known = len(cuts.calls)
        await rig.while_time_passes(hand.attempt(again))
        assert cuts.calls[known:].count("LocalLake.adopt") == 0
        await hand.settle()
    assert (rig.message.releases, rig.message.failures, rig.api.requests) == (2, 0, [1])
