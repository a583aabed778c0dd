"""Runs that no worker would come for, where workers come by the depth of the queue, and workers without a run."""

import shutil
import subprocess

from tests.cli.conftest import RECORDS, Place

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
    """A fleet of a fixed size would else be paid for until somebody stops it, and its next night be left out."""
    process = shop.start("work", "--wait", WAIT_SECONDS)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "No run was open for 500 ms: this worker leaves." in err


def test_a_worker_that_waits_works_the_run_that_is_opened(shop: Place) -> None:
    process = shop.start("work", "--wait", "60")
    try:
        assert shop.run("enqueue").code == 0
        _, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, err
    assert shop.run("status", "--json").json["state"] == "complete"


def test_wait_goes_with_no_other_end(shop: Place) -> None:
    said = shop.run("work", "--wait", "60", "--exit-idle")
    assert said.code == 2
    assert "--exit-idle leaves at once, and --wait waits for any: use one of them." in said.err
