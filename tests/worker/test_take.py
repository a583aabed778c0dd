"""P3: what a message comes to by the state of its run; and messages that cannot be read, or not here (G8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from haulier.lake.paths import RunPaths
from haulier.queues.envelope import decode, encode
from haulier.runs.plan import plan_item
from haulier.runs.records import OpenedRecord, encode_record
from haulier.runs.send import envelope_of
from haulier.sources.context import Context
from haulier.testing.clock import FakeClock
from haulier.testing.proxy.rules import FaultRule
from haulier.worker.blame import UNKNOWN_SECONDS
from haulier.worker.outcome import GIVE_UP_SECONDS
from tests.harness.things import SOURCE, Things, things
from tests.queues.azure.service import served
from tests.worker.rig import Others, Rig

ITEM = things(1, 4)
UNKNOWN = RunPaths(SOURCE, "full-20200101T000000Z", "full", datetime(2020, 1, 1, tzinfo=UTC))


async def test_p3_a_message_of_a_closed_run_is_completed_unworked(rig: Rig) -> None:
    """Whatever it says: after the verdict nothing of a run is worked."""
    run = await rig.run(ITEM)
    await rig.closer.end(run, "cancelled")
    async with rig.hand() as hand:
        assert await hand.work()
    assert rig.messages == []
    assert rig.api.requests == []
    assert rig.objects() == []


async def test_p3_a_message_of_a_closing_run_is_released_marked(rig: Rig) -> None:
    """With a short delay: soon the closing is over, and shows what the message comes to."""
    run = await rig.run(ITEM)
    opened = OpenedRecord(number=1, by="closer", opened_at=rig.clock.now())
    await rig.lake.create(run.paths.closing(1, "opened"), encode_record(opened))
    async with rig.hand() as hand:
        await hand.work()
    assert (rig.message.resent, rig.message.releases, rig.message.failures) == (True, 1, 0)
    assert rig.delay_of() == GIVE_UP_SECONDS
    assert rig.api.requests == []


async def test_p3_a_message_of_an_unknown_run_is_released_uncounted(rig: Rig) -> None:
    """Its lake may be another one, or not be there yet."""
    await rig.queue.enqueue([encode(envelope_of(plan_item(ITEM), UNKNOWN))])
    async with rig.hand() as hand:
        await hand.work()
        assert not hand.stop.event.is_set()
    assert (rig.message.releases, rig.message.failures) == (1, 0)
    assert rig.delay_of() == UNKNOWN_SECONDS


async def test_p3_g3_a_message_of_another_source_is_put_back_though_its_run_has_the_same_id(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    """Two sources on one queue that start in the same second: neither writes into the other's snapshot."""
    run = await rig.run(ITEM)
    other = replace(run.paths, source="other")
    await rig.queue.purge()
    await rig.queue.enqueue([encode(envelope_of(plan_item(ITEM), other))])
    async with rig.hand() as hand:
        await hand.work()
        assert isinstance(rig.clock, FakeClock)
        rig.clock.advance(UNKNOWN_SECONDS)
        await hand.work()
        assert not hand.stop.event.is_set()
    assert rig.api.requests == []
    assert (rig.message.source, rig.message.failures, rig.message.resent) == ("other", 0, True)
    assert rig.delay_of() == UNKNOWN_SECONDS
    assert [record.of for record in caplog.records if "another source" in record.message] == ["other"]  # type: ignore[attr-defined]


async def test_p3_a_message_of_an_unreadable_run_is_released_uncounted(rig: Rig) -> None:
    """The worker stops and says so; the item is not charged, nor left to its lease."""
    run_id = UNKNOWN.run_id
    await rig.lake.create(f"_haulier/{SOURCE}/runs/{run_id}/run.json", b"not json")
    await rig.queue.enqueue([encode(envelope_of(plan_item(ITEM), UNKNOWN))])
    async with rig.hand() as hand:
        await hand.work()
        assert (hand.stop.code, run_id in hand.stop.reason) == (4, True)
    assert (rig.message.releases, rig.message.failures, rig.leased) == (1, 0, 0)
    assert rig.delay_of() > 0


async def test_a_run_of_a_newer_haulier_is_left_to_a_newer_worker(rig: Rig) -> None:
    """The old worker stops, and says what to upgrade; the item goes back uncounted."""
    run = await rig.run(ITEM)
    path = rig.folder / "lake" / run.paths.run
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(path.read_bytes()) | {"format": 99}))
    async with rig.hand() as hand:
        await hand.work()
        assert (hand.stop.code, "Upgrade haulier" in hand.stop.reason) == (2, True)
    assert (rig.message.releases, rig.message.failures, rig.leased) == (1, 0, 0)


