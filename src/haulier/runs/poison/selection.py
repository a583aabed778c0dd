"""Which poisoned items a person means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from haulier.errors import UsageError
from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.plurals import count_of, have
from haulier.runs import ledger_schema as table
from haulier.runs.concurrency import run_each
from haulier.runs.ledger import Ledger
from haulier.runs.poison.previewed import Numbered, PreviewedPoison
from haulier.runs.poison.records import GroupName, read_poison
from haulier.runs.reasons import POISON_REASONS
from haulier.runs.records import PoisonRecord
from haulier.runs.run import Run

T = TypeVar("T")


@dataclass(frozen=True)
class PoisonSelection:
    """Items of these ``keys``, of a ``reason``, of a ``kind``, or of both, of a ``group``, or what was ``previewed``;
    all, if nothing is said."""

    keys: frozenset[str] | None = None
    reason: str = ""
    kind: str = ""
    group: GroupName | None = None
    is_redriven: bool = False
    """Only items that were redriven and have not ended since: what a redrive left that was cut off."""
    previewed: PreviewedPoison | None = None

    @classmethod
    def of_keys(cls, keys: Iterable[str]) -> PoisonSelection:
        return cls(frozenset(keys))

    @classmethod
    def filtered(cls, reason: str, kind: str) -> PoisonSelection:
        """Raises `UsageError` for a reason that there is not."""
        if reason and reason not in POISON_REASONS:
            raise UsageError(
                f"There is no reason {reason!r} of poison. The reasons are: {', '.join(POISON_REASONS)}. "
                "(Why items are discarded stands behind --why.)"
            )
        return cls(reason=reason, kind=kind)

    @property
    def is_all(self) -> bool:
        return self == ALL_POISON

    @property
    def in_words(self) -> str:
        """What follows ``poisoned``."""
        if self.group is not None:
            return f" as {' '.join(str(part) for part in self.group if part is not None)}"
        reason = f" for the reason {self.reason}" if self.reason else ""
        return f"{reason} in kind {self.kind}" if self.kind else reason

    def has(self, key: str, kind: str, reason: str) -> bool:
        return (self.keys is None or key in self.keys) and self.kind in ("", kind) and self.reason in ("", reason)

    async def pick(self, lake: Lake, paths: RunPaths, items: Sequence[Numbered]) -> list[Numbered]:
        """The items that are meant, by key. Records are read for a reason alone."""
        if self.previewed is not None:
            return await self.previewed.pick(items)
        named = [numbered for numbered in items if self.has(numbered[0].key, numbered[0].kind, self.reason)]
        if not self.reason and self.group is None:
            return named

        async def with_fate(numbered: Numbered) -> tuple[Numbered, bool]:
            record = await read_poison(lake, paths, numbered[0].key, numbered[1])
            return numbered, record is not None and self._has_died_so(record)

        found = await run_each(with_fate, named, lake.capabilities.in_flight)
        return sorted((numbered for numbered, is_meant in found if is_meant), key=lambda numbered: numbered[0].key)

    def _has_died_so(self, record: PoisonRecord) -> bool:
        group = record.reason, record.status, record.error_class
        return self.reason in ("", record.reason) and self.group in (None, group)

    async def require_poisoned(self, ledger: Ledger, run: Run, where: str, unchanged: str, done: str) -> None:
        """Raises `UsageError` for keys that are not in ``where``; and, if there was a preview, for what was poisoned
        then and is not in ``unchanged`` with the same poison. ``done`` tells what can be done with poison."""
        if self.previewed is not None:
            await _require_unchanged(self.previewed, ledger, run, unchanged)
            return
        unknown = set(self.keys or ())
        if unknown:
            async for items in ledger.items(where, "poison"):
                unknown -= {item.key for item, _ in items}
        if unknown:
            await _refuse_redriven(ledger, run, unknown, done)
            raise UsageError(
                f"Not poisoned in run {run.run_id}: {', '.join(sorted(unknown))}. "
                f"`haulier poison list SOURCE` shows the keys that can be {done}."
            )


async def _require_unchanged(previewed: PreviewedPoison, ledger: Ledger, run: Run, unchanged: str) -> None:
    """What was redriven already may have ended since: it is no longer taken, and that is no reason to refuse."""
    found = 0
    async for items in ledger.items(unchanged, "poison"):
        found += await previewed.count_live(items)
    if changed := previewed.live - found:
        raise UsageError(
            f"{changed:,} of {count_of(previewed.live, 'item')} of run {run.run_id} {have(changed)} changed since "
            f"{'it was' if previewed.live == 1 else 'they were'} counted. Nothing was done: look again."
        )


async def _refuse_redriven(ledger: Ledger, run: Run, keys: set[str], done: str) -> None:
    """Raise `UsageError` for those that somebody redrove: they are not poisoned, and may be forgotten all the same."""
    async for items in ledger.items(table.REDRIVEN, "poison"):
        if redriven := sorted(keys & {item.key for item, _ in items}):
            raise UsageError(
                f"Redriven in run {run.run_id}, and not ended since: {', '.join(redriven)}. What is poisoned again can "
                f"be {done}. A redrive that was killed is finished by: "
                f"haulier poison redrive SOURCE {' '.join(redriven)} --run {run.run_id}"
            )


ALL_POISON = PoisonSelection()
