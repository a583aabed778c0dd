"""Where a queue cannot replace a message, the one that takes its place tells of the attempts so far."""

from __future__ import annotations

from haulier.runs.poison.records import read_poison
from haulier.testing.clock import FakeClock
from tests.harness.things import things
from tests.seams.cloud import Cloud
from tests.worker.rig import key_of


async def test_a_new_message_keeps_the_attempts_of_the_one_that_it_replaces() -> None:
    """The poison record tells of both tries, though each was another message's."""
    clock = FakeClock()
    cloud, item = Cloud(clock), things(1)
    cloud.api.statuses = {1: 404}
    run = await cloud.plan([item, things(4)])
    for _ in range(3):
        await cloud.work_by_hand()
        clock.advance(60)
    found = await read_poison(cloud.lake, run.paths, key_of(item), 1)
    assert found is not None
    assert [(one.number, one.worker, one.status, one.settled) for one in found.attempts] == [
        (1, "w1", 404, "charged"),
        (2, "w2", 404, "poisoned"),
    ]
