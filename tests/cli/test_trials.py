"""Trial runs: the first items of another run, worked as those would be, and never taken for a snapshot."""

from __future__ import annotations

import pytest

from haulier.testing.sandbox import SandboxProcess
from tests.cli.conftest import RECORDS, Place

LAZY = """
import contextlib
from dataclasses import dataclass
from haulier import Api, App, Lookup, WorkItem

app = App("shop", api=Api("{url}", in_flight=4), expect={{"items": Lookup("/count", at="count")}})

@dataclass(frozen=True)
class Items(WorkItem, stream="items", kind="items_from"):
    first: int

@app.enumerate("full")
async def items(ctx):
    try:
        for first in range(1, 10_000, 100):
            if first > 201:
                raise AssertionError("the enumerator was read too far")
            yield Items(first)
    finally:
        print("the enumerator was closed")

@app.processor(Items)
async def read(item, ctx):
    assert ctx.run.mode == "full"
    query = {{"from_id": item.first, "to_id": item.first + 100, "limit": 100}}
    yield await ctx.api.json("/items", query, at="items")
"""


def test_a_trial_reads_the_first_items_of_an_enumerator_and_closes_it(place: Place, api: SandboxProcess) -> None:
    """Not one item more: behind them may be a million, or an error. The count that a full run must have is not asked
    for. A run of all items is refused by that very error."""
    place.name = "shop.py"
    place.toml.write_text(LAZY.format(url=api.url))
    said = place.run("run", "--max-items", "3")
    assert said.code == 0, said.err
    assert "A trial of at most 3 items: not a snapshot" in said.err
    assert "is complete: 300 records in 3 objects" in said.err
    assert "promise" not in said.err
    assert said.out == "the enumerator was closed\n"
    assert "the enumerator was read too far" in place.run("run").err


def test_a_trial_is_a_run_beside_the_others_and_no_snapshot(shop: Place) -> None:
    """It is found, verified and gone on with as any run is; `latest` shows the full one, which knows nothing of it. An
    open trial is finished by the same command; another one is refused in words."""
    enqueued = shop.run("enqueue", "--max-items", "2", "--json").json
    assert (enqueued["run_id"].partition("-")[0], enqueued["items"]) == ("trial", 2)
    said = shop.run("run", "--max-items", "3")
    assert said.code == 2
    assert "is open, a trial of 2 items of a run of mode full. Type the same to finish it" in said.err
    assert shop.run("run").code == 0
    assert shop.lines() == RECORDS, "the full run read them all, and left the trial alone"
    assert shop.run("status", "--run", enqueued["run_id"], "--json").json["state"] == "open"
    finished = shop.run("run", "--max-items", "2", "--json").json
    assert (finished["run_id"], finished["was_open"]) == (enqueued["run_id"], True)
    assert (finished["state"], finished["mode"], finished["max_items"]) == ("complete", "trial", 2)
    of_items = finished["streams"]["items"]
    assert (of_items["records"], of_items["expected"], "mode=trial" in of_items["path"]) == (400, None, True)
    assert shop.run("verify", "--run", enqueued["run_id"], "--json").json["verified"]["records"] == 400
    assert "mode=full" in shop.run("latest", "--json").json["path"]
    other = shop.run("run", "--max-items", "1", "--json").json
    assert (other["totals"]["planned"], other["run_id"] != enqueued["run_id"]) == (1, True)
    assert not list((shop.lake / "shop/items/mode=full").glob("*/items_ids-1-201.trial*"))


def test_a_trial_is_not_meant_where_there_is_another_run(shop: Place) -> None:
    """`enqueue && wait && load` hears of the full run, whoever tries the source out meanwhile; `cancel` gives that one
    up; and who looks sees it. A trial is meant by its name, or where it is alone."""
    alone = shop.run("enqueue", "--max-items", "1", "--json").json["run_id"]
    assert shop.run("status", "--json").json["run_id"] == alone
    full = shop.run("enqueue", "--json").json["run_id"]
    said = shop.run("run", "--max-items", "1", "--json")
    assert (said.code, said.json["run_id"]) == (0, alone), said.err

    said = shop.run("wait", "--timeout", "0", "--json")
    assert (said.code, said.json["run_id"]) == (4, full)
    for command in ("status", "verify", "poison list"):
        assert shop.run(command, "--json").json["run_id"] == full, command
    assert shop.run("wait", "--run", alone).code == 0

    other = shop.run("enqueue", "--max-items", "1", "--json").json["run_id"]
    said = shop.run("cancel", "--json")
    assert said.json == {"state": "cancelled", "run_id": full}
    assert f"Trial {other} is open, too, and is not meant" in said.err
    assert shop.run("wait", "--json").json["run_id"] == full
    assert shop.run("status", "--run", other, "--json").json["state"] == "open"


@pytest.mark.parametrize("number", ["0", "-1", "some"])
def test_a_trial_of_no_items_is_refused(shop: Place, number: str) -> None:
    said = shop.run("run", "--max-items", number)
    assert said.code == 2
    assert "--max-items" in said.err
    assert not shop.lake.exists()
