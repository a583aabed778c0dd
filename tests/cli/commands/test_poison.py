"""Poison: a person can read it, and give it another go."""

import re

import click
import pytest

from haulier.cli.main import COMMANDS, haulier
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import Place

SOURCE = """
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from haulier import Api, App, Context, IdRange, WorkItem, due_ids

app = App("numbers", api=Api("{url}"))


@dataclass(frozen=True)
class Number(WorkItem, stream="numbers", kind="number"):
    n: int


@dataclass(frozen=True)
class Numbers(WorkItem, stream="numbers", kind="numbers"):
    ids: IdRange


@app.enumerate("full")
async def numbers(ctx: Context) -> AsyncIterator[WorkItem]:
    for n in range(6):
        yield Number(n)


@app.enumerate("incremental")
async def new_numbers(ctx: Context) -> AsyncIterator[WorkItem]:
    for ids in due_ids(ctx.finished.ids("numbers"), first=1, end=10, step=5):
        yield Numbers(ids)


@app.processor(Number)
async def number(item: Number, ctx: Context) -> AsyncIterator[list[dict[str, int]]]:
    if item.n in (2, 4) and not Path(__file__).with_name("mended").exists():
        answer = await ctx.api.json("/no/such/path")
        raise AssertionError(answer)
    if item.n != 5:
        yield [{{"n": item.n}}]


@app.processor(Numbers)
async def all_numbers(item: Numbers, ctx: Context) -> AsyncIterator[list[dict[str, int]]]:
    yield [{{"n": n}} for n in range(item.ids.start, item.ids.end)]
"""


@pytest.fixture
def numbers(place: Place) -> object:
    """A Python source of six items: two fail as long as no file `mended` stands beside it, one is empty."""
    with SandboxProcess(SandboxSettings(records=1)) as api:
        path = place.folder / "numbers.py"
        path.write_text(SOURCE.format(url=api.url))
        place.name = path.name
        yield place


def test_a_run_with_poison_is_partial_and_a_redrive_completes_it(numbers: Place) -> None:
    """C7, G4: exit code 3; every poisoned item is listed with its reason; once mended, the same run ends complete."""
    said = numbers.run("run", "--json")
    assert (said.code, said.json["state"]) == (3, "partial"), said.err
    assert said.json["reasons"] == {"poison": 2}
    assert said.json["totals"]["empty"] == 1

    assert numbers.run("wait").code == 3, "the newest run answers"
    assert numbers.run("poison list", "--json").json["state"] == "partial"
    run_id = said.json["run_id"]
    assert f"  See why: haulier poison list {numbers.toml} --run {run_id}\n" in said.err
    assert f"  Retry: haulier poison redrive {numbers.toml} --all --run {run_id}\n" in said.err
    assert "It is partial: 2 items poisoned.\n" in (doctor := numbers.run("doctor").out)
    assert f"See why: haulier poison list {numbers.toml} --run {run_id}. Then" in doctor
    shown = numbers.run("poison show", "number-2")
    assert "status       404" in shown.out
    assert "/no/such/path" in shown.out
    assert '{"n":2}' in shown.out
    assert "Traceback" not in shown.out, "nobody's line is wrong"
    assert "attempt 1 failed (ApiError 404) and was charged, by " in shown.out
    assert "poison 1: poison (ApiError 404), by " in shown.out
    assert "The last request:\n  GET http://127.0.0.1" in shown.out

    (numbers.folder / "mended").touch()
    assert "1 item of run " in numbers.run("poison redrive", "number-2").err
    listed = numbers.run("poison list")
    assert "1 item that was redriven has not ended since. If that redrive was killed, finish it:" in listed.err
    listed = numbers.run("poison list", "--json").json
    assert (listed["poisoned"], listed["redriven"]) == (1, 1)
    assert numbers.run("status", "--json").json["state"] == "open"
    said = numbers.run("run")
    assert said.code == 3, "number-4 is poisoned still"
    assert "was open; it is finished now.\nNo new run was started." in said.err
    assert len(list(numbers.lake.rglob("run.json"))) == 1
    assert numbers.run("poison redrive", "--all").code == 0
    said = numbers.run("run", "--json")
    assert (said.code, said.json["state"]) == (0, "complete")
    assert said.json["totals"]["records"] == 5
    assert numbers.run("poison redrive", "--all").code == 2, "a complete run is final"


def test_a_cancelled_run_is_not_called_partial_for_its_poison(numbers: Place) -> None:
    """It is final: nobody can redrive it any more."""
    assert numbers.run("run").code == 3
    assert numbers.run("poison redrive", "number-2").code == 0
    assert numbers.run("cancel").code == 0
    said = numbers.run("doctor").out
    assert "It is cancelled: 3 records." in said
    assert "partial" not in said


