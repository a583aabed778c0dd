"""C5: signs for other tools. They come after the verdict, and whoever finds them missing writes them again."""

from __future__ import annotations

from haulier.lake.seam import Lake
from haulier.runs.records import VerdictRecord, encode_record
from haulier.runs.run import Run

SUCCESS = "_SUCCESS.json"
PARTIAL = "_PARTIAL.json"


async def mend_signs(lake: Lake, run: Run, verdict: VerdictRecord) -> None:
    """Make the signs say what the verdict in force says. The truth is the verdict; these are copies of it."""
    success, partial = run.paths.sign(SUCCESS), run.paths.sign(PARTIAL)
    if verdict.verdict == "complete":
        await lake.create(success, encode_record(verdict))
        for stream in run.file.streams:
            await lake.create(run.paths.stream_sign(stream), encode_record(verdict))
        await lake.remove(partial)
    elif verdict.verdict == "partial" and not await lake.exists(success):
        body = encode_record(verdict)
        if await lake.read(partial) != body:
            await lake.remove(partial)  # It speaks of an earlier closing, which was reopened.
            await lake.create(partial, body)
