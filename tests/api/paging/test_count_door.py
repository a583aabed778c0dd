"""Hidden rows and moving lists as a user meets them: a source file or a Python source, `haulier run`, and the lake."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from haulier.cli.main import main
from tests.docs.fake_server import Answer, Asked, Reply, serving

TOML = """
source = "tickets"

[api]
url = "{url}"
in_flight = 2

[streams.incidents]
get     = "/incidents"
records = "result"
pages   = {pages}
{total}

[streams.incidents.full.once]
"""
PYTHON = """
from collections.abc import AsyncIterator
from dataclasses import dataclass

from haulier import Api, App, Context, WorkItem
from haulier.api.client import Total
from haulier.api.paging.positions import Offset

app = App("tickets", api=Api("{url}", in_flight=2))


@dataclass(frozen=True)
class Incidents(WorkItem, stream="incidents", kind="incidents"):
    part: str = "all"


@app.enumerate("full")
async def all_incidents(ctx: Context) -> AsyncIterator[Incidents]:
    yield Incidents()


@app.processor(Incidents)
async def incidents(item: Incidents, ctx: Context) -> AsyncIterator[object]:
    pages = {pages}
    async for page in ctx.api.pages("/incidents", pages=pages, records="result", total={total}):
        yield page
"""
HEADER = 'total   = { header = "X-Total-Count", is = "%s" }'


class Incidents:
    """400 rows. Of each page, five are left out after it was cut; the header counts them all the same."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def answer(self, asked: Asked) -> Reply:
        start, size = asked.number("offset"), asked.number("limit")
        self.asked.append(start)
        shown = [{"id": number} for number in range(start, min(start + size, 400)) if number % 20 != 7]
        return Reply({"result": shown}, headers={"X-Total-Count": "400"})


class Moving:
    """400 rows, of which twenty vanish, or twenty more appear, in the middle of each of the first ``times`` walks."""

    def __init__(self, times: int, by: int) -> None:
        self.ids = list(range(400))
        self.times, self.by = times, by
        self.walks = 0

    def answer(self, asked: Asked) -> Reply:
        start, size = asked.number("offset", (asked.number("page", 1) - 1) * 100), asked.number("limit", 100)
        self.walks += start == 0
        page = self.ids[start : start + size]
        reply = Reply({"result": [{"id": number} for number in page]}, headers={"X-Total-Count": str(len(self.ids))})
        if start == 100 and self.times >= self.walks:
            if self.by < 0:
                del self.ids[:20]
            else:
                self.ids[:0] = range(1_000 * self.walks, 1_000 * self.walks + 20)
        return reply


def run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer, pages: str, total: str, *, python: bool = False
) -> int:
    with serving(answer) as url:
        file = folder / ("tickets_source.py" if python else "tickets.toml")
        file.write_text((PYTHON if python else TOML).format(url=url, pages=pages, total=total))
        monkeypatch.setattr(sys, "path", [*sys.path])
        monkeypatch.setitem(sys.modules, file.stem, ModuleType(file.stem))
        return main(["run", str(file)])


def ids_in(folder: Path) -> list[int]:
    paths = folder.glob("lake/tickets/incidents/mode=full/*/*.ndjson.gz")
    return sorted(json.loads(line)["id"] for path in paths for line in gzip.decompress(path.read_bytes()).splitlines())


def manifest_of(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The manifest's line of the one item, and the totals of the verdict."""
    (path,) = folder.glob("lake/_haulier/tickets/runs/*/**/manifest.ndjson.gz")
    (line,) = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    (success,) = folder.glob("lake/_haulier/tickets/runs/*/_SUCCESS.json")
    return line, json.loads(success.read_bytes())["totals"]


@pytest.mark.parametrize("is_python", [False, True])
def test_hidden_rows_are_read_by_the_limit_and_said(
    is_python: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """G1, G3: 380 rows, each once; manifest and closing words say of 20 that the API counts and did not show."""
    api = Incidents()
    pages = 'Offset(100, advance="limit")' if is_python else '{ offset = "offset", limit = 100, advance = "limit" }'
    total = 'Total(header="X-Total-Count", counts_hidden=True)' if is_python else HEADER % "bound"
    assert run(tmp_path, monkeypatch, api.answer, pages, total, python=is_python) == 0
    assert ids_in(tmp_path) == [number for number in range(400) if number % 20 != 7]
    line, totals = manifest_of(tmp_path)
    assert (line["records"], line["hidden"], totals["hidden"]) == (380, 20, 20)
    assert len(api.asked) == 5
    assert "20 rows that the API counts were not sent" in capsys.readouterr().err


def test_rows_of_an_item_that_are_all_hidden_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """G3: the item ends without records; manifest, totals and closing words count its rows all the same."""
    pages = '{ offset = "offset", limit = 100, advance = "limit" }'
    nothing = Reply({"result": []}, headers={"X-Total-Count": "40"})
    assert run(tmp_path, monkeypatch, lambda asked: nothing, pages, HEADER % "bound") == 0
    line, totals = manifest_of(tmp_path)
    assert (line["state"], line["hidden"], totals["empty"], totals["hidden"]) == ("empty", 40, 1, 40)
    assert "40 rows that the API counts were not sent" in capsys.readouterr().err


@pytest.mark.timeout(120)
def test_hidden_rows_by_what_came_are_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """G1, G3: 400 records, 20 of them twice, and the exact total agreed. Now the run ends with the key to write."""
    api = Incidents()
    assert run(tmp_path, monkeypatch, api.answer, '{ offset = "offset", limit = 100 }', HEADER % "exact") != 0
    assert ids_in(tmp_path) == []
    captured = capsys.readouterr()
    assert 'Write advance = "limit" in `pages` of the stream' in captured.out + captured.err


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("by", [-20, 20])
@pytest.mark.parametrize("pages", ['{ offset = "offset", limit = 100 }', '{ page = "page", size = 100 }'])
def test_a_list_that_moves_is_read_again(
    times: int,
    by: int,
    pages: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """G1, G3: 20 rows come or go in mid-walk: the item begins again, twice at most, until the list stands still. That
    is no failure."""
    api = Moving(times, by)
    assert run(tmp_path, monkeypatch, api.answer, pages, HEADER % "exact") == 0
    assert ids_in(tmp_path) == sorted(api.ids)
    line, totals = manifest_of(tmp_path)
    assert ("drift" in line, totals["drifted"]) == (False, 0)
    assert api.walks == times + 1
    assert "an item failed and is retried" not in capsys.readouterr().err


@pytest.mark.timeout(120)
def test_a_list_that_moves_each_time_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """G1, G3: three walks, and the item fails for now, with words; once the list stands still, it is read."""
    api = Moving(3, -20)
    assert run(tmp_path, monkeypatch, api.answer, '{ offset = "offset", limit = 100 }', HEADER % "exact") == 0
    assert api.walks == 4
    assert ids_in(tmp_path) == sorted(api.ids)
    assert "the total moved from 360 to 340 while the item was read by counting" in capsys.readouterr().err


def test_a_list_that_may_move_is_drift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """G3: declared, the old behaviour: it is done, and the manifest lists what moved."""
    api = Moving(1, -20)
    total = 'total = { header = "X-Total-Count", is = "exact", may_move = true }'
    assert run(tmp_path, monkeypatch, api.answer, '{ offset = "offset", limit = 100 }', total) == 0
    assert api.walks == 2  # The second time, the total alone was asked for.
    line, totals = manifest_of(tmp_path)
    assert (line["drift"], totals["drifted"]) == ({"promised": 400, "reread": 380}, 1)
    assert "1 list changed while being read" in capsys.readouterr().err
