"""Where a first incremental run begins: refused before it is claimed, so that nothing is left of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from haulier.app.open_source import OpenSource
from haulier.runs.newest_runs import latest_complete
from haulier.runs.watermark import read_watermark
from haulier.sources.new_windows import no_start_error


async def require_starts(source: OpenSource, streams: Iterable[str]) -> None:
    """Raises `UsageError` for a stream without a `start` of which nothing is finished. It has the line to type, if a
    complete full run has the stream."""
    recipes = source.app.recipes
    open_ended = [stream for stream in streams if recipes is not None and not recipes.has_start(stream)]
    if recipes is None or not open_ended:
        return
    known = (await read_watermark(source.lake, source.app.name)).finished
    for stream in open_ended:
        if known.windows(stream):
            continue
        snapshot = await latest_complete(source.lake, source.app.name, stream)
        if snapshot is None:
            raise no_start_error(stream)
        run = snapshot[0]
        until = recipes.whole_until(stream, run.file.snapshot_time)
        raise no_start_error(stream, f"{until:%Y-%m-%dT%H:%M:%SZ}", shlex.quote(f"after run {run.run_id}"))
