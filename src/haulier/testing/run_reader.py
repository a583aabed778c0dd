"""Reads a closed run of a test into memory."""

from __future__ import annotations

from haulier.errors import UnavailableError
from haulier.items.codec import decode_payload
from haulier.items.registry import Registry
from haulier.items.workitem import WorkItem
from haulier.lake.ndjson import lines_of
from haulier.lake.seam import Lake
from haulier.runs.manifest import read_manifest
from haulier.runs.plan import read_seal, read_shard
from haulier.runs.poison.records import read_poison
from haulier.runs.records import ChildList, ManifestEntry, PlannedItem, decode_record
from haulier.runs.run import Run
from haulier.runs.state import closing_in_force
from haulier.testing.run_result import ItemResult, PoisonedItem, RequestMade, RunResult


async def read_result(lake: Lake, run: Run, registry: Registry, requests: tuple[RequestMade, ...]) -> RunResult:
    closing = await closing_in_force(lake, run.paths)
    if closing is None or closing.verdict is None:
        raise UnavailableError(f"Run {run.run_id} was not closed.")
    entries: dict[str, ManifestEntry] = {}
    async for batch in read_manifest(lake, run.paths, closing.number):
        entries |= {entry.key: entry for entry in batch}
    found: dict[str, ItemResult] = {}
    reader = _ItemReader(lake, run, registry, entries, found)
    for planned in await _plan(lake, run):
        await reader.read(planned)
    return RunResult(
        state=closing.verdict.verdict,
        reasons=closing.verdict.reasons,
        items=tuple(found.values()),
        requests=requests,
        expected=closing.verdict.expected,
    )


async def _plan(lake: Lake, run: Run) -> list[PlannedItem]:
    seal = await read_seal(lake, run.paths)
    assert seal is not None, "a run is closed only where its plan is sealed"
    return [item for shard in seal.shards for item in await read_shard(lake, run.paths, seal, shard)]


class _ItemReader:
    def __init__(
        self, lake: Lake, run: Run, registry: Registry, entries: dict[str, ManifestEntry], found: dict[str, ItemResult]
    ) -> None:
        self._lake = lake
        self._run = run
        self._registry = registry
        self._entries = entries
        self._found = found

    async def read(self, planned: PlannedItem) -> None:
        """Add the item, and behind it its parts."""
        if planned.key in self._found:
            return
        entry, lake = self._entries[planned.key], self._lake
        children = await self._children(planned.key) if entry.state == "split" else ()
        lines = [line async for batch in lines_of(lake.download(entry.path)) for line in batch] if entry.path else []
        self._found[planned.key] = ItemResult(
            item=self._decode(planned),
            key=planned.key,
            state=entry.state,
            lines=tuple(lines),
            parts=tuple(self._decode(child) for child in children),
            poison=await self._poison(entry) if entry.state == "poisoned" else None,
        )
        for child in children:
            await self.read(child)

    async def _children(self, key: str) -> tuple[PlannedItem, ...]:
        path = self._run.paths.children(key)
        body = await self._lake.read(path)
        return () if body is None else decode_record(ChildList, body, path).children

    async def _poison(self, entry: ManifestEntry) -> PoisonedItem | None:
        record = await read_poison(self._lake, self._run.paths, entry.key, entry.poison)
        if record is None:
            return None
        return PoisonedItem(
            key=record.key,
            reason=record.reason,
            error=record.error,
            error_class=record.error_class,
            status=record.status,
            traceback=record.traceback,
            excerpt=record.excerpt,
        )

    def _decode(self, planned: PlannedItem) -> WorkItem:
        return decode_payload(self._registry.get(planned.kind), bytes(planned.payload))