def test_poison_of_an_unknown_key_is_said_in_words(numbers: Place) -> None:
    numbers.run("run")
    for words in (("show", "number-1"), ("redrive", "number-1")):
        said = numbers.run(f"poison {words[0]}", words[1])
        assert said.code == 2
        assert "number-1" in said.err
        assert "poison list" in said.err


def test_dicts_are_marked_as_encoded_by_us(numbers: Place) -> None:
    """G6: what the processor made itself is told apart from the API's own bytes."""
    import gzip
    import json

    (numbers.folder / "mended").touch()
    assert numbers.run("run").code == 0
    (manifest,) = numbers.lake.rglob("manifest.ndjson.gz")
    entries = [json.loads(line) for line in gzip.decompress(manifest.read_bytes()).splitlines()]
    assert {entry["state"] for entry in entries if entry.get("bytes_are") == "ours" or entry.get("encoded")} == {"done"}


def test_a_discard_says_why_and_no_longer_holds_back_complete(numbers: Place) -> None:
    """C7: what is discarded is counted, with its reason, in manifest and verdict."""
    numbers.run("run")
    assert numbers.run("poison discard", "--all").code == 2, "a reason is demanded"
    said = numbers.run("poison discard", "--all", "--why", "deleted upstream", "--json")
    assert (said.code, said.json["discarded"], said.json["state"]) == (0, 2, "complete"), said.err
    status = numbers.run("status", "--json").json
    assert (status["state"], status["discarded"], status["poisoned"]) == ("complete", 2, 0)


MIXED = (
    SOURCE.replace('api=Api("{url}"))', 'api=Api("{url}"), rules=[Rule(Action.SPLIT, status=400)])')
    .replace("from haulier import Api, App, Context,", "from haulier import Action, Api, App, Context, Rule,")
    .replace(
        "    if item.n != 5:",
        "    if item.n == 1 and not Path(__file__).with_name('mended').exists():\n"
        "        await ctx.api.json('/items', {{'limit': 'none'}})\n    if item.n != 5:",
    )
)


def test_poison_is_grouped_by_what_it_died_of_and_chosen_by_it(numbers: Place) -> None:
    """The largest group first, with an example; a selection by reason, kind or key takes those items and no others."""
    with SandboxProcess(SandboxSettings(records=1)) as api:
        numbers.toml.write_text(MIXED.format(url=api.url))
        assert numbers.run("run").code == 3
        listed = numbers.run("poison list")
        heading, largest, error, other, _ = listed.out.splitlines()
        assert heading.split() == ["items", "reason", "status", "error", "newest", "example"]
        assert largest.split()[:4] == ["2", "poison", "404", "ApiError"]
        assert largest.split()[-1] == "number-2"
        assert "/no/such/path" in error
        assert other.split()[:4] == ["1", "cap", "400", "ApiError"]
        assert f"haulier poison show {numbers.toml} number-2" in listed.err

        document = numbers.run("poison list", "--json").json
        assert [(group["items"], group["key"]) for group in document["groups"]] == [(2, "number-2"), (1, "number-1")]
        assert [item["key"] for item in document["items"]] == ["number-1", "number-2", "number-4"]
        one_by_one = numbers.run("poison list", "--reason", "cap")
        assert one_by_one.out.startswith("number-1  cap 400  GET http://127.0.0.1")
        assert one_by_one.out.count("\n") == 1
        assert numbers.run("poison list", "--kind", "other").out == ""

        before = sorted(numbers.lake.rglob("*"))
        dry = numbers.run("poison redrive", "--reason", "poison", "--dry-run")
        assert dry.out == "poison 404 ApiError: 2 items\n  number-2\n  number-4\n"
        assert "2 items of run " in dry.err
        dry = numbers.run("poison discard", "--kind", "number", "--dry-run", "--json")
        assert (dry.json["would_be_discarded"], dry.json["state"]) == (3, "partial")
        assert sorted(numbers.lake.rglob("*")) == before, "a dry run writes nothing"

        (numbers.folder / "mended").touch()
        said = numbers.run("poison redrive", "--reason", "poison", "--why", "mended by them")
        assert "2 items of run " in said.err
        assert f"No worker is running. Go on with: haulier run {numbers.toml} full" in said.err
        assert numbers.run("run").code == 3
        assert numbers.run("poison discard", "--kind", "number", "--why", "enough").code == 0
        assert numbers.run("status", "--json").json["state"] == "complete"


