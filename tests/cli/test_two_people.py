"""Two people at once, and a worker that waits: real processes over one run that closed as partial."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections import Counter

import pytest

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import Place

SOURCE = """
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from haulier import Action, Api, App, Context, Rule, WorkItem

app = App("numbers", api=Api("{url}"), rules=[Rule(Action.SPLIT, status=404)])  # Poison at once: it cannot be divided.


@dataclass(frozen=True)
class Number(WorkItem, stream="numbers", kind="number"):
    n: int


@app.enumerate("full")
async def numbers(ctx: Context) -> AsyncIterator[WorkItem]:
    for n in range(60):
        yield Number(n)


@app.processor(Number)
async def number(item: Number, ctx: Context) -> AsyncIterator[list[dict[str, int]]]:
    is_mended = Path(__file__).with_name("mended").exists()
    await ctx.api.json("/count" if is_mended or item.n % 2 else "/no/such/path")
    yield [{{"n": item.n}}]
"""
POISONED = 30


@pytest.fixture
def partial(place: Place) -> object:
    """A run of sixty items, of which every second one was poisoned and would not be again."""
    with SandboxProcess(SandboxSettings(records=1)) as api:
        place.name = "numbers.py"
        place.toml.write_text(SOURCE.format(url=api.url))
        said = place.run("run", "--json")
        assert (said.code, said.json["reasons"]) == (3, {"poison": POISONED}), said.err
        (place.folder / "mended").touch()
        yield place


def start(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "haulier", *words]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def end(*processes: subprocess.Popen[str]) -> list[tuple[int, str]]:
    """Their exit codes, and what they said."""
    said = [process.communicate(timeout=60)[1] for process in processes]
    return [(process.returncode, err) for process, err in zip(processes, said, strict=True)]


def require_answered(both: list[tuple[int, str]]) -> None:
    """Who comes second may find the run complete already, which is said."""
    assert all(code == 0 or (code == 2 and "is complete, which is final" in said) for code, said in both), both
    assert 0 in {code for code, _ in both}


def states(place: Place) -> Counter[str]:
    """The items of the newest manifest by their state; an object stands for each that is done, and for no other."""
    newest = max(place.lake.rglob("manifest.ndjson.gz"))
    entries = [json.loads(line) for line in gzip.decompress(newest.read_bytes()).splitlines()]
    objects = {path.name.removesuffix(".ndjson.gz") for path in place.lake.glob("numbers/numbers/*/*/*.ndjson.gz")}
    assert objects == {entry["key"] for entry in entries if entry["state"] == "done"}
    return Counter(entry["state"] for entry in entries)


def test_c7_g1_g2_two_people_redrive_at_the_same_moment_and_a_waiting_worker_takes_it(partial: Place) -> None:
    """Each of them is answered, each item is done once, and the worker that found no open run closes this one anew."""
    source = str(partial.toml)
    waiting = start("work", source)
    assert waiting.stderr is not None
    assert "No run is open: this worker waits" in waiting.stderr.readline()
    both = end(*(start("poison", "redrive", source, "--all", "--why", "mended") for _ in range(2)))
    require_answered(both)
    ((code, said),) = end(waiting)
    assert code == 0, said
    assert states(partial) == {"done": 60}
    verified = partial.run("verify", "--json")
    assert (verified.code, verified.json["state"], verified.json["totals"]["records"]) == (0, "complete", 60)


def test_c7_g1_g2_one_redrives_what_another_discards_at_the_same_moment(partial: Place) -> None:
    """Whoever wins for a key, it is done or discarded, none is lost, and the verdict counts both."""
    source = str(partial.toml)
    both = end(
        start("poison", "redrive", source, "--reason", "cap"),
        start("poison", "discard", source, "--kind", "number", "--why", "enough"),
    )
    require_answered(both)
    if partial.run("status", "--json").json["state"] != "complete":
        assert partial.run("run").code == 0
    found = states(partial)
    assert found["done"] + found["discarded"] == 60
    assert found["done"] >= 60 - POISONED
    verified = partial.run("verify", "--json")
    assert (verified.code, verified.json["state"], verified.json["totals"]["records"]) == (0, "complete", found["done"])
