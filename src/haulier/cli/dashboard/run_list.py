"""The runs of the source, for all who look at them: one reader, which looks no more often than for one of them."""

from __future__ import annotations

import asyncio

from haulier.app.open_source import OpenSource
from haulier.cli.dashboard.answers import encode
from haulier.cli.pick_run import away_hint
from haulier.cli.status.watch import pause_seconds
from haulier.errors import LakeUnavailableError
from haulier.runs.past_runs import PastRunsReader, runs_document

LIST_LOOKS = 3
"""Where looks cost money, a look at a list of twenty runs costs as much as some at one of them."""
MOST_LISTS = 16


class RunList:
    """The list of runs, for all who look at it. One look at a time."""

    def __init__(self, source: OpenSource) -> None:
        self._source = source
        self._reader = PastRunsReader(source.lake, source.clock, source.app.name)
        self._lock = asyncio.Lock()
        self._seen: dict[tuple[str | None, int], tuple[float, bytes]] = {}
        """By mode and number of runs: until when it is shown, and the document."""
        self._changes = 0
        self._has_runs = False

    async def look(self, mode: str | None, most: int) -> bytes:
        source, clock = self._source, self._source.clock
        async with self._lock:
            began_at, changes = clock.monotonic(), self._changes
            due_at, body = self._seen.get((mode, most), (float("-inf"), b""))
            if began_at < due_at:
                return body
            runs = await self._reader.look(mode, most)
            if runs:
                self._has_runs = True
            elif mode is None and self._has_runs:
                raise LakeUnavailableError(
                    f"The runs of {source.app.name} were in the lake and have disappeared. Was the lake moved, or "
                    "emptied?"
                )
            document = runs_document(source.app.name, runs)
            body = encode(document if runs else document | {"hint": await away_hint(source)})
            now = clock.monotonic()
            pause = max(pause_seconds(source.lake, now - began_at), LIST_LOOKS * source.lake.capabilities.look_seconds)
            if len(self._seen) >= MOST_LISTS:
                self._seen.clear()
            if self._changes == changes:  # Else something was clicked meanwhile.
                self._seen[mode, most] = now + pause, body
            return body

    def expire(self) -> None:
        self._changes += 1
        self._seen.clear()

    def close(self) -> None:
        self._reader.close()
