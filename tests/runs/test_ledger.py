"""The ledger: what has ended, by the records in the lake alone (docs/protocol.md#terms)."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import Any

import apsw
import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from haulier.errors import LakeUnavailableError
from haulier.runs import ledger_schema as table
from haulier.runs.ledger import Ledger, Progress
from haulier.runs.plan import plan_item
from haulier.runs.receipts import write_receipts
from haulier.runs.records import (
    ChildList,
    DiscardRecord,
    OutcomeRecord,
    PlannedItem,
    Receipt,
    RedriveRecord,
    encode_record,
)
from haulier.runs.run import Run
from tests.harness.cuts.calls import Cuts
from tests.runs.rig import Place, Process, Thing, key_of, thing

KEY = key_of(thing(1, 3))


class Records:
    """Writes records of the one planned item, or of another key."""

    def __init__(self, process: Process, run: Run) -> None:
        self._process = process
        self._run = run
        self._number = itertools.count()

    async def put(self, *names: str, key: str = KEY) -> None:
        for name in names:
            kind, _, number = name.partition(" ")
            await getattr(self, f"_{kind}")(key, int(number or 1))

    async def _receipt(self, key: str, records: int) -> None:
        receipt = Receipt(key=key, records=records, bytes=10, sha256="s")
        await write_receipts(self._process.lake, self._run.paths, "w", next(self._number), [receipt])

    async def _adopted(self, key: str, records: int) -> None:
        receipt = Receipt(key=key, records=records, bytes=10, sha256="s", adopted=True)
        await write_receipts(self._process.lake, self._run.paths, "w", next(self._number), [receipt])

    async def _empty(self, key: str, _: int) -> None:
        record = OutcomeRecord(key=key, ended_at=self._process.place.clock.now())
        await self._process.lake.create(self._run.paths.outcome(key), encode_record(record))

    async def _split(self, key: str, _: int) -> None:
        halves = thing(1, 3).ids.halves() or ()
        record = ChildList(
            key=key,
            children=tuple(plan_item(Thing(half)) for half in halves),
            worker="w",
            split_at=self._process.place.clock.now(),
        )
        await self._process.lake.create(self._run.paths.children(key), encode_record(record))

    async def _poison(self, key: str, number: int) -> None:
        await self._process.lake.create(self._run.paths.numbered("poison", key, number), b"{}\n")

    async def _redrive(self, key: str, number: int) -> None:
        record = RedriveRecord(number=number, key=key, redriven_at=self._process.place.clock.now())
        await self._process.lake.create(self._run.paths.numbered("redrives", key, number), encode_record(record))

    async def _discard(self, key: str, number: int) -> None:
        record = DiscardRecord(number=number, key=key, reason="gone", discarded_at=self._process.place.clock.now())
        await self._process.lake.create(self._run.paths.numbered("discards", key, number), encode_record(record))


async def progress_of(process: Process, run: Run) -> Progress:
    ledger = Ledger(process.lake, run.paths)
    try:
        await ledger.refresh()
        return await ledger.progress()
    finally:
        ledger.close()


@pytest.mark.parametrize(
    ("records", "state"),
    [
        ((), "missing"),
        (("receipt",), "done"),
        (("empty",), "empty"),
        (("poison 1",), "poisoned"),
        (("poison 1", "redrive 1"), "missing"),
        (("poison 1", "redrive 1", "poison 2"), "poisoned"),
        (("poison 2", "redrive 1"), "poisoned"),
        (("poison 1", "discard 1"), "discarded"),
        (("poison 1", "redrive 1", "discard 1"), "discarded"),
        (("poison 1", "redrive 1", "poison 2", "discard 1"), "poisoned"),
        (("poison 1", "redrive 1", "poison 2", "discard 2"), "discarded"),
        (("poison 9", "poison 10", "redrive 9"), "poisoned"),
        (("empty", "poison 1"), "empty"),
        (("empty", "poison 1", "discard 1"), "empty"),
        (("receipt", "empty", "poison 1", "discard 1"), "done"),
        (("poison 1", "redrive 1", "receipt"), "done"),
    ],
)
async def test_ended(place: Place, process: Process, records: tuple[str, ...], state: str) -> None:
    """A key has ended by a receipt, an outcome, a discard, or poison that is live; numbers decide what is live, and the
    order of C3 what it counts as."""
    run = await process.claim()
    await process.enqueue(run, [thing(1, 3)])
    await Records(process, run).put(*records)
    progress = await progress_of(process, run)
    assert {name: getattr(progress, name) for name in ("done", "empty", "poisoned", "discarded", "missing")} == {
        name: int(name == state) for name in ("done", "empty", "poisoned", "discarded", "missing")
    }
    assert progress.is_drained == (state != "missing")


async def test_a_divided_item_has_ended_when_its_children_have(process: Process) -> None:
    """The child list alone is the split: whatever else was written of the key, its children have to end."""
    run = await process.claim()
    await process.enqueue(run, [thing(1, 3)])
    records = Records(process, run)
    await records.put("receipt", "empty", "poison 1", "split")
    progress = await progress_of(process, run)
    assert (progress.planned, progress.split, progress.missing, progress.done) == (3, 1, 2, 0)
    await records.put("receipt 1", key=key_of(thing(1)))
    assert (await progress_of(process, run)).missing == 1
    await records.put("empty", key=key_of(thing(2)))
    assert (await progress_of(process, run)).is_drained


async def test_a_child_may_end_before_its_list_is_read(process: Process) -> None:
    """A look in the middle of a split counts what it finds; the next one puts it together."""
    run = await process.claim()
    await process.enqueue(run, [thing(1, 3)])
    records = Records(process, run)
    ledger = Ledger(process.lake, run.paths)
    await records.put("receipt", key=key_of(thing(1)))
    await ledger.refresh()
    assert (await ledger.progress()).missing == 1
    await records.put("split")
    await ledger.refresh()
    progress = await ledger.progress()
    assert (progress.planned, progress.split, progress.done, progress.missing) == (3, 1, 1, 1)
    ledger.close()


async def test_drained_is_never_an_empty_queue(place: Place, process: Process) -> None:
    """A purged queue drains nothing, a full one holds nothing back, and a run that is still planned is not drained."""
    run = await process.claim()
    assert not (await progress_of(process, run)).is_drained
    await process.enqueue(run, [thing(1, 3)])
    await process.queue.purge()
    assert not (await progress_of(process, run)).is_drained
    await Records(process, run).put("receipt")
    await process.queue.enqueue([b"{}"])
    assert (await progress_of(process, run)).is_drained


async def test_what_was_read_once_is_not_read_again(place: Place, process: Process) -> None:
    """A look at a run costs what is new of it: no plan, receipts or child list is read twice."""
    run = await process.claim()
    await process.enqueue(run, [thing(1, 3), thing(5)])
    records = Records(process, run)
    await records.put("receipt", key=key_of(thing(5)))
    await records.put("split")
    ledger = Ledger(process.lake, run.paths)

    async def reads() -> int:
        before = process.cuts.calls.count("LocalLake.read")
        await ledger.refresh()
        return process.cuts.calls.count("LocalLake.read") - before

    assert await reads() > 0
    assert await reads() == 0
    await records.put("receipt", key=key_of(thing(1)))
    assert await reads() == 1
    assert (await ledger.progress()).done == 2
    ledger.close()


@pytest.mark.parametrize("order", [("adopted 2", "receipt 2", "adopted 2"), ("receipt 2", "adopted 2", "receipt 2")])
async def test_p9_of_equal_receipts_the_first_without_adopted_counts(process: Process, order: tuple[str, ...]) -> None:
    """A key that was adopted, and whose own worker's receipt came too, is counted once, by its worker's receipt."""
    run = await process.claim()
    await process.enqueue(run, [thing(1, 3)])
    ledger = Ledger(process.lake, run.paths)
    records = Records(process, run)
    for name in order:
        await records.put(name)
        await ledger.refresh()
    assert (await ledger.progress()).records == 2
    rows = [row async for rows in ledger.select("1", "adopted, disagrees") for row in rows]
    assert rows == [(KEY, 0, 0)]
    ledger.close()


RECEIPTS = st.builds(
    Receipt,
    key=st.sampled_from(["planned-1", "planned-2", "nobody's"]),
    records=st.integers(1, 2),
    bytes=st.just(10),
    sha256=st.sampled_from(["s", "t"]),
    requests=st.integers(1, 2),
    adopted=st.booleans(),
)


@given(st.lists(RECEIPTS, max_size=8))
def test_receipts_come_to_the_same_in_one_group_as_one_by_one(receipts: list[Receipt]) -> None:
    """A whole group is put at once where each is the first of a planned key."""

    def folded(*groups: list[Receipt]) -> list[Any]:
        connection = apsw.Connection("")
        connection.execute(table.SCHEMA)
        for key in ("planned-1", "planned-2"):
            table.put_planned(connection, [PlannedItem(key=key, stream="s", kind="k", payload=msgspec.Raw(b"{}"))])
        for group in groups:
            table.put_receipts(connection, group)
        return connection.execute("SELECT * FROM item ORDER BY key").fetchall()

    assert folded(receipts) == folded(*([receipt] for receipt in receipts))


@pytest.mark.parametrize("order", list(itertools.permutations(["receipt 2", "adopted 3", "receipt 3"])))
async def test_c3_receipts_that_disagree_are_kept_in_mind(process: Process, order: tuple[str, ...]) -> None:
    """In whatever order they are read, and whoever wrote them."""
    run = await process.claim()
    await process.enqueue(run, [thing(1, 3)])
    ledger = Ledger(process.lake, run.paths)
    records = Records(process, run)
    for name in order:
        await records.put(name)
        await ledger.refresh()
    assert [row async for rows in ledger.select("1", "disagrees") for row in rows] == [(KEY, 1)]
    ledger.close()


async def test_a_record_that_vanishes_is_no_quiet_loss(place: Place, process: Process) -> None:
    """A child list that was listed and cannot be read is an error, never a key without children."""
    run = await process.claim()
    await process.enqueue(run, [thing(1, 3)])
    await Records(process, run).put("split")

    async def remove(number: int, name: str, is_after: bool) -> None:
        if name == "LocalLake.read" and "LocalLake.walk" in cuts.calls:
            (place.folder / run.paths.children(KEY)).unlink(missing_ok=True)

    cuts = Cuts(on_call=remove)
    ledger = Ledger(place.process(cuts).lake, run.paths)
    with pytest.raises(LakeUnavailableError, match="was in the lake and has disappeared"):
        await ledger.refresh()
    ledger.close()


async def test_receipts_that_are_none_are_refused_in_words(place: Place, process: Process) -> None:
    """The file is named."""
    run = await process.claim()
    await process.enqueue(run, [thing(1)])
    await process.lake.create(run.paths.receipts("w", 1), b'{"key":1}\n')
    with pytest.raises(LakeUnavailableError, match=r"receipts/w-1\.ndjson in the lake is not"):
        await progress_of(process, run)


async def test_g9_memory_does_not_grow_with_the_run(process: Process) -> None:
    """Python holds a batch of a run, never the run: ten thousand items cost no more than a few batches of them."""
    run = await process.claim()
    count = 10_000
    await process.enqueue(run, [])
    ledger = Ledger(process.lake, run.paths)
    await ledger.refresh()
    one = plan_item(thing(1))
    tracemalloc.start()
    try:
        for start in range(0, count, 1_000):
            keys = [f"things-{n}-{n + 1}" for n in range(start, start + 1_000)]
            items = tuple(type(one)(key=key, stream=one.stream, kind=one.kind, payload=one.payload) for key in keys)
            record = ChildList(key=f"parent-{start}", children=items, worker="w", split_at=process.place.clock.now())
            await process.lake.create(run.paths.children(record.key), encode_record(record))
            await write_receipts(
                process.lake,
                run.paths,
                "w",
                start,
                [Receipt(key=key, records=1, bytes=10, sha256="s" * 64) for key in keys],
            )
            await ledger.refresh()
        seen = await ledger.progress()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        ledger.close()
    assert seen.done == count
    assert peak < 8_000_000
