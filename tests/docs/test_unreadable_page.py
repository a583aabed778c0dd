"""docs/unreadable-records.md is typed as it stands, and says what it says (G3, G4)."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest

from haulier import Api, App, Context, IdRange, TimeWindow, WorkItem
from haulier.api.answers.judgement import FEW_RETRIES_IN_PLACE, MAX_RETRIES_IN_PLACE
from haulier.api.requester import MAX_KEPT_BODY_BYTES, MAX_SUSPECT_RETRIES
from haulier.app.source_loader import load_app
from haulier.cli.main import main
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from haulier.worker.bodies import MAX_BODIES
from haulier.worker.settings import ENOUGH_ITEMS, FIRST_ITEMS, MAX_IN_VAIN, MAX_REFUSED, PROOF_SECONDS, WorkerSettings
from tests.docs.pages import ROOT, Block, blocks_of, prose_of, words_of
from tests.docs.test_tutorial import compare, exchanges

PAGE = ROOT / "docs/unreadable-records.md"
DISCARDED = 12_000
START = datetime(2024, 1, 1, tzinfo=UTC)

TIMES = {1: "single", 2: "twice", 4: "four times", 5: "five times"}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_page_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """G3, G4: two bad records cost two records; what is mended, and what is written off, ends as it says."""
    monkeypatch.chdir(tmp_path)
    with contextlib.ExitStack() as stack:
        api: SandboxProcess | None = None
        for block in blocks_of(PAGE):
            if block.language == "sh":
                assert api is not None
                api.change(**json.loads(re.findall("-d '(.+)'", block.text)[0]))
            for command, expected in exchanges(block) if block.language == "console" else ():
                words = words_of(command)
                if words[:2] == ["haulier", "sandbox"]:
                    api = stack.enter_context(SandboxProcess(settings_of(words[2:])))
                    monkeypatch.setenv("SANDBOX_URL", api.url)
                    assert main(["init", "shop.toml"]) == 0
                else:
                    compare(block, command, expected, said(words, code_of(block, words)))
    assert sorted(ids_in(tmp_path / "lake")) == [number for number in range(1, 20_001) if number != DISCARDED]


def ids_in(lake: Path) -> Iterator[int]:
    for path in lake.glob("shop/items/*/*/*.gz"):
        yield from (json.loads(line)["id"] for line in gzip.decompress(path.read_bytes()).splitlines())


def settings_of(flags: list[str]) -> SandboxSettings:
    given = dict(zip(flags[::2], flags[1::2], strict=True))
    bad = tuple(int(number) for number in given["--unreadable-ids"].split(","))
    return SandboxSettings(records=int(given["--records"]), unreadable_ids=bad)


def code_of(block: Block, words: list[str]) -> int:
    """A mark of the block, `exit-3`, is the exit code of its runs."""
    codes = [int(mark.removeprefix("exit-")) for mark in block.marks if mark.startswith("exit-")]
    return codes[0] if codes and words[1] == "run" else 0


def said(words: list[str], code: int) -> list[str]:
    """What a command says, on both streams as a terminal shows them."""
    screen = io.StringIO()
    with contextlib.redirect_stdout(screen), contextlib.redirect_stderr(screen):
        ended = main(words[1:])
    assert ended == code, f"{shlex.join(words)} ended with {ended}:\n{screen.getvalue()}"
    return screen.getvalue().splitlines()


@pytest.mark.parametrize(
    "sentence",
    [
        f"asked for again: {TIMES[FEW_RETRIES_IN_PLACE]} more, an error 500 {TIMES[MAX_RETRIES_IN_PLACE]}.",
        f"after a {TIMES[MAX_SUSPECT_RETRIES]} repeat in place",
        f"is tried {TIMES[WorkerSettings().max_failures]} in all",
        f"poisoned whole after {TIMES[WorkerSettings().max_failures].removesuffix(' times')} failures",
        f"its first {MAX_KEPT_BODY_BYTES // 1024} KiB",
        f"about {MAX_BODIES} of a run",
        f"divided {MAX_IN_VAIN} children in a row",
        f"after {MAX_REFUSED} children in a row that were refused again",
        f"the first {FIRST_ITEMS} items of a worker",
        f"the first {ENOUGH_ITEMS} items of a kind all fail alike for {PROOF_SECONDS:g} seconds",
    ],
)
def test_the_numbers_of_the_page_are_those_of_the_program(sentence: str) -> None:
    """A limit that is changed in the code is changed on the page."""
    assert sentence in " ".join(prose_of(PAGE).split())


def test_some_thirteen_divisions_lead_from_5_000_ids_to_one() -> None:
    """As the page says: halves of halves, as an item is halved."""
    assert "From 5,000 IDs it takes some 13 divisions down to one" in " ".join(prose_of(PAGE).split())
    ids, divisions = IdRange(1, 5_001), 0
    while halves := ids.halves():
        ids, divisions = halves[-1], divisions + 1
    assert divisions == 13


@pytest.mark.parametrize(
    ("division", "parts"),
    [
        ("once = {}", 0),
        ('values = { list = ["a"], query = { of = "{value}" } }', 0),
        ('ids = { last = 9, step = 9, query = { page = "{start}" }, only_start = true }', 0),
        ('ids = { last = 1, step = 9, query = { from = "{start}", to = "{end}" } }', 0),
        ('ids = { last = 9, step = 9, query = { from = "{start}", to = "{end}" } }', 2),
    ],
)
async def test_what_the_page_calls_undivided_is(division: str, parts: int, tmp_path: Path) -> None:
    """G4: what nothing divides ends as one poisoned item; a range of IDs does not."""
    file = tmp_path / "s.toml"
    stream = f'get = "/s"\nrecords = "."\npages = "single"\nfull.{division}'
    file.write_text(f'source = "s"\n[api]\nurl = "http://127.0.0.1:9"\n[streams.s]\n{stream}\n')
    app = load_app(str(file))
    (item,) = [
        item
        async for item in app.items("full", app.streams, cast(Context, SimpleNamespace(api=None, snapshot_time=START)))
    ]
    assert len(app.divide(item)) == parts


@dataclass(frozen=True)
class One(WorkItem, stream="s", kind="one"):
    ids: IdRange


@dataclass(frozen=True)
class Two(WorkItem, stream="s", kind="two"):
    left: IdRange
    right: IdRange


async def processor(item: Any, ctx: Context) -> Any:
    yield item


def test_which_python_kinds_are_divided() -> None:
    """G4: one field of type `IdRange` is enough; two, or none, want a divider."""
    app = App("s", api=Api("http://127.0.0.1:9"))
    for kind in (One, Two):
        app.processor(kind)(processor)
    assert len(app.divide(One(IdRange(1, 9)))) == 2
    assert app.divide(Two(IdRange(1, 9), IdRange(1, 9))) == ()


def test_the_divider_of_the_page_divides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """G4: its example halves a day, and down to one second."""
    (block,) = (block for block in blocks_of(PAGE) if block.language == "python")
    file = tmp_path / "divided_source.py"
    file.write_text(block.text)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, file.stem, ModuleType(file.stem))
    app = load_app(str(file))
    (kind,) = app.processors
    item: Any = kind(TimeWindow(START, START + timedelta(days=1)))  # type: ignore[call-arg]
    divisions = 0
    while halves := app.divide(item):
        item, divisions = halves[0], divisions + 1
    assert (item.window.end - item.window.start, divisions) == (timedelta(seconds=1), 16)
