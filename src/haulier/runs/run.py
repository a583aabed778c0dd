"""Runs: claimed, loaded and listed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from haulier.clock import Clock
from haulier.errors import UsageError
from haulier.lake.names import is_path
from haulier.lake.paths import RunPaths, compact_time, runs_root
from haulier.lake.seam import Lake
from haulier.runs.concurrency import run_each
from haulier.runs.records import RunFile, decode_record, encode_record
from haulier.sources.context import RunInfo


@dataclass(frozen=True)
class Run:
    """A claimed run: its ``run.json``, and the paths of its files."""

    file: RunFile
    paths: RunPaths

    @property
    def run_id(self) -> str:
        return self.file.run_id

    @property
    def plans(self) -> str:
        """The mode of its items: a trial is worked as the run would be that it tries out."""
        return self.file.plans or self.file.mode

    @property
    def command(self) -> str:
        """What a person types to finish it; `--new` behind it supersedes this one and no run of another mode."""
        mode = "" if self.plans == "full" else f" {self.plans}"
        trial = "" if self.file.max_items is None else f" --max-items {self.file.max_items}"
        return f"haulier run SOURCE{mode}{trial}"

    def seconds_at(self, moment: datetime) -> float:
        """Tenths of seconds since it was claimed; never less than 0, although clocks of machines differ."""
        return max(0.0, round((moment - self.file.created_at).total_seconds(), 1))

    @property
    def info(self) -> RunInfo:
        return RunInfo(self.run_id, self.plans, self.file.snapshot_time)

    @classmethod
    def of(cls, file: RunFile) -> Run:
        return cls(file, RunPaths(file.source, file.run_id, file.mode, file.snapshot_time))


@dataclass(frozen=True)
class NewRun:
    source: str
    mode: str
    fingerprint: str
    streams: tuple[str, ...]
    has_expect: bool
    version: str
    plans: str = ""
    max_items: int | None = None


TRIAL = "trial"
"""The mode of runs that plan the first items of another mode alone. None is a snapshot."""


async def claim_run(lake: Lake, clock: Clock, new: NewRun, moment: datetime | None = None) -> Run:
    """Create its ``run.json``. The snapshot time is ``moment``, by default now. Where the name is taken, the next
    second's is tried."""
    now = clock.now()
    snapshot_time = (moment or now).replace(microsecond=0)
    while True:
        file = RunFile(
            run_id=run_id_of(new.mode, snapshot_time),
            source=new.source,
            mode=new.mode,
            snapshot_time=snapshot_time,
            created_at=now,
            fingerprint=new.fingerprint,
            streams=new.streams,
            has_expect=new.has_expect,
            plans=new.plans,
            max_items=new.max_items,
            haulier=new.version,
        )
        run = Run.of(file)
        if await lake.create(run.paths.run, encode_record(file)):
            return run
        snapshot_time += timedelta(seconds=1)


def run_id_of(mode: str, snapshot_time: datetime) -> str:
    return f"{mode}-{compact_time(snapshot_time)}"


async def load_run(lake: Lake, source: str, run_id: str) -> Run | None:
    path = f"{runs_root(source)}/{run_id}/run.json"
    body = await lake.read(path)
    return None if body is None else Run.of(decode_record(RunFile, body, path))


async def list_runs(lake: Lake, source: str, skip: Collection[str] = ()) -> list[Run]:
    """Oldest first."""
    names = [name for name in await lake.names(runs_root(source)) if is_path(name) and name not in skip]
    runs = await run_each(lambda run_id: load_run(lake, source, run_id), names, lake.capabilities.in_flight)
    return sorted((run for run in runs if run is not None), key=lambda run: (run.file.snapshot_time, run.run_id))


def require_same_fingerprint(run: Run, fingerprint: str) -> None:
    """Raises `UsageError` for a run whose records would change shape half-way."""
    if run.file.fingerprint != fingerprint:
        raise UsageError(
            f"Run {run.run_id} of {run.file.source!r} was planned with another source file: what shapes its records "
            "(a query, the records path, the pages, the bounds or the items) has changed since. "
            f"Put the file back to finish that run, or start afresh with `{run.command} --new`, "
            "which closes it as superseded and removes nothing."
        )
