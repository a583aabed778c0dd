"""Verifying a closed run: every object reread against its manifest, strays reported, what closings left swept away."""

from __future__ import annotations

from dataclasses import dataclass, field

import apsw

from haulier.errors import DamagedObjectError
from haulier.lake.seam import Lake
from haulier.runs.manifest import read_manifest
from haulier.runs.records import ManifestEntry
from haulier.runs.run import Run
from haulier.runs.scratch import Scratch

FORGOTTEN_SECONDS = 86_400.0
"""A temporary name older than a day belongs to no living process: none holds one for longer than a write."""

SHOWN = 100
"""Findings kept in words; all of them are counted."""


@dataclass
class Verification:
    """What a verification saw. `is_sound` is the answer; the rest says where to look."""

    objects: int = 0
    records: int = 0
    bytes: int = 0
    damaged: int = 0
    strays: int = 0
    swept: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Every listed object holds what the manifest says. A stray does not count: no manifest lists it."""
        return self.damaged == 0

    def note(self, finding: str) -> None:
        if len(self.findings) < SHOWN:
            self.findings.append(finding)


async def verify_run(lake: Lake, run: Run, number: int) -> Verification:
    """Reread every object that the manifest of closing ``number`` lists. Removes nothing but staging and temporaries."""
    seen = Verification()
    seen.swept = await lake.sweep(run.paths.staging)
    seen.swept += await lake.clean(run.paths.root, older_than_seconds=FORGOTTEN_SECONDS)
    for stream in run.file.streams:
        seen.swept += await lake.clean(run.paths.bronze(stream), older_than_seconds=FORGOTTEN_SECONDS)
    async for entries in read_manifest(lake, run.paths, number):
        for entry in entries:
            if entry.state == "done":
                await _verify_object(lake, entry, seen)
    await _find_strays(lake, run, number, seen)
    return seen


async def _verify_object(lake: Lake, entry: ManifestEntry, seen: Verification) -> None:
    try:
        facts = await lake.adopt(entry.path)
    except DamagedObjectError as error:
        seen.damaged += 1
        seen.note(str(error))
        return
    if facts is None:
        seen.damaged += 1
        seen.note(f"{entry.path} is not in the lake; the manifest lists {entry.records} records in it")
    elif (facts.records, facts.bytes, facts.sha256) != (entry.records, entry.bytes, entry.sha256):
        seen.damaged += 1
        seen.note(
            f"{entry.path} holds {facts.records} records in {facts.bytes} bytes (sha256 {facts.sha256[:12]}...); "
            f"the manifest says {entry.records} in {entry.bytes} (sha256 {entry.sha256[:12]}...)"
        )
    else:
        seen.objects += 1
        seen.records += facts.records
        seen.bytes += facts.bytes


async def _find_strays(lake: Lake, run: Run, number: int, seen: Verification) -> None:
    """Objects in the bronze folders that the manifest does not list."""
    listed = Scratch("CREATE TABLE listed (path TEXT PRIMARY KEY) WITHOUT ROWID")
    try:
        async for entries in read_manifest(lake, run.paths, number):
            paths = [(entry.path,) for entry in entries if entry.state in ("done", "damaged")]
            await listed.do(lambda c, paths=paths: c.executemany("INSERT OR IGNORE INTO listed VALUES (?)", paths) and None)  # type: ignore[misc]
        for stream in run.file.streams:
            async for standing in lake.walk(run.paths.bronze(stream)):
                objects = [path for path in standing if path.endswith(".ndjson.gz")]
                for path in await listed.do(lambda c, objects=objects: _unlisted(c, objects)):  # type: ignore[misc]
                    seen.strays += 1
                    seen.note(f"{path} stands in the lake and the manifest does not list it")
    finally:
        listed.close()


def _unlisted(connection: apsw.Connection, paths: list[str]) -> list[str]:
    known = "SELECT 1 FROM listed WHERE path = ?"
    return [path for path in paths if connection.execute(known, (path,)).fetchone() is None]