async def test_a_message_of_a_newer_haulier_is_left_as_it_is(rig: Rig) -> None:
    """Two workers of different versions share a queue: the old one changes not a byte of it, and goes on."""
    body = msgspec.json.encode({"v": 99, "all": ["is", "new"]})
    await rig.queue.enqueue([body])
    async with rig.hand() as hand:
        await hand.work()
        assert not hand.stop.event.is_set()
    assert await rig.queue.peek(9) == [body]
    assert rig.delay_of() == UNKNOWN_SECONDS
    assert rig.store.poison == []


@pytest.mark.parametrize("body", [b"", b"\x80pickle", b'{"v":1}', b'{"v":1,"kind":"../x","key":"k","run_id":"r"}'])
async def test_a_broken_envelope_is_poisoned_with_its_raw_bytes(rig: Rig, body: bytes) -> None:
    """At once, since it never will be readable; and nothing in it is run (G8)."""
    await rig.queue.enqueue([body])
    async with rig.hand() as hand:
        await hand.work()
        assert hand.state.stats.poisoned == 1
    assert rig.messages == []
    assert rig.store.poison == [body]
    (kept,) = (rig.folder / "lake/_haulier" / SOURCE / "undecodable").iterdir()
    assert kept.read_bytes() == body


async def test_a_copy_that_is_refused_stops_no_worker(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """What counts is in the lake. Else the message would come back, and stop the next worker."""
    async with served() as (server, queue):
        rig.queue = queue
        await queue.enqueue([b"no message"])
        server.rules.use([FaultRule("403", target="flights-poison")])
        async with rig.hand() as hand:
            await hand.work()
            assert not hand.stop.event.is_set(), hand.stop.reason
        server.rules.use([])
        assert (await queue.depth()).unsettled == 0
    (kept,) = (rig.folder / "lake/_haulier" / SOURCE / "undecodable").iterdir()
    assert kept.read_bytes() == b"no message"
    assert "a poison copy was refused" in caplog.messages


async def test_a_broken_envelope_does_not_cost_its_item(rig: Rig) -> None:
    """G1: the key is missing, and is sent again from the plan."""
    run = await rig.run(ITEM)
    (message,) = rig.store.messages.values()
    message.body = message.body[:-1]
    async with rig.deps() as deps:
        assert await rig.worker(deps).run() == 0
    verdict = await rig.close(run)
    assert verdict is not None
    assert verdict.verdict == "complete"
    assert rig.objects() == ["things-1-4"]


async def test_bad_parameters_are_poison(rig: Rig) -> None:
    """The envelope can be read, its payload can not: poisoned at once, with both kept."""
    run = await rig.run(ITEM)
    (message,) = rig.store.messages.values()
    message.body = encode(msgspec.structs.replace(decode(message.body), payload=msgspec.Raw(b'{"ids":"all"}')))
    async with rig.hand() as hand:
        await hand.work()
    found = await rig.poison(run, ITEM)
    assert found is not None
    assert (found.reason, bytes(found.payload)) == ("undecodable", b'{"ids":"all"}')
    assert rig.api.requests == []


async def other_run(rig: Rig) -> Any:
    return await rig.run(Others(7))


async def test_an_unknown_kind_is_released_for_a_grace_time(rig: Rig) -> None:
    """A rolling deploy: another worker may know it. Uncounted, marked, with a delay."""
    run = await other_run(rig)
    async with rig.hand() as hand:
        for _ in range(10):
            assert await hand.work()
            assert rig.delay_of() == UNKNOWN_SECONDS
            rig.turn(UNKNOWN_SECONDS)
    assert (rig.message.releases, rig.message.failures, rig.message.resent) == (10, 0, True)
    assert rig.files(run, "poison/**/*") == []


async def test_an_unknown_kind_is_poison_after_its_grace(rig: Rig) -> None:
    """And says which kinds are known, since the app may have forgotten an import."""
    rig.settings = replace(rig.settings, unknown_kind_grace_seconds=UNKNOWN_SECONDS)
    run = await other_run(rig)
    async with rig.hand() as hand:
        await hand.work()
        rig.turn(UNKNOWN_SECONDS)
        await hand.work()
    found = await rig.poison(run, Others(7))
    assert found is not None
    assert found.reason == "unknown_kind"
    assert "Registered: things" in found.error


async def test_a_kind_that_became_known_begins_its_grace_anew(rig: Rig) -> None:
    """The clock is of each kind: one that was worked since is not on it."""
    run = await other_run(rig)

    async def work(item: Others, ctx: Context) -> Any:
        yield [{"id": item.id}]

    async with rig.hand() as hand:
        await hand.work()
        assert list(hand.state.unknown_since) == ["others"]
    rig.turn(UNKNOWN_SECONDS)
    async with rig.hand({Things: rig.api.work, Others: work}) as hand:
        hand.state.unknown_since["others"] = -1e9
        await hand.work()
        assert hand.state.unknown_since == {}
    assert rig.files(run, "poison/**/*") == []
    assert rig.objects() == ["others-7"]
