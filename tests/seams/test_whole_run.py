"""A whole run over throwaway backends: killed anywhere, it ends complete, with the right counts (G1, G2, C9)."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haulier.queues.envelope import decode, encode
from haulier.runs.records import PoisonRecord, VerdictRecord, decode_record
from haulier.runs.redrive import Redriver
from haulier.runs.run import Run
from haulier.sources.context import Context
from haulier.worker.first_items import FirstItems
from haulier.worker.settings import FIRST_ITEMS
from tests.harness.cuts.calls import Cut, Cuts
from tests.harness.things import Things, ThingsApi, things
from tests.harness.virtual_time import VirtualTime
from tests.seams.cloud import MAX_FAILURES, RECORDS, Cloud


def test_a_run_ends_complete(tmp_path: Path) -> None:
    """Records, an item without any and a divided one, each once, with the right counts (G3)."""
    time = VirtualTime()
    cloud = Cloud(time)

    async def main() -> tuple[Run, VerdictRecord]:
        run = await cloud.plan()
        assert await cloud.work(run) == ""
        return run, await cloud.verdict(run)

    run, verdict = time.run(main())
    totals = verdict.totals
    assert (verdict.verdict, totals.records, totals.done, totals.empty, totals.split) == ("complete", RECORDS, 4, 1, 1)
    assert cloud.messages.messages == {}
    cloud.judge(run, tmp_path)


CUTS = [
    Cut("ObjectLake.publish"),
    Cut("ObjectLake.publish", is_after=True),
    Cut("ReceiptQueue.complete"),
    Cut("ReceiptQueue.complete", is_after=True),
    *(Cut(call, is_after=is_after) for call in range(5, 90, 7) for is_after in (False, True)),
]


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: f"{'after' if cut.is_after else 'before'} {cut.call}")
def test_a_worker_that_is_killed_loses_nothing(tmp_path: Path, cut: Cut) -> None:
    """Between publication and settlement, and at many other steps: the next worker ends the run complete."""
    time, cuts = VirtualTime(), Cuts(cut)
    cloud = Cloud(time)

    async def main() -> tuple[Run, VerdictRecord]:
        run = await cloud.plan()
        await cloud.work(run, cuts)
        await cloud.work(run)
        return run, await cloud.verdict(run)

    run, verdict = time.run(main())
    assert cuts.is_dead, "no such call was made"
    assert (verdict.verdict, verdict.totals.records) == ("complete", RECORDS)
    cloud.judge(run, tmp_path)


def test_failures_are_counted_where_a_release_keeps_the_body(tmp_path: Path) -> None:
    """A message that is sent anew carries what was charged: the item is poisoned after as many failures as elsewhere,
    and a redrive of what heals by then ends the run complete."""
    time, item = VirtualTime(), things(20, 22)
    cloud = Cloud(time)
    cloud.api.statuses[20] = 500

    async def main() -> tuple[Run, PoisonRecord, VerdictRecord, VerdictRecord]:
        run = await cloud.plan()
        await cloud.work(run)
        partial = await cloud.verdict(run)
        (path,) = [path for path in cloud.objects.bodies if "/poison/" in path]
        poison = decode_record(PoisonRecord, cloud.objects.bodies[path], path)
        del cloud.api.statuses[20]
        assert await Redriver(cloud.closer).redrive(run) == 1
        await cloud.work(run)
        return run, poison, partial, await cloud.verdict(run)

    run, poison, partial, verdict = time.run(main())
    assert (poison.reason, poison.failures, partial.verdict) == ("failed", MAX_FAILURES, "partial")
    assert msgspec.json.decode(poison.payload) == {"ids": {"start": item.ids.start, "end": item.ids.end}}
    assert (verdict.verdict, verdict.totals.records) == ("complete", RECORDS)
    cloud.judge(run, tmp_path)


def test_deaths_are_counted_by_message_where_a_return_is_a_new_one() -> None:
    """What earlier messages of an item came to does not hide the silent deliveries of this one: it runs alone."""
    time = VirtualTime()
    cloud = Cloud(time)

    async def main() -> str:
        run = await cloud.plan([things(1)])
        (message,) = cloud.messages.messages.values()
        envelope = msgspec.structs.replace(decode(message.body), failures=1, releases=3)
        message.body, message.deliveries = encode(envelope), 5
        return await cloud.work(run, isolate=("false",))

    assert "No subprocess can be started" in time.run(main())


class Raising(ThingsApi):
    """What the processor makes of its answers is an error."""

    async def work(self, item: Things, ctx: Context) -> AsyncGenerator[Any, None]:
        async for _ in super().work(item, ctx):
            raise KeyError("rows")
        yield []


@pytest.mark.parametrize("are_others_at_work", [True, False])
def test_g4_a_worker_that_meets_bad_items_alone_takes_no_source_for_wrong_while_others_work(
    *, are_others_at_work: bool
) -> None:
    """Where nobody can count leases, the scope tells whether others have items."""
    time = VirtualTime()
    cloud = Cloud(time, api=Raising())

    async def main() -> str:
        await cloud.plan([things(1)])
        async with cloud.deps() as other, cloud.hand() as worker:
            worker.state = dataclasses.replace(worker.state, first_items=FirstItems(FIRST_ITEMS))
            other.client.scope.has_work = are_others_at_work
            for _ in range(120):
                if worker.stop.event.is_set():
                    break
                await worker.work()
                await time.sleep(1.0)
            return worker.stop.reason

    reason = time.run(main())
    assert reason == "" if are_others_at_work else "KeyError" in reason
