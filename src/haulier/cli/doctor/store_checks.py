"""Lake and queue: whether what a run does there can be done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from haulier.app.open_source import OpenSource
from haulier.cli.doctor.finding import Finding, failed
from haulier.errors import HaulierError, LakeUnavailableError
from haulier.lake.paths import compact_time
from haulier.lake.seam import Lake
from haulier.plurals import count_of
from haulier.runs.lost_queue import require_queue

PROBE = "doctor-"
PROBE_KEPT = timedelta(hours=1)
"""No check takes as long."""
STORE_SECONDS = 60.0
"""Clients of hosted stores wait out an outage; a person who looks does not."""


async def find_lake(source: OpenSource) -> Finding:
    """The lake's own check, and then each step of the protocol beside the runs of this source."""
    place = source.lake.locate(f"_haulier/{source.app.name}")
    try:
        async with asyncio.timeout(STORE_SECONDS):
            await source.lake.check()
            await _probe(source)
    except TimeoutError:
        return Finding(
            check="lake", subject=place, state="away", text=f"The lake does not answer within {STORE_SECONDS:.0f} s."
        )
    except HaulierError as error:
        return failed("lake", error, place)
    return Finding(check="lake", subject=place, text="Files are written once, read, listed and removed there.")


async def _probe(source: OpenSource) -> None:
    """Create-only: a second file of one name is refused, and the first one stands."""
    lake, folder = source.lake, f"_haulier/{source.app.name}"
    now = source.clock.now()
    await _remove_left(lake, folder, now - PROBE_KEPT)
    name = f"{PROBE}{compact_time(now)}-{source.name}.json"
    path, first = f"{folder}/{name}", b'{"probe":1}'
    try:
        is_sound = await lake.create(path, first) and not await lake.create(path, b'{"probe":2}')
        is_sound = is_sound and await lake.read(path) == first and name in await lake.names(folder)
    finally:
        await lake.remove(path)
    if not is_sound or await lake.exists(path):
        raise LakeUnavailableError(
            f"{path} in the lake is not what was written: a file may be replaced, missed or kept there. Name a lake in "
            "another place."
        )


async def _remove_left(lake: Lake, folder: str, before: datetime) -> None:
    """Probes of a doctor that was killed. Names that begin with a time are in the order of their times."""
    for name in await lake.names(folder):
        if PROBE < name < f"{PROBE}{compact_time(before)}":
            await lake.remove(f"{folder}/{name}")


async def find_queue(source: OpenSource) -> AsyncIterator[Finding]:
    """Whether messages can be sent and taken, and what is there."""
    name = source.queue.capabilities.name
    try:
        async with asyncio.timeout(STORE_SECONDS):
            await require_queue(source.lake, source.queue, source.app.name)
            if not await source.queue.exists():
                yield Finding(check="queue", subject=name, text="It does not exist yet; the first run makes it.")
                return
            depth = await source.queue.depth()
            await source.queue.check()
            holders = await source.queue.holders()
    except TimeoutError:
        yield Finding(
            check="queue", subject=name, state="away", text=f"The queue does not answer within {STORE_SECONDS:.0f} s."
        )
        return
    except HaulierError as error:
        yield failed("queue", error, name)
        return
    about = "" if source.queue.capabilities.exact_depth else "about "
    held = sum(holder.leases for holder in holders if holder.whereabouts == "gone")
    freed = f" Ended workers lease {held:,} of them, which are free at once." if held else ""
    yield Finding(
        check="queue", subject=name, text=f"It answers, and holds {about}{count_of(depth.unsettled, 'message')}.{freed}"
    )
