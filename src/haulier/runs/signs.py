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
        # The run's own comes first: a stream's says that a reader may take it, and the run's that it may be relied on.
        signs = {success: "", **{run.paths.stream_sign(stream): stream for stream in run.file.streams}}
        for sign, stream in signs.items():
            if not await lake.exists(sign) and not await _is_removed(lake, run, stream):
                await lake.create(sign, body)
                if await _is_removed(lake, run, stream):
                    await lake.remove(sign)  # Whose removal began before our first look, and ended after it.
        if await lake.exists(partial):
            await lake.remove(partial)
    elif verdict.verdict == "partial" and not await lake.exists(success):
        standing = await lake.read(partial)
        if standing is not None and standing != body:
            await lake.remove(partial)  # It speaks of an earlier closing, which was reopened.
        if standing != body:
            await lake.create(partial, body)


async def _is_removed(lake: Lake, run: Run, stream: str) -> bool:
    """Whether objects of the stream, or of any, were removed (R1)."""
    names = await lake.names(run.paths.folder("removed"))
    return f"{stream}.json" in names if stream else bool(names)
