"""How many items died of what: read bit by bit, since each reason stands in a file of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from haulier.errors import LakeUnavailableError
from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.runs import ledger_schema as table
from haulier.runs.concurrency import run_each
from haulier.runs.ledger import Ledger

RECORDS_AT_A_LOOK = 500
"""Some hundredths of a second on a disk. Ten thousand poisoned items must not make `status` slow."""


@dataclass(frozen=True)
class PoisonReasons:
    counts: dict[str, int] = field(default_factory=dict)
    """The most first."""
    unread: int = 0
    """Poisoned items whose reason was not read yet."""


class _Reason(msgspec.Struct):
    reason: str = ""


_decoder = msgspec.json.Decoder(_Reason)


async def read_poison_reasons(lake: Lake, paths: RunPaths, ledger: Ledger) -> PoisonReasons:
    """Each record is read once, and at most `RECORDS_AT_A_LOOK` of them. The ledger has folded the run's poison."""

    async def read(numbered: tuple[str, int]) -> tuple[str, int, str] | None:
        path = paths.numbered("poison", *numbered)
        body = await lake.read(path)
        try:
            return None if body is None else (*numbered, _decoder.decode(body).reason)
        except msgspec.DecodeError as error:
            raise LakeUnavailableError(f"{path} in the lake is not a record that haulier wrote: {error}") from error

    left = RECORDS_AT_A_LOOK
    async for rows in ledger.select(table.REASON_UNREAD, "poison"):
        numbers = [(str(row[0]), int(str(row[1]))) for row in rows[:left]]
        found = await run_each(read, numbers, lake.capabilities.in_flight)
        await ledger.note_reasons(one for one in found if one is not None)
        left -= len(numbers)
        if left <= 0:
            break
    return PoisonReasons(await ledger.by_reason(), await ledger.count(table.REASON_UNREAD))
