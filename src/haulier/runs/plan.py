"""The plan of a run (P1)."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator, Sequence

import apsw
import msgspec

from haulier.clock import Clock
from haulier.errors import LakeUnavailableError, UsageError
from haulier.items.codec import canonical, encode_canonical
from haulier.items.keys import key_of_canonical
from haulier.items.workitem import WorkItem
from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.queues.envelope import Envelope, encode
from haulier.runs.records import PlannedItem, Seal, Shard, decode_record, encode_record
from haulier.runs.scratch import Scratch

SHARD_ITEMS = 1_000
"""About 200 KB, which any store takes in one put."""

_LONGEST_RUN_ID = "r" * 120
_LONGEST_WORD = "w" * 20
_MAX_COUNT = 2**31
"""The largest counters that a message may come to hold."""

_SEEN = "CREATE TABLE seen (key TEXT PRIMARY KEY, payload BLOB NOT NULL) WITHOUT ROWID"

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(PlannedItem)


def plan_item(item: WorkItem) -> PlannedItem:
    """Raises `UsageError` for an item that fits in no message: after the seal it would keep its run open for ever."""
    item = canonical(item)
    found = PlannedItem(
        key=key_of_canonical(item),
        stream=item.stream,
        kind=item.kind,
        payload=msgspec.Raw(encode_canonical(item)),
    )
    longest = Envelope(
        kind=found.kind,
        key=found.key,
        run_id=_LONGEST_RUN_ID,
        failures=_MAX_COUNT,
        releases=_MAX_COUNT,
        redrives=_MAX_COUNT,
        resent=True,
        depth=_MAX_COUNT,
        suspect=_LONGEST_WORD,
        payload=found.payload,
    )
    encode(longest)
    return found


async def read_seal(lake: Lake, paths: RunPaths) -> Seal | None:
    body = await lake.read(paths.seal)
    return None if body is None else decode_record(Seal, body, paths.seal)


async def write_plan(
    lake: Lake, paths: RunPaths, clock: Clock, items: AsyncIterator[WorkItem], shard_items: int = SHARD_ITEMS
) -> Seal:
    """Write and seal the items. Returns the seal that counts, which may be another attempt's.

    Equal items are kept once and counted. Raises `UsageError` for unequal items of one key. Memory is one shard's.
    """
    attempt = uuid.uuid4().hex
    shards: list[Shard] = []
    repeated = 0
    seen = Scratch(_SEEN)
    try:
        async for batch in _batches(items, shard_items):
            fresh = await seen.do(_unseen, batch)
            repeated += len(batch) - len(fresh)
            if fresh:
                shards.append(await _write_shard(lake, paths, attempt, len(shards), fresh))
    finally:
        seen.close()
    seal = Seal(
        attempt=attempt,
        items=sum(shard.items for shard in shards),
        shards=tuple(shards),
        sha256=hashlib.sha256("".join(shard.sha256 for shard in shards).encode()).hexdigest(),
        repeated=repeated,
        sealed_at=clock.now(),
    )
    if await lake.create(paths.seal, encode_record(seal)):
        return seal
    winner = await read_seal(lake, paths)
    if winner is None:
        raise LakeUnavailableError(f"{paths.seal} exists in the lake, but cannot be read")
    return winner


async def read_shard(lake: Lake, paths: RunPaths, seal: Seal, shard: Shard) -> list[PlannedItem]:
    """Raises where the shard is not what was sealed."""
    path = paths.shard(seal.attempt, shard.name)
    body = await lake.read(path)
    if body is None or hashlib.sha256(body).hexdigest() != shard.sha256:
        state = "is missing" if body is None else "is not as it was sealed"
        raise LakeUnavailableError(
            f"{path} {state}: the plan of this run is damaged. "
            "Restore the file from a copy of the lake, or start afresh with `haulier run SOURCE --new`."
        )
    return [_decoder.decode(line) for line in body.splitlines()]


async def remove_lost_attempts(lake: Lake, paths: RunPaths) -> int:
    """Only after a final verdict: until then a planner may be writing there (P1)."""
    seal = await read_seal(lake, paths)
    if seal is None:
        return 0  # Nobody has lost yet.
    lost = [name for name in await lake.names(paths.plans) if name not in (seal.attempt, "_SEALED.json")]
    return sum([await lake.sweep(f"{paths.plans}/{attempt}") for attempt in lost])


async def _write_shard(lake: Lake, paths: RunPaths, attempt: str, number: int, items: Sequence[PlannedItem]) -> Shard:
    body = b"".join(_encoder.encode(item) + b"\n" for item in items)
    shard = Shard(name=f"{number:06d}", items=len(items), sha256=hashlib.sha256(body).hexdigest())
    await lake.create(paths.shard(attempt, shard.name), body)
    return shard


async def _batches(items: AsyncIterator[WorkItem], size: int) -> AsyncIterator[list[PlannedItem]]:
    batch: list[PlannedItem] = []
    async for item in items:
        batch.append(plan_item(item))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _unseen(connection: apsw.Connection, batch: Sequence[PlannedItem]) -> list[PlannedItem]:
    fresh = []
    for item in batch:
        payload = item.kind.encode() + b" " + bytes(item.payload)
        connection.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (item.key, payload))
        if connection.changes():
            fresh.append(item)
            continue
        (known,) = connection.execute("SELECT payload FROM seen WHERE key = ?", (item.key,)).fetchall()[0]
        if known != payload:
            raise UsageError(
                f"Two different items have the key {item.key!r}: {bytes(known).decode()} and {payload.decode()}. "  # type: ignore[arg-type]
                "Give their class a field that tells them apart."
            )
    return fresh
