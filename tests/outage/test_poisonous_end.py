"""The last items of a run are truly poisonous: nothing else is left to show that the API is well. The run still ends.

`tests/divide/test_records.py` has the run that holds nothing else, whose planning alone was answered well.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.api.paging.rig import Asked, Reply, serving
from tests.cli.conftest import Place
from tests.harness.virtual_time import VirtualTime
from tests.outage.rig import FAILURES, TOML, UNREADABLE, Failure, Shop, opened

ITEMS = 60
HOUR_SECONDS = 3_600.0


def names(ids: range) -> list[str]:
    return [f"items_ids-{id}-{id + 1}" for id in ids]


def worked(folder: Path, failure: Failure, ids: range, workers: int) -> float:
    """A run whose items ``ids`` always fail, worked to its end and checked: the virtual seconds that it took."""
    time = VirtualTime()

    async def work(shop: Shop) -> float:
        shop.api.of_item = dict.fromkeys(ids, failure)
        began_at = time.monotonic()
        # A livelock takes no real time to speak of, and would never end.
        async with asyncio.timeout(6 * HOUR_SECONDS), asyncio.TaskGroup() as group:
            tasks = [group.create_task(shop.work(f"w{number}")) for number in range(workers)]
        seconds = time.monotonic() - began_at
        verdict = await shop.verdict()
        assert [task.result() for task in tasks] == [(0, "")] * workers
        assert (verdict.verdict, verdict.reasons) == ("partial", {"poison": len(ids)})
        assert shop.objects == ITEMS - len(ids)
        assert sorted(shop.poison) == sorted(names(ids))
        assert {(record.reason, record.failures) for record in shop.poison.values()} == {("failed", 5)}
        return seconds

    async def run() -> float:
        async with opened(time, folder, items=ITEMS) as shop:
            return await work(shop)

    return time.run(run())


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("failure", [*FAILURES.values(), UNREADABLE], ids=[*FAILURES, "unreadable"])
def test_g1_g4_the_last_three_items_are_poisoned_and_the_run_ends(
    failure: Failure, workers: int, tmp_path: Path
) -> None:
    """G1, G4: failures that look like an outage too are theirs, since the last good request is answered well again.
    They cost minutes, not hours."""
    assert worked(tmp_path, failure, range(ITEMS - 2, ITEMS + 1), workers) < HOUR_SECONDS / 2


@pytest.mark.parametrize("name", ["503", "500"])
def test_g1_g4_so_many_that_the_breaker_doubts(name: str, tmp_path: Path) -> None:
    """G1, G4: forty bad items in a row are more failures than open the breaker, each time; the witness shuts it."""
    assert worked(tmp_path, FAILURES[name], range(ITEMS - 39, ITEMS + 1), 3) < HOUR_SECONDS


POISONOUS = {
    ITEMS - 2: Reply({"error": "busy"}, 503),
    ITEMS - 1: Reply({"error": "a record that cannot be rendered"}, 500),
    ITEMS: Reply(b'{"items": [{"id": 1'),
}
"""An outage to look at, a stumble, and a body that ends too soon."""


async def haulier(command: str, place: Place, *words: str) -> tuple[int | None, str]:
    """A command in a process of its own, to its end: its exit code, and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "haulier", command, str(place.toml), *words, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_g1_g4_three_processes_poison_the_last_three_and_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """G1, G4: three `haulier work`, each with a witness of its own or none: the three are poisoned, all processes end,
    and the run is partial."""

    def answer(asked: Asked) -> Reply:
        id = asked.number("from_id")
        return POISONOUS.get(id, Reply({"items": [{"id": id}], "next": None}))

    place = Place(tmp_path, capsys)
    async with serving(answer) as api:
        place.toml.write_text(TOML.format(url=api.url, last=ITEMS, in_flight=6))
        assert (await haulier("enqueue", place))[0] == 0
        assert [code for code, _ in await asyncio.gather(*(haulier("work", place) for _ in range(3)))] == [0, 0, 0]
        sent = len(api.requests)
    assert json.loads((await haulier("status", place, "--json"))[1])["state"] == "partial"
    assert place.lines() == ITEMS - len(POISONOUS)
    assert sorted(path.parent.name for path in place.lake.rglob("poison/*/1.json")) == names(
        range(ITEMS - 2, ITEMS + 1)
    )
    # Five attempts of at most five requests each, and as many again for those that came uncharged and for witnesses.
    assert sent <= ITEMS + 2 * 3 * 5 * 5