def test_a_selection_that_says_nothing_or_too_much_is_refused_with_what_to_write(numbers: Place) -> None:
    numbers.run("run")
    for words in ((), ("number-2", "--all"), ("--all", "--kind", "number")):
        said = numbers.run("poison redrive", *words)
        assert said.code == 2
        assert f"`haulier poison redrive {numbers.toml} KEY KEY`" in said.err
        assert "--all" in said.err
    said = numbers.run("poison discard", "--reason", "gone")
    assert said.code == 2
    assert "The reasons are: failed, poison, cap" in said.err
    assert "--why" in said.err


def test_a_poisoned_item_is_tried_in_the_foreground_and_nothing_is_written(numbers: Place) -> None:
    """Its requests and its fate are shown; a done item tells whether the API fails; a person's pause holds it too."""
    assert numbers.run("run").code == 3
    before = {path: path.read_bytes() for path in numbers.lake.rglob("*") if path.is_file()}
    said = numbers.run("try", "--key", "number-2")
    assert said.code == 3
    assert "GET " in said.err
    assert "/no/such/path\n    404, " in said.err
    assert "A worker would ask once more after some seconds, and then poison it (reason `poison`)." in said.err
    assert numbers.run("try", "--key", "number-5", "--json").json["outcome"] == "empty"
    for no_key in ("number-9", "../x"):
        said = numbers.run("try", "--key", no_key)
        assert (said.code, said.out) == (2, "")
        assert re.match(rf"haulier: Run full-\S+ has no item {re.escape(repr(no_key))}\. ", said.err), said.err

    assert numbers.run("pause").code == 0
    held = numbers.run("try", "--key", "number-2", "--json")
    assert held.code == 4
    assert "is paused by" in held.err
    assert numbers.run("resume").code == 0

    (numbers.folder / "mended").touch()
    said = numbers.run("try", "--key", "number-2", "--json")
    assert (said.code, said.json["outcome"], said.json["records"]) == (0, "done", 1)
    assert said.json["first"] == ['{"n":2}']
    assert {path: path.read_bytes() for path in numbers.lake.rglob("*") if path.is_file()} == before
    assert "2 poisoned" in numbers.run("status").out, "what was tried is poisoned still"


READS = {
    "enqueue": (),
    "status": (),
    "runs": (),
    "wait": ("--timeout", "0"),
    "repair": ("--dry-run",),
    "run": (),
    "verify": (),
    "poison list": (),
    "poison show": ("number-2",),
    "poison discard": ("number-4", "--why", "not wanted"),
    "poison redrive": ("number-2",),
    "latest": (),
    "state set": ("numbers", "--until", "5", "--why", "loaded by hand"),
    "state show": (),
    "state reset": ("numbers", "--why", "it was not"),
    "plan": (),
    "try": (),
    "doctor": (),
    "pause": (),
    "resume": (),
    "limit": ("--in-flight", "3"),
    "cancel": (),
    "gc": ("--keep", "1", "--dry-run"),
    "clear": (),
}
"""Every command that has `--json`, in an order in which each has something to say, and what else it needs."""

STATES = {
    *("planning", "open", "closing", "complete", "partial", "abandoned", "superseded", "cancelled"),
    *(
        "tried",
        "planned",
        "cleared",
        "measured",
        "held",
        "resumed",
        "not_paused",
        "limited",
        "not_limited",
        "listed",
        "shown",
        "edited",
    ),
    *("ok", "warning", "wrong", "removed"),
}


def json_commands() -> set[str]:
    """As the command line itself has them."""
    found = set()
    context = click.Context(haulier)
    for name in COMMANDS:
        command = haulier.get_command(context, name)
        subcommands = command.commands if isinstance(command, click.Group) else {"": command}
        for subname, subcommand in subcommands.items():
            assert subcommand is not None
            if any(parameter.name == "as_json" for parameter in subcommand.params):
                found.add(f"{name} {subname}".strip())
    return found


def test_every_document_has_a_state(numbers: Place) -> None:
    """`--json` prints one document, and a program finds what it is about in the same place of each."""
    assert json_commands() == READS.keys()
    states = {}
    for command, words in READS.items():
        document = numbers.run(command, *words, "--json").json
        assert document["state"] in STATES, command
        states[command] = document["state"]
        if command == "poison redrive":
            (numbers.folder / "mended").touch()
            assert numbers.run("run").code == 0
    assert states["status"] == "open"
    assert states["verify"] == states["poison list"] == states["poison show"] == "partial"
    assert states["latest"] == "complete"
    assert (states["try"], states["clear"]) == ("tried", "cleared")
