"""What dead processes left in a source's part of the lake. Nothing else of a run is touched, whatever its state."""

from __future__ import annotations

from dataclasses import dataclass

from haulier.lake.names import is_path
from haulier.lake.paths import runs_root
from haulier.lake.seam import Lake
from haulier.runs.concurrency import run_each
from haulier.runs.old_snapshots import SeenRun
from haulier.runs.plan import lost_shards
from haulier.runs.state import FINAL_VERDICTS
from haulier.runs.verify import FORGOTTEN_SECONDS


@dataclass
class Leftovers:
    spools: int = 0
    """Of runs that are closed for good: a partial one may be reopened as it is swept, and its workers lose theirs."""
    shards: int = 0
    """Of plans that were not sealed, of runs that are closed for good."""
    temporary: int = 0
    """Names older than a day. They are counted as they are removed."""


async def find_leftovers(lake: Lake, seen: list[SeenRun]) -> Leftovers:
    async def look(each: SeenRun) -> tuple[int, int]:
        spools = (await lake.measure(each.run.paths.staging)).files if _is_final(each) else 0
        return spools, len(await _shards(lake, each))

    return _sum(await run_each(look, seen, lake.capabilities.in_flight))


async def remove_leftovers(lake: Lake, source: str, streams: list[str], seen: list[SeenRun]) -> Leftovers:
    async def remove(each: SeenRun) -> tuple[int, int]:
        spools = await lake.sweep(each.run.paths.staging) if _is_final(each) else 0
        shards = await _shards(lake, each)
        for path in shards:
            await lake.remove(path)
        return spools, len(shards)

    found = _sum(await run_each(remove, seen, lake.capabilities.in_flight))
    for folder in (f"_haulier/{source}", *(f"{source}/{stream}" for stream in streams)):
        found.temporary += await lake.clean(folder, older_than_seconds=FORGOTTEN_SECONDS)
    # A claim that died before it was made leaves a folder.
    known = {each.run.run_id for each in seen}
    for name in filter(is_path, await lake.names(runs_root(source))):
        if name not in known:
            await lake.prune(f"{runs_root(source)}/{name}")
    return found


async def _shards(lake: Lake, each: SeenRun) -> list[str]:
    return await lost_shards(lake, each.run.paths) if _is_final(each) else []


def _is_final(each: SeenRun) -> bool:
    return each.state.value in FINAL_VERDICTS


def _sum(counts: list[tuple[int, int]]) -> Leftovers:
    return Leftovers(sum(spools for spools, _ in counts), sum(shards for _, shards in counts))
