"""G4: a record that ends the process of whoever works it is found like one that cannot be read: by dividing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from haulier.app.open_source import Options
from haulier.app.source_loader import load_app
from haulier.cli.command_lines import child_command
from haulier.runs.records import CrashRecord, encode_record
from haulier.worker.settings import MAX_CRASHES, SILENT_DELIVERIES
from tests.divide.rig import opened
from tests.harness.wiring import worker_of

pytestmark = [pytest.mark.crash, pytest.mark.slow]

SOURCE = """
import os
from dataclasses import dataclass

from haulier import Api, App, IdRange, WorkItem

app = App("shop", api=Api("http://127.0.0.1:9"))


@dataclass(frozen=True)
class Some(WorkItem, stream="items", kind="some"):
    ids: IdRange


@app.enumerate("full")
async def everything(ctx):
    yield Some(IdRange(1, 5))


@app.processor(Some)
async def work(item, ctx):
    if item.ids.start <= 3 < item.ids.end:
        os._exit(11)
    yield [{"id": id} for id in range(item.ids.start, item.ids.end)]
"""


async def test_the_record_that_crashes_is_poisoned_alone(tmp_path: Path) -> None:
    """The third witnessed death divides the item; its parts run alone from the start, and divide at the first. What is
    left is one ID, with three deaths of its own."""
    path = tmp_path / "shop.py"
    path.write_text(SOURCE)
    app = load_app(str(path))
    options = Options(lake=str(tmp_path / "lake"), queue="memory")
    async with opened(app, tmp_path) as run:
        (message,) = run.queue.store.messages.values()
        message.deliveries = SILENT_DELIVERIES
        for number in range(1, MAX_CRASHES):
            seen = CrashRecord(
                number=number, key="some-1-5", exit_code=11, worker="w0", crashed_at=run.site.clock.now()
            )
            await run.site.lake.create(run.run.paths.numbered("crashes", seen.key, number), encode_record(seen))
        deps = dataclasses.replace(run.site.worker_deps(child_command("isolate", str(path), options)), name="w9")
        assert await worker_of(deps).run() == 0
        assert (await run.verdict()).reasons == {"poison": 1}
        assert run.ids == [1, 2, 4]
        assert [(key, record.reason) for key, record in run.poison.items()] == [("some-3-4", "crashed")]
        assert {divided.cause for divided in run.divided.values()} == {"crash"}
        deaths = {path.name: len([*path.iterdir()]) for path in (run.root / "crashes").iterdir()}
        assert deaths == {"some-1-5": 3, "some-3-5": 1, "some-3-4": 3}
