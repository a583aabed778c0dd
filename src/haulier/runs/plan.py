"""The plan of a run (P1)."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import apsw
import msgspec

from haulier.clock import Clock
from haulier.errors import LakeUnavailableError, UsageError
from haulier.items.codec import canonical, encode_canonical
from haulier.items.keys import key_of_canonical
from haulier.items.workitem import WorkItem
from haulier.lake.names import is_path
from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.queues.envelope import MAX_PAYLOAD_BYTES
from haulier.runs.planning import giving_signs
from haulier.runs.records import ChildList, PlannedItem, Seal, Shard, decode_record, encode_record
from haulier.runs.scratch import Scratch
from haulier.runs.watermark.planned_spans import PlannedSpans
from haulier.sources.finished import Finished

SHARD_ITEMS = 1_000
"""About 200 KB, which any store takes in one put."""
SHARD_BYTES = 1 << 20
"""A shard of large items ends here: a worker that takes one of them reads it whole."""
MAX_ITEM_BYTES = 8 << 20
"""It is in memory several times over, in each place that handles it."""
_SHOWN_BYTES = 200

_SEEN = "CREATE TABLE seen (key TEXT PRIMARY KEY, payload BLOB NOT NULL) WITHOUT ROWID"

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(PlannedItem)


def plan_item(item: WorkItem) -> PlannedItem:
    """Raises `UsageError` over `MAX_ITEM_BYTES`."""
    item = canonical(item)
    found = PlannedItem(
        key=key_of_canonical(item),
        stream=item.stream,
        kind=item.kind,
        payload=msgspec.Raw(encode_canonical(item)),
    )
    if (size := size_of(found)) > MAX_ITEM_BYTES:
        raise UsageError(
            f"The parameters of item {found.key!r} take {size} bytes; the limit is {MAX_ITEM_BYTES}. "
            "Put less into them: a range or an ID instead of the data itself."
        )
    return found


def size_of(item: PlannedItem) -> int:
    return len(bytes(item.payload))


def in_file(item: PlannedItem, held_in: str) -> PlannedItem:
    """Note the file that an item was read from, if no message can hold it (`Envelope.held_in`)."""
    return msgspec.structs.replace(item, held_in=held_in) if size_of(item) > MAX_PAYLOAD_BYTES else item


def children_in(paths: RunPaths, record: ChildList) -> list[PlannedItem]:
    held_in = paths.held_in(paths.children(record.key))
    return [in_file(child, held_in) for child in record.children]


async def read_seal(lake: Lake, paths: RunPaths) -> Seal | None:
    body = await lake.read(paths.seal)
    return None if body is None else decode_record(Seal, body, paths.seal)


class PlanSurvey:
    """What a plan of some items holds: equal ones once, and what they read. Memory is one batch's."""

    def __init__(self, mode: str, until: datetime | None = None) -> None:
        self.items = 0
        self.repeated = 0
        self._read = PlannedSpans(is_kept=mode == "incremental", until=until)
        self._seen = Scratch(_SEEN)

    async def fresh(self, items: AsyncIterator[WorkItem], batch_items: int) -> AsyncIterator[list[PlannedItem]]:
        """Yield the items in batches. Raises `UsageError` for unequal items of one key."""
        async for batch in _batches(items, batch_items):
            fresh = await self._seen.do(_unseen, batch)
            self.repeated += len(batch) - len(fresh)
            if fresh:
                self.items += len(fresh)
                self._read.add(fresh)
                yield fresh

    def sealed(self, attempt: str, shards: Sequence[Shard], finished: Finished, sealed_at: datetime) -> Seal:
        return Seal(
            attempt=attempt,
            items=self.items,
            shards=tuple(shards),
            sha256=hashlib.sha256("".join(shard.sha256 for shard in shards).encode()).hexdigest(),
            repeated=self.repeated,
            spans=self._read.spans.written(),
            spanless=self._read.spanless,
            ahead=self._read.ahead,
            overlaps=self._read.overlaps(finished),
            feeds=self._read.feeds,
            sealed_at=sealed_at,
        )

    def close(self) -> None:
        self._seen.close()


