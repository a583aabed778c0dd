"""The Azure queue against the bare SDK on Azurite: the same calls, with as many in flight.

`python benchmarks/azure_queue.py [--items 20000]` enqueues and drains two queues of one Azurite, 200 messages here and
200 there in turn, so that a busy machine slows both alike, and that no connection is idle for the 5 s after which Node
ends it. Ratios carry over, rates do not: Azurite is one process of Node and the limit of both, and each call of it
takes the longer the more messages it holds (of 6,000 a delete takes twenty times as long as of 500). `make azurite`
installs it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient
from queues import LEASE_SECONDS, shards

from haulier.clock import SystemClock
from haulier.queues.azure.queue import AzureQueue
from haulier.queues.azure.side_by_side import AT_ONCE
from tests.harness.azurite import Azurite, fresh_name, start_azurite

TURN = 200
RECEIVED = 32
"""Messages that one receive asks for, and then are deleted at the same time."""


async def bare_enqueue(queue: QueueClient, bodies: Sequence[bytes]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def send(body: bytes) -> None:
        async with gate:
            await queue.send_message(body.decode(), time_to_live=-1)

    await asyncio.gather(*map(send, bodies))


async def bare_drain(queue: QueueClient, items: int) -> int:
    done = 0
    while done < items:
        count = min(RECEIVED, items - done)
        pages = queue.receive_messages(
            messages_per_page=count, max_messages=count, visibility_timeout=int(LEASE_SECONDS)
        ).by_page()
        messages = [message async for message in await first(pages)]
        await asyncio.gather(*(queue.delete_message(message.id, message.pop_receipt) for message in messages))
        done += len(messages)
    return done


async def first(pages: AsyncIterator[AsyncIterator[QueueMessage]]) -> AsyncIterator[QueueMessage]:
    async for page in pages:
        return page
    raise AssertionError("the pager has no page")


async def drain(queue: AzureQueue, items: int) -> int:
    done = 0
    while done < items:
        leases = await queue.dequeue(min(RECEIVED, items - done), LEASE_SECONDS)
        assert await queue.complete(leases) == []
        done += len(leases)
    return done


@dataclass
class Rate:
    items: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return self.items / self.seconds

    async def time(self, work: Awaitable[object], items: int) -> None:
        started_at, cpu_at = time.perf_counter(), time.process_time()
        await work
        self.seconds += time.perf_counter() - started_at
        self.cpu_seconds += time.process_time() - cpu_at
        self.items += items


def report(what: str, ours: Rate, bare: Rate) -> None:
    cpu, bare_cpu = (1000 * rate.cpu_seconds / rate.items for rate in (ours, bare))
    print(
        f"{what}: {ours.items:,} items, {ours.per_second:,.0f} items/s, {ours.per_second / bare.per_second:.2f} x the "
        f"bare SDK's {bare.per_second:,.0f}; CPU {cpu:.2f} ms an item, the SDK's {bare_cpu:.2f}"
    )


async def compare(server: Azurite, items: int) -> None:
    ours = AzureQueue(server.account, fresh_name("ours"), SystemClock())
    bare = QueueClient.from_connection_string(server.connection_string, fresh_name("bare"))
    sent, bare_sent, drained, bare_drained = Rate(), Rate(), Rate(), Rate()
    async with bare:
        await bare.create_queue()
        await ours.enqueue([b"{}"])  # It is made by the first message.
        await ours.purge()
        bodies_of_turns = (
            shard[start : start + TURN] for shard in shards(items) for start in range(0, len(shard), TURN)
        )
        for turn, bodies in enumerate(bodies_of_turns):
            count = len(bodies)
            for is_ours in (True, False) if turn % 2 else (False, True):
                if is_ours:
                    await sent.time(ours.enqueue(bodies), count)
                    await drained.time(drain(ours, count), count)
                else:
                    await bare_sent.time(bare_enqueue(bare, bodies), count)
                    await bare_drained.time(bare_drain(bare, count), count)
    await ours.close()
    report(f"enqueue, {AT_ONCE} in flight", sent, bare_sent)
    report(f"drain, {RECEIVED} in flight", drained, bare_drained)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=20_000, help="messages of each (default: %(default)s)")
    with start_azurite() as server:
        asyncio.run(compare(server, parser.parse_args().items))


if __name__ == "__main__":
    main()
