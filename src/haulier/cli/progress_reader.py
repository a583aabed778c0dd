"""Figures of a progress bar, summed over one run or all open runs of a source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from haulier.lake.seam import Lake
from haulier.runs.ledger import Ledger, Progress
from haulier.runs.run import Run, list_runs
from haulier.runs.state import open_runs

T = TypeVar("T")


class ProgressReader:
    """Follows one run."""

    def __init__(self, lake: Lake, run: Run | None = None) -> None:
        self._lake = lake
        self._ledgers: dict[str, Ledger] = {}
        if run is not None:
            self._follow(run)

    def close(self) -> None:
        for ledger in self._ledgers.values():
            ledger.close()

    async def read(self) -> Progress | None:
        """Read the figures; None while no plan is sealed."""
        sealed = [ledger for ledger in self._ledgers.values() if await ledger.refresh()]
        parts = [await ledger.progress() for ledger in sealed]
        return _sum(parts) if parts else None

    def of_runs(self, values: Mapping[str, T]) -> list[T]:
        """Pick the values of the runs that are followed."""
        return [value for run_id, value in values.items() if run_id in self._ledgers]

    def _follow(self, run: Run) -> None:
        self._ledgers[run.run_id] = Ledger(self._lake, run.paths)


class OpenRunsReader(ProgressReader):
    """Follows the runs that are, or were, open since the reader was created, or ``only`` one of them."""

    def __init__(self, lake: Lake, source: str, only: str | None) -> None:
        super().__init__(lake)
        self._source = source
        self._only = only
        self._known: set[str] = set()

    async def read(self) -> Progress | None:
        fresh = await list_runs(self._lake, self._source, skip=self._known)
        self._known |= {run.run_id for run in fresh}
        for run in await open_runs(self._lake, (run for run in fresh if self._only in (None, run.run_id))):
            self._follow(run)
        return await super().read()


def _sum(parts: list[Progress]) -> Progress:
    return Progress(
        is_sealed=True,
        planned=sum(part.planned for part in parts),
        split=sum(part.split for part in parts),
        done=sum(part.done for part in parts),
        empty=sum(part.empty for part in parts),
        poisoned=sum(part.poisoned for part in parts),
        discarded=sum(part.discarded for part in parts),
        missing=sum(part.missing for part in parts),
        records=sum(part.records for part in parts),
        bytes=sum(part.bytes for part in parts),
        requests=sum(part.requests for part in parts),
        mean_seconds=parts[0].mean_seconds if len(parts) == 1 else None,
        spread=parts[0].spread if len(parts) == 1 else None,
    )