async def write_plan(
    lake: Lake,
    paths: RunPaths,
    clock: Clock,
    items: AsyncIterator[WorkItem],
    shard_items: int = SHARD_ITEMS,
    finished: Finished | None = None,
    until: datetime | None = None,
) -> Seal:
    """Write and seal the items. Returns the seal that counts, which may be another attempt's.

    Equal items are kept once and counted. Raises `UsageError` for unequal items of one key. Memory is one shard's.
    Of an incremental run the seal says what it reads up to its time, ``until``, and what of that earlier runs had
    ``finished``.
    """
    attempt = uuid.uuid4().hex
    shards: list[Shard] = []
    survey = PlanSurvey(paths.mode, until)
    try:
        async with giving_signs(lake, paths, clock, attempt):
            async for fresh in survey.fresh(items, shard_items):
                shards.append(await _write_shard(lake, paths, attempt, len(shards), fresh))
    finally:
        survey.close()
    seal = survey.sealed(attempt, shards, finished or Finished(), clock.now())
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
            f"Restore the file from a copy of the lake, or start afresh with {_afresh(paths.mode)}."
        )
    items = shard_items(body)
    if max(map(len, body.splitlines()), default=0) <= MAX_PAYLOAD_BYTES:
        return items  # Nearly every shard: none of its items is large.
    held_in = paths.held_in(path)
    return [in_file(item, held_in) for item in items]


def _afresh(mode: str) -> str:
    """Whatever else is open stays: `--new` closes runs of the mode alone."""
    match mode:
        case "full":
            return "`haulier run SOURCE --new`"
        case "trial":
            return "the command of this trial, and `--new`"
        case _:
            return f"`haulier run SOURCE {mode} --new`"


def shard_items(body: bytes) -> list[PlannedItem]:
    return _decoder.decode_lines(body)


async def remove_lost_attempts(lake: Lake, paths: RunPaths) -> int:
    """Only after a final verdict: until then a planner may be writing there (P1)."""
    return sum([await lake.sweep(folder) for folder in await _lost_attempts(lake, paths)])


async def lost_shards(lake: Lake, paths: RunPaths) -> list[str]:
    """Files of attempts that lost. A lake without spools of its own sweeps none of them."""
    folders = await _lost_attempts(lake, paths)
    return [path for folder in folders async for found in lake.walk(folder) for path in found if is_path(path)]


async def _lost_attempts(lake: Lake, paths: RunPaths) -> list[str]:
    seal = await read_seal(lake, paths)
    if seal is None:
        return []  # Nobody has lost yet.
    attempts = filter(is_path, await lake.names(paths.plans))
    return [f"{paths.plans}/{name}" for name in attempts if name not in (seal.attempt, "_SEALED.json")]


async def _write_shard(lake: Lake, paths: RunPaths, attempt: str, number: int, items: Sequence[PlannedItem]) -> Shard:
    body = b"".join(_encoder.encode(item) + b"\n" for item in items)
    shard = Shard(name=f"{number:06d}", items=len(items), sha256=hashlib.sha256(body).hexdigest())
    await lake.create(paths.shard(attempt, shard.name), body)
    return shard


def _shown(payload: object) -> str:
    assert isinstance(payload, bytes)
    return payload.decode() if len(payload) <= _SHOWN_BYTES else f"{payload[:_SHOWN_BYTES].decode()}..."


async def _batches(items: AsyncIterator[WorkItem], size: int) -> AsyncIterator[list[PlannedItem]]:
    batch: list[PlannedItem] = []
    size_bytes = 0
    async for item in items:
        batch.append(plan_item(item))
        size_bytes += size_of(batch[-1])
        if len(batch) == size or size_bytes >= SHARD_BYTES:
            yield batch
            batch, size_bytes = [], 0
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
                f"Two different items have the key {item.key!r}: {_shown(known)} and {_shown(payload)}. "
                "Give their class a field that tells them apart."
            )
    return fresh
