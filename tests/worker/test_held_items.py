"""The claim check: an item too large for a message is sent as a reference to the file of its run that holds it."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest

from haulier.errors import LakeUnavailableError, UsageError
from haulier.items.workitem import WorkItem
from haulier.queues.envelope import MAX_BODY_BYTES, MAX_PAYLOAD_BYTES, Envelope, encode
from haulier.runs.ledger import Ledger
from haulier.runs.plan import MAX_ITEM_BYTES, SHARD_BYTES, plan_item, read_seal
from haulier.runs.poison.records import PoisonOfRun
from haulier.runs.stranded import mend_stranded
from haulier.sources.context import Context
from haulier.worker.guard_pipe import EndFrame, LoneMessage, PageFrame, StartFrame, read_frame, work_alone
from haulier.worker.held_items import HeldItems
from haulier.worker.settings import MAX_CHILDREN_BYTES
from tests.worker.rig import LEASE_SECONDS, Rig, key_of

LARGE = MAX_BODY_BYTES + 1


@dataclass(frozen=True)
class Letter(WorkItem, stream="things", kind="letter"):
    """As long as one wants it. ``parts`` says into how many it is divided."""

    number: int
    text: str
    parts: int = 0


def letter(number: int, size: int = LARGE, parts: int = 0) -> Letter:
    return Letter(number, "x" * size, parts)


class Post:
    """Reads letters, and notes what it was given."""

    def __init__(self, *failing: int) -> None:
        self.failing = set(failing)
        self.read: list[Letter] = []

    async def work(self, item: Letter, ctx: Context) -> AsyncGenerator[Any, None]:
        self.read.append(item)
        if item.number in self.failing:
            raise RuntimeError("torn")
        if item.parts:
            for part in range(item.parts):
                yield letter(item.number * 100 + part)
        else:
            yield [{"number": item.number, "length": len(item.text)}]


async def work(rig: Rig, post: Post) -> None:
    async with rig.hand({Letter: post.work}) as hand:
        while await hand.work():
            pass


async def test_an_item_too_large_for_a_message_is_sent_by_reference_and_worked_in_full(rig: Rig) -> None:
    """Its message is small and of the newer format, so that an older haulier leaves it; others are as they were."""
    run = await rig.run(letter(1), letter(2, size=10))
    large, small = sorted(rig.messages, key=lambda message: message.key)
    assert (large.v, large.held_in.split("/")[0], large.is_in_full) == (2, "plan", False)
    assert (small.v, small.held_in, small.is_in_full) == (1, "", True)
    assert len(encode(large)) < 1_000
    post = Post()
    await work(rig, post)
    assert sorted(post.read, key=lambda item: item.number) == [letter(1), letter(2, size=10)]
    assert sorted(rig.objects()) == sorted([key_of(letter(1)), key_of(letter(2, size=10))])
    verdict = await rig.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.totals.done) == ("complete", 2)


async def test_a_reference_of_a_release_whose_messages_held_less_is_worked(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands in the queue while its worker is replaced: the item is in its shard, as before."""
    await rig.run(letter(1), letter(2))
    monkeypatch.setattr("haulier.runs.plan.MAX_PAYLOAD_BYTES", 2 * LARGE)
    post = Post()
    await work(rig, post)
    assert sorted(item.number for item in post.read) == [1, 2]


async def test_a_failure_is_counted_in_a_message_that_stays_a_reference(rig: Rig) -> None:
    """The message is written anew at each failure; it never grows into what its queue would refuse."""
    await rig.run(letter(1))
    held_in = rig.message.held_in
    async with rig.hand({Letter: Post(1).work}) as hand:
        await hand.work()
    assert (rig.message.failures, rig.message.held_in, rig.message.is_in_full) == (1, held_in, False)


async def test_no_message_outgrows_its_queue(rig: Rig) -> None:
    """The largest payload that a message holds itself still fits with the longest names and counts."""
    longest = Envelope(
        kind="k" * 120,
        key="k" * 120,
        run_id="r" * 120,
        failures=2**31,
        releases=2**31,
        redrives=2**31,
        resent=True,
        depth=2**31,
        suspect="w" * 20,
        payload=msgspec.Raw(b'"' + b"x" * (MAX_PAYLOAD_BYTES - 2) + b'"'),
    )
    assert len(encode(longest)) <= MAX_BODY_BYTES


