"""What poisoned items died of: ten thousand records must not make a look slow, and none is read twice."""

from __future__ import annotations

import json
from pathlib import Path

from haulier.runs.ledger import Ledger
from haulier.runs.poison.reasons import RECORDS_AT_A_LOOK, PoisonReasons, read_poison_reasons
from tests.runs.rig import Place, key_of, thing

POISONED = RECORDS_AT_A_LOOK + 200


async def test_reasons_are_read_bit_by_bit_and_once(tmp_path: Path) -> None:
    """By a ledger that knows the plan, and by one that folds poison alone; a redriven item is left out."""
    place = Place(tmp_path)
    process = place.process()
    things = [thing(number, number + 1) for number in range(POISONED)]
    run = await process.claim()
    await process.enqueue(run, things)
    for number, one in enumerate(things):
        path = tmp_path / run.paths.numbered("poison", key_of(one), 1)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"format": 1, "reason": "cap" if number < 100 else "failed", "payload": {"a": 1}}))
    redriven = tmp_path / run.paths.numbered("redrives", key_of(things[0]), 1)
    redriven.parent.mkdir(parents=True)
    redriven.write_text("{}")

    whole, alone = Ledger(process.lake, run.paths), Ledger(process.lake, run.paths)
    await whole.refresh()
    await alone.fold_poison()
    all_of_them = PoisonReasons({"failed": POISONED - 100, "cap": 99}, 0)
    for ledger in (whole, alone):
        first = await read_poison_reasons(process.lake, run.paths, ledger)
        assert (sum(first.counts.values()), first.unread) == (RECORDS_AT_A_LOOK, 199)
        assert await read_poison_reasons(process.lake, run.paths, ledger) == all_of_them
    for path in (tmp_path / run.paths.folder("poison")).glob("*/1.json"):
        path.write_text("damaged")
    assert await read_poison_reasons(process.lake, run.paths, whole) == all_of_them
    for ledger in (whole, alone):
        ledger.close()
    await place.close()
