"""Runs that no worker would come for, where workers come by the depth of the queue, and workers without a run."""

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient

from haulier.runs.planning import LOST_SECONDS
from tests.cli.conftest import RECORDS, Place
from tests.cli.test_politeness import until
from tests.harness.azurite import ACCOUNT, Azurite, fresh_name

WAIT_SECONDS = "0.5"

NO_ITEMS = """
from dataclasses import dataclass
from haulier import Api, App, IdRange, WorkItem

app = App("nothing", api=Api("http://127.0.0.1:9"))

@dataclass(frozen=True)
class Things(WorkItem, stream="things", kind="things"):
    ids: IdRange

@app.enumerate("full")
async def none(ctx):
    for nothing in ():
        yield nothing

@app.processor(Things)
async def pull(item, ctx):
    yield None
"""

SLOW_PLAN = """
import asyncio
from dataclasses import dataclass
from pathlib import Path
from haulier import Api, App, IdRange, WorkItem

app = App("slow", api=Api("http://127.0.0.1:9"))

@dataclass(frozen=True)
class Things(WorkItem, stream="things", kind="things"):
    ids: IdRange

@app.enumerate("full")
async def three(ctx):
    while not (Path(__file__).parent / "go").exists():
        await asyncio.sleep(0.1)
    for first in (1, 2, 3):
        yield Things(IdRange(first, first + 1))

@app.processor(Things)
async def pull(item, ctx):
    yield [{"id": item.ids.start}]
"""


def test_enqueue_closes_a_run_that_a_killed_worker_left_drained(shop: Place) -> None:
    """G1: every item has ended and its message is gone, so no depth brings a worker. The next night closes it and
    starts its own run."""
    first = shop.run("enqueue", "--json").json["run_id"]
    assert shop.run("work", "--exit-idle").code == 0
    (closings,) = shop.lake.glob(f"_haulier/shop/runs/{first}/closing*")
    shutil.rmtree(closings)  # As it is before whoever settled the last item begins to close.
    for sign in shop.lake.rglob("_SUCCESS.json"):
        sign.unlink()
    assert shop.run("status", "--json").json["state"] == "open"

    said = shop.run("enqueue", "--json")
    assert f"Run {first} was drained, and is closed now: complete." in said.err
    assert said.json["run_id"] != first
    assert said.json["items"] == 5
    verdict = shop.run("status", "--run", first, "--json").json
    assert (verdict["state"], verdict["records"]) == ("complete", RECORDS)


def test_a_run_without_items_is_closed_by_whoever_enqueues_it(shop: Place) -> None:
    """G1: it has no message, so nothing would bring a worker, and it would stay open for ever."""
    shop.name = "nothing.py"
    shop.toml.write_text(NO_ITEMS)
    said = shop.run("enqueue", "--json")
    assert (said.code, said.json["state"], said.json["items"]) == (0, "complete", 0), said.err
    assert f"Run {said.json['run_id']} has no items, and is closed: complete." in said.err
    assert shop.run("status", "--json").json["state"] == "complete"


def test_a_worker_leaves_where_no_run_is_opened(shop: Place) -> None:
    """A fleet of a fixed size would else be paid for until somebody stops it, and its next night be left out. What is
    typed goes before the variable of an image, and the log says by which rule it left."""
    process = shop.start("work", "--wait", WAIT_SECONDS, env={"HAULIER_EXIT_IDLE": "1"})
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert re.search(r'"event":"this worker leaves",.*"why":"no run is open or being planned, .* after its start"', err)


def test_g1_a_queue_that_lost_its_messages_is_filled_by_the_next_night(shop: Place) -> None:
    """Nothing has depth then, and no worker stays for so long that it sees what is lost: the run would stay open, and
    each night say that it is."""
    first = shop.run("enqueue", "--json").json["run_id"]
    assert shop.run("clear").code == 0
    said = shop.run("work", "--exit-idle")
    assert (said.code, '"why":"no item is ready (--exit-idle)"' in said.err) == (0, True)
    assert shop.run("status", "--json").json["state"] == "open"

    said = shop.run("enqueue", "--json")
    assert f"5 items of run {first} were sent again: not ended, and the queue held no message of the run." in said.err
    assert (said.code, said.json["run_id"]) == (0, first)
    assert "sent again" not in shop.run("enqueue").err
    said = shop.run("work", "--exit-idle")
    assert (said.code, '"why":"every run that it worked is closed"' in said.err) == (0, True)
    assert shop.run("status", "--run", first, "--json").json["state"] == "complete"


