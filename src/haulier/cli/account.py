"""What the ledgers of one run, or of every open run of a source, say together: the figures of a progress bar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from haulier.lake.seam import Lake
from haulier.runs.ledger import Ledger, Progress
from haulier.runs.run import Run, list_runs
from haulier.runs.state import run_state

T = TypeVar("T")


class Account:
    """Follows one run. `OpenAccount` follows whatever is open."""

    def __init__(self, lake: Lake, run: Run | None = None) -> None:
        self._lake = lake
        self._ledgers: dict[str, Ledger] = {}
        if run is not None:
            self._follow(run)

    def close(self) -> None:
        for ledger in self._ledgers.values():
            ledger.close()

    async def progress(self) -> Progress | None:
        """What is written by now. None while no plan is sealed."""
        sealed = [ledger for ledger in self._ledgers.values() if await ledger.refresh()]
        parts = [await ledger.progress() for ledger in sealed]
        return _sum(parts) if parts else None

    def of_runs(self, values: Mapping[str, T]) -> list[T]:
        """Of something that is told by run: what is about the runs that are followed."""
        return [value for run_id, value in values.items() if run_id in self._ledgers]

    def _follow(self, run: Run) -> None:
        self._ledgers[run.run_id] = Ledger(self._lake, run.paths)


class OpenAccount(Account):
    """Follows every run of a source that was open at some time since it was opened itself, or ``only`` one of them."""

    def __init__(self, lake: Lake, source: str, only: str | None) -> None:
        super().__init__(lake)
        self._source = source
        self._only = only
        self._known: set[str] = set()

    async def progress(self) -> Progress | None:
        for run in await list_runs(self._lake, self._source, skip=self._known):
            self._known.add(run.run_id)
            if self._only in (None, run.run_id):
                state, _ = await run_state(self._lake, run.paths)
                if not state.is_closed:
                    self._follow(run)
        return await super().progress()


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
    )