async def test_large_parts_of_a_divided_item_are_held_in_its_child_list(rig: Rig) -> None:
    """The list is durable before a part is sent: a part refers to it as an item of the plan refers to its shard."""
    run = await rig.run(letter(7, size=1, parts=3))
    post = Post()
    async with rig.hand({Letter: post.work}) as hand:
        await hand.work()
    assert {message.held_in for message in rig.messages} == {f"children/{key_of(letter(7, 1, 3))}.json"}
    await work(rig, post)
    assert [item.number for item in post.read] == [7, 700, 701, 702]
    verdict = await rig.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.totals.done, verdict.totals.split) == ("complete", 3, 1)


async def test_a_poisoned_large_item_is_shown_whole_and_redriven_by_reference(rig: Rig) -> None:
    """The poison record holds the parameters for a person; the copy in the poison queue stays within a message."""
    run = await rig.run(letter(1))
    rig.settings = replace(rig.settings, max_failures=1)
    await work(rig, Post(1))
    record = await rig.poison(run, letter(1))
    assert record is not None
    assert json.loads(bytes(record.payload))["text"] == "x" * LARGE
    assert [
        bytes(listed.payload)
        for listed in [record async for records in PoisonOfRun(rig.lake, run).records() for record in records]
    ] == [b"null"], "G9"
    (copy,) = await rig.queue.peek(1, poison=True)
    assert len(copy) < 1_000
    assert await rig.redrive(run) == 1
    assert (rig.message.redrives, rig.message.is_in_full) == (1, False)
    post = Post()
    await work(rig, post)
    assert post.read == [letter(1)]


async def test_lost_large_items_are_sent_again_by_reference(rig: Rig) -> None:
    """Of an item of the plan, and of a part: the ledger keeps where their parameters are."""
    run = await rig.run(letter(7, size=1, parts=2), letter(8))
    async with rig.hand({Letter: Post().work}) as hand:
        while len(rig.messages) < 3 and await hand.work():
            pass
    await rig.queue.purge()
    ledger = Ledger(rig.lake, run.paths)
    try:
        await ledger.refresh()
        sent = await mend_stranded(rig.closer, run, ledger)
    finally:
        ledger.close()
    assert sent == len(rig.messages) >= 2
    assert all(message.resent and not message.is_in_full for message in rig.messages)
    await work(rig, Post())
    verdict = await rig.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.totals.done) == ("complete", 3)


async def test_a_reference_to_a_file_that_is_gone_is_poison_and_can_be_redriven(rig: Rig) -> None:
    """One item's file must not stop every worker that meets it; put back from a copy, the item is done after all."""
    run = await rig.run(letter(1))
    seal = await read_seal(rig.lake, run.paths)
    assert seal is not None
    shard = rig.folder / "lake" / run.paths.shard(seal.attempt, "000000")
    kept = shard.read_bytes()
    altered = kept.replace(b"letter-", b"lettre-"), kept.replace(b'xxx"', b'yyy"')
    for number, damaged in enumerate((None, *altered, kept[:-100], b"\xff\xfe"), 1):
        shard.unlink()
        if damaged is not None:
            shard.write_bytes(damaged)
        await work(rig, Post())
        shard.unlink(missing_ok=True)
        shard.write_bytes(kept)
        record = await rig.poison(run, letter(1), number)
        assert record is not None
        assert (record.reason, bytes(record.payload)) == ("damaged", b"null")
        assert await rig.redrive(run) == 1
    post = Post()
    await work(rig, post)
    assert post.read == [letter(1)]


async def test_p4_an_item_that_has_ended_needs_its_parameters_no_more(rig: Rig) -> None:
    """Its message comes back after another attempt published it, and the shard is gone: it is done, not poison."""
    run = await rig.run(letter(1))
    await rig.queue.dequeue(1, LEASE_SECONDS)
    rig.turn(LEASE_SECONDS + 1)
    await rig.put_object(run, letter(1), [b"{}"])
    (shard,) = (rig.folder / "lake" / run.paths.root).glob("plan/*/*.ndjson")
    shard.unlink()
    await work(rig, Post())
    assert await rig.poison(run, letter(1)) is None
    assert rig.poison_copies() == []
    assert [receipt.adopted for receipt in await rig.receipts(run)] == [True]
    assert rig.messages == []


