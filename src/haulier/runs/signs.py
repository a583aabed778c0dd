"""Signs for other tools (C5), written after the verdict."""

from __future__ import annotations

from haulier.lake.seam import Lake
from haulier.runs.records import VerdictRecord, encode_record
from haulier.runs.run import Run

SUCCESS = "_SUCCESS.json"
PARTIAL = "_PARTIAL.json"


async def mend_signs(lake: Lake, run: Run, verdict: VerdictRecord) -> None:
    """Make the signs copies of the verdict in force. Repeatable, and where they stand nothing is written: each worker
    that starts looks at those of all runs, and a look costs a tenth of a write where operations are paid for."""
    success, partial = run.paths.sign(SUCCESS), run.paths.sign(PARTIAL)
    body = encode_record(verdict)
    if verdict.verdict == "complete":
        await _mend_success(lake, run, body)
        if await lake.exists(partial):
            await lake.remove(partial)
    elif verdict.verdict == "partial" and not await lake.exists(success):
        standing = await lake.read(partial)
        if standing is not None and standing != body:
            await lake.remove(partial)  # It speaks of an earlier closing, which was reopened.
        if standing != body:
            await lake.create(partial, body)


async def _mend_success(lake: Lake, run: Run, body: bytes) -> None:
    # The run's own comes first: a stream's says that a reader may take it, and the run's that it may be relied on.
    signs = {run.paths.sign(SUCCESS): "", **{run.paths.stream_sign(stream): stream for stream in run.file.streams}}
    missing = [sign for sign in signs if not await lake.exists(sign)]
    if not missing:
        return
    removed = await _removed(lake, run)
    created = [sign for sign in missing if signs[sign] not in removed and await lake.create(sign, body)]
    # A removal may have begun before the first look, and ended after it (R1).
    removed = await _removed(lake, run) if created else removed
    for sign in created:
        if signs[sign] in removed:
            await lake.remove(sign)


async def _removed(lake: Lake, run: Run) -> set[str]:
    """Streams whose objects were removed; the empty name, of the run's own sign, if there is one."""
    found = {name.removesuffix(".json") for name in await lake.names(run.paths.folder("removed"))}
    return found | {""} if found else found