def test_g1_on_azure_a_queue_that_lost_its_messages_is_filled_by_the_next_night(
    shop: Place, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though a queue there never shows what it holds: it holds nothing where it counts none in either lane. A message
    that is leased counts, and then nothing is sent."""
    container, queue = fresh_name("bronze"), fresh_name("q")
    for name, value in {
        "AZURE_STORAGE_CONNECTION_STRING": azurite.connection_string,
        "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
        "HAULIER_QUEUE": f"azure-queue://{ACCOUNT}/{queue}",
        "HAULIER_LAKE": f"az://{container}/lake",
    }.items():
        monkeypatch.setenv(name, value)
    with ContainerClient.from_connection_string(azurite.connection_string, container) as client:
        client.create_container()
    first = shop.run("enqueue", "--json").json["run_id"]
    assert shop.run("clear").code == 0
    assert shop.run("work", "--exit-idle").code == 0
    assert f"5 items of run {first} were sent again" in shop.run("enqueue").err
    with QueueClient.from_connection_string(azurite.connection_string, queue) as messages:
        held, *others = messages.receive_messages(visibility_timeout=600, max_messages=32)
        for message in others:
            messages.delete_message(message)
        assert "sent again" not in shop.run("enqueue").err
        messages.delete_message(held)
    assert f"5 items of run {first} were sent again" in shop.run("enqueue").err
    said = shop.run("work", "--wait", WAIT_SECONDS)
    assert (said.code, "no run is open or being planned" in said.err) == (0, True)
    assert shop.run("status", "--run", first, "--json").json["state"] == "complete"


@pytest.mark.timeout(120)
def test_g1_a_fixed_fleet_waits_for_the_run_that_is_still_being_planned(shop: Place) -> None:
    """Last night's run is finished before tonight's is claimed, and tonight's plan takes longer than the wait: whoever
    left would leave it to nobody, night after night."""
    shop.name = "slow.py"
    shop.toml.write_text(SLOW_PLAN)
    go = shop.folder / "go"
    go.touch()
    last = shop.run("enqueue", "--json").json["run_id"]
    go.unlink()
    worker = shop.start("work", "--wait", "2")
    tonight = None
    try:
        until(lambda: shop.run("status", "--run", last, "--json").json["state"] == "complete")
        tonight = shop.start("enqueue")
        with pytest.raises(subprocess.TimeoutExpired):
            worker.communicate(timeout=5)
        go.touch()
        _, err = tonight.communicate(timeout=30)
        assert tonight.returncode == 0, err
        _, err = worker.communicate(timeout=60)
    finally:
        for process in filter(None, (worker, tonight)):
            process.kill()
    assert worker.returncode == 0, err
    newest = shop.run("status", "--json").json
    assert (newest["run_id"] != last, newest["state"], newest["records"]) == (True, "complete", 3)


def test_a_fixed_fleet_does_not_wait_for_a_plan_that_was_given_up(shop: Place) -> None:
    """An API that refuses the enumerator leaves a claimed run without a plan: twelve workers would stay for hours."""
    shop.name = "slow.py"
    shop.toml.write_text(SLOW_PLAN.replace("while", "raise ValueError('refused')\n    while"))
    assert shop.run("enqueue").code != 0
    (claimed,) = shop.lake.rglob("run.json")
    record = json.loads(claimed.read_text())
    old = datetime.now(UTC) - timedelta(seconds=LOST_SECONDS)
    claimed.write_text(json.dumps(record | {"created_at": old.isoformat()}))
    process = shop.start("work", "--wait", WAIT_SECONDS)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "nobody plans this run any more: it is not waited for" in err
    assert record["run_id"] in err


def test_wait_goes_with_no_other_end(shop: Place) -> None:
    said = shop.run("work", "--wait", "60", "--exit-idle")
    assert said.code == 2
    assert "--exit-idle leaves at once, and --wait waits for any: use one of them." in said.err