async def test_a_lake_that_is_away_charges_no_item_for_its_parameters(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The item goes back uncharged, and the worker stops."""
    await rig.run(letter(1))
    read = rig.lake.read

    async def away(path: str) -> bytes | None:
        if path.endswith("000000.ndjson"):
            raise LakeUnavailableError("the lake is away")
        return await read(path)

    monkeypatch.setattr(rig.lake, "read", away)
    async with rig.hand({Letter: Post().work}) as hand:
        await hand.work()
        assert (hand.stop.code, hand.stop.reason) == (4, "the lake is away")
    assert (rig.message.failures, rig.message.releases, rig.message.is_in_full) == (0, 1, False)


async def test_a_shard_of_large_items_is_small_and_read_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes one of its items reads the shard whole, and keeps it for the next ones."""
    run = await rig.run(*(letter(number, size=100_000) for number in range(40)))
    seal = await read_seal(rig.lake, run.paths)
    assert seal is not None
    assert len(seal.shards) == 4
    root = rig.folder / "lake" / run.paths.root
    assert max(file.stat().st_size for file in root.glob("plan/*/*.ndjson")) < SHARD_BYTES + 101_000
    reads: Counter[str] = Counter()
    read = rig.lake.read

    async def counted(path: str) -> bytes | None:
        reads[path.rsplit("/", 1)[-1]] += 1
        return await read(path)

    monkeypatch.setattr(rig.lake, "read", counted)
    post = Post()
    await work(rig, post)
    assert len(post.read) == 40
    assert {name: count for name, count in reads.items() if name.endswith(".ndjson")} == dict.fromkeys(
        (f"{number:06d}.ndjson" for number in range(4)), 1
    )


async def test_memory_for_references_is_bounded(rig: Rig) -> None:
    """The files that were read last are kept, up to a limit of bytes, and the newest in any case."""
    run = await rig.run(*(letter(number, size=7 << 20) for number in range(6)))
    held = HeldItems(rig.lake)
    for message in rig.messages:
        assert (await held.in_full(run, message)).is_in_full
    assert held.kept_bytes <= 32 << 20


async def test_an_item_that_fits_nowhere_is_refused_before_the_seal(rig: Rig) -> None:
    """A limit of the parameters of one item, and one of all parts of an item together."""
    with pytest.raises(UsageError, match=r"take 8388\d+ bytes; the limit is 8388608\. Put less"):
        plan_item(letter(1, size=MAX_ITEM_BYTES))
    parts = MAX_CHILDREN_BYTES // (MAX_ITEM_BYTES - 1_000) + 1

    async def divide(item: Letter, ctx: Context) -> AsyncGenerator[Any, None]:
        for number in range(parts):
            yield letter(number, size=MAX_ITEM_BYTES - 1_000)

    run = await rig.run(letter(1))
    rig.settings = replace(rig.settings, max_failures=1)
    async with rig.hand({Letter: divide}) as hand:
        await hand.work()
    record = await rig.poison(run, letter(1))
    assert record is not None
    assert "parameters of more than 33554432 bytes" in record.error


async def test_a_large_item_runs_alone_as_any_other(rig: Rig) -> None:
    """The crash guard's subprocess is told by reference too, and reads the parameters for itself."""
    run = await rig.run(letter(1))
    reading, writing = os.pipe()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    with os.fdopen(reading, "rb") as source:
        incoming, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
        flow = asyncio.streams.FlowControlMixin(loop=loop)
        transport, protocol = await loop.connect_write_pipe(lambda: flow, os.fdopen(writing, "wb"))
        writer = asyncio.StreamWriter(transport, protocol, None, loop)
        post = Post()
        async with rig.deps({Letter: post.work}) as deps:
            await work_alone(deps, LoneMessage(encode(rig.message), 6), writer)
        writer.close()
        frames = [await read_frame(reader) for _ in range(3)]
        incoming.close()
    assert [type(frame) for frame in frames] == [StartFrame, PageFrame, EndFrame]
    assert post.read == [letter(1)]
    assert rig.objects() == [], "its worker writes, and nobody else"
    assert run.run_id == rig.message.run_id
