"""Verification of a closed run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from haulier.errors import DamagedObjectError
from haulier.lake.seam import Lake
from haulier.plurals import count_of
from haulier.runs.concurrency import run_each
from haulier.runs.key_compare import KeyComparison
from haulier.runs.manifest import read_manifest
from haulier.runs.plan import remove_lost_attempts
from haulier.runs.records import ManifestEntry, VerdictRecord
from haulier.runs.run import Run
from haulier.runs.signs import mend_signs
from haulier.runs.state import FINAL_VERDICTS
from haulier.runs.strays import strays

FORGOTTEN_SECONDS = 86_400.0
"""Age of temporary names that are removed: no process holds one for longer than a write."""

MAX_NOTES = 100
"""Findings kept in words, of all that are counted."""


@dataclass
class Verification:
    """The findings of a verification; `is_sound` is the answer."""

    objects: int = 0
    records: int = 0
    bytes: int = 0
    damaged: int = 0
    """Objects that are gone, unreadable, or not what the manifest says; its damaged ones too."""
    strays: int = 0
    swept: int = 0
    doubled: dict[str, int] = field(default_factory=dict)
    """By stream with a key, the records whose key an earlier one has; 0 where all are distinct."""
    lacking: int = 0
    """Records of these streams without a key."""
    findings: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Strays do not count."""
        return self.damaged == 0 and self.lacking == 0 and not any(self.doubled.values())

    def note(self, finding: str) -> None:
        if len(self.findings) < MAX_NOTES:
            self.findings.append(finding)


async def verify_run(
    lake: Lake,
    run: Run,
    verdict: VerdictRecord,
    keys: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    removed: Collection[str] = (),
) -> Verification:
    """Read every object in a verdict's manifest, mend the signs, and compare the records of the streams in ``keys``
    (paths by stream) over the run.

    Streams in ``removed`` are passed over (R1). Removes staging and forgotten temporaries, after a final verdict also
    plans that lost, and nothing else. ``verdict`` is ``complete`` or ``partial``, and in force.
    """
    seen = Verification()
    await mend_signs(lake, run, verdict)
    await _clean(lake, run, verdict, seen)
    async for entries in read_manifest(lake, run.paths, verdict.number):
        await _verify_batch(lake, [entry for entry in entries if entry.stream not in removed], seen)
    streams = [stream for stream in run.file.streams if stream not in removed]
    async for found in strays(lake, run, verdict, streams):
        for path in found:
            seen.strays += 1
            seen.note(f"{path} is in the lake, but the manifest does not list it")
    for stream in streams:
        if paths := keys.get(stream):
            await _compare_keys(lake, run, verdict, stream, paths, seen)
    return seen


async def _clean(lake: Lake, run: Run, verdict: VerdictRecord, seen: Verification) -> None:
    seen.swept = await lake.sweep(run.paths.staging)
    seen.swept += await lake.clean(run.paths.root, older_than_seconds=FORGOTTEN_SECONDS)
    for stream in run.file.streams:
        seen.swept += await lake.clean(run.paths.bronze(stream), older_than_seconds=FORGOTTEN_SECONDS)
    if verdict.verdict in FINAL_VERDICTS:
        seen.swept += await remove_lost_attempts(lake, run.paths)


async def _verify_batch(lake: Lake, entries: list[ManifestEntry], seen: Verification) -> None:
    async def verify(entry: ManifestEntry) -> None:
        await _verify_object(lake, entry, seen)

    done = [entry for entry in entries if entry.state == "done"]
    await run_each(verify, done, lake.capabilities.in_flight)
    for entry in entries:
        if entry.state == "damaged":
            seen.damaged += 1
            seen.note(f"{entry.path} was damaged when the run was closed: {entry.reason}")


async def _verify_object(lake: Lake, entry: ManifestEntry, seen: Verification) -> None:
    try:
        facts = await lake.adopt(entry.path)
    except DamagedObjectError as error:
        seen.damaged += 1
        seen.note(str(error))
        return
    if facts is None:
        seen.damaged += 1
        seen.note(f"{entry.path} is not in the lake; the manifest lists {count_of(entry.records, 'record')} in it")
    elif (facts.records, facts.bytes, facts.sha256) != (entry.records, entry.bytes, entry.sha256):
        seen.damaged += 1
        holds = f"{count_of(facts.records, 'record')} in {count_of(facts.bytes, 'byte')}"
        seen.note(
            f"{entry.path} holds {holds} (sha256 {facts.sha256[:12]}...); "
            f"the manifest says {entry.records:,} in {entry.bytes:,} (sha256 {entry.sha256[:12]}...)"
        )
    else:
        seen.objects += 1
        seen.records += facts.records
        seen.bytes += facts.bytes


async def _compare_keys(
    lake: Lake, run: Run, verdict: VerdictRecord, stream: str, paths: tuple[str, ...], seen: Verification
) -> None:
    def entries() -> AsyncIterator[ManifestEntry]:
        return _objects_of(lake, run, verdict, stream)

    comparison = KeyComparison(lake, paths, seen.note)
    await comparison.run(entries)
    seen.doubled[stream] = comparison.doubled
    seen.lacking += comparison.lacking


async def _objects_of(lake: Lake, run: Run, verdict: VerdictRecord, stream: str) -> AsyncIterator[ManifestEntry]:
    async for entries in read_manifest(lake, run.paths, verdict.number):
        for entry in entries:
            if entry.stream == stream and entry.state == "done":
                yield entry
