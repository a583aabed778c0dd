"""P6: the child list comes first, create-only and durable; only its creator sends the parts unmarked."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from haulier.items.ranges import IdRange
from haulier.lake.local.lake import LocalLake
from haulier.queues.envelope import encode
from haulier.runs.plan import plan_item
from haulier.runs.records import ChildList, encode_record
from haulier.runs.send import envelope_of
from haulier.testing.sandbox import Sandbox, SandboxSettings
from tests.divide.rig import Shop, opened, shop

PARENT = "items_ids-1-33"
BAD = SandboxSettings(records=32, unreadable_ids=(7,))


def part(run: Shop, start: int, end: int) -> Any:
    return run.site.app.registry.get("items_ids")(IdRange(start, end))  # type: ignore[call-arg]


async def another_divided(run: Shop, *parts: tuple[int, int], cause: str = "failure") -> None:
    """What another worker wrote down before this one came to it."""
    record = ChildList(
        key=PARENT,
        children=tuple(plan_item(part(run, *ids)) for ids in parts),
        worker="another",
        split_at=run.site.clock.now(),
        cause=cause,
    )
    await run.site.lake.create(run.run.paths.children(PARENT), encode_record(record))


async def test_its_creator_sends_the_parts_unmarked_and_suspected(tmp_path: Path) -> None:
    """The list says why; the messages carry it on, with no failures and one division more behind them."""
    async with Sandbox(BAD) as api, opened(shop(tmp_path, api.url, step=32), tmp_path) as run:
        await run.work()
        first, second = (message for message in run.queue.sent if message.depth == 1)
        assert [first.key, second.key] == ["items_ids-1-17", "items_ids-17-33"]
        assert {(message.resent, message.suspect, message.failures) for message in (first, second)} == {
            (False, "failure", 0)
        }
        assert [child.key for child in run.divided[PARENT].children] == [first.key, second.key]
        assert max(message.depth for message in run.queue.sent) == 5


async def test_a_list_that_stands_is_adopted_and_nothing_is_computed_anew(tmp_path: Path) -> None:
    """A marked message of what another worker divided costs no request; its parts go out marked, as suspected as they
    were."""
    async with Sandbox(BAD) as api, opened(shop(tmp_path, api.url, step=32), tmp_path) as run:
        await another_divided(run, (1, 8), (8, 33))
        (message,) = run.queue.store.messages.values()
        message.body = encode(envelope_of(plan_item(part(run, 1, 33)), run.run.paths, resent=True))
        await run.work()
        first, second = (message for message in run.queue.sent if message.depth == 1)
        assert [(one.key, one.resent, one.suspect) for one in (first, second)] == [
            ("items_ids-1-8", True, "failure"),
            ("items_ids-8-33", True, "failure"),
        ]
        assert (await run.verdict()).reasons == {"poison": 1}
        assert run.ids == [id for id in range(1, 33) if id != 7]


async def test_who_comes_second_with_a_list_takes_the_first(tmp_path: Path) -> None:
    """Two workers divide one item, unevenly: the list that stands counts, and each ID is hauled once."""
    async with Sandbox(BAD) as api, opened(shop(tmp_path, api.url, step=32), tmp_path) as run:
        await another_divided(run, (1, 8), (8, 33))
        await run.work()
        parts = Counter(message.key for message in run.queue.sent if message.depth == 1)
        assert parts == {"items_ids-1-8": 1, "items_ids-8-33": 1}
        assert all(message.resent for message in run.queue.sent if message.depth == 1)
        assert (await run.verdict()).reasons == {"poison": 1}
        assert run.ids == [id for id in range(1, 33) if id != 7]


async def test_no_part_is_sent_before_the_list_is_there(tmp_path: Path) -> None:
    """What a kill in between leaves is a list without messages, which whoever finds the run stranded sends."""
    async with Sandbox(BAD) as api, opened(shop(tmp_path, api.url, step=32), tmp_path) as run:
        seen: list[bool] = []
        lake, enqueue = run.site.lake, run.queue.enqueue

        async def watched(bodies: Any, **more: Any) -> None:
            assert isinstance(lake, LocalLake)
            seen.append(await lake.exists(run.run.paths.children(PARENT)))
            await enqueue(bodies, **more)

        run.queue.enqueue = watched  # type: ignore[method-assign]
        await run.work()
        assert seen
        assert all(seen)
