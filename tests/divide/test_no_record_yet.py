"""A source that is wrong in what only a record or a whole list shows, beside items that end well without a record (G4).

The rule: the first items fail alike, and none has yielded a record. Then the run stops, and nothing is poisoned.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from haulier.app.app import App
from haulier.config.source_file import load_source
from tests.api.paging.rig import Asked, Reply, serving
from tests.divide.rig import Shop, opened, shop
from tests.divide.test_wrong_source import STEP, good, ids_of

ITEMS = 40


def sparse(answer: Callable[[Asked], Reply], every: int = 3) -> Callable[[Asked], Reply]:
    """Of so many windows the first one has no record."""

    def found(asked: Asked) -> Reply:
        if asked.path != "/items" or (ids_of(asked)[0] // STEP) % every:
            return answer(asked)
        return Reply({"items": [], "next": None, "total": 0})

    return found


def off_by(more: int) -> Callable[[Asked], Reply]:
    """The total counts something else."""

    def answer(asked: Asked) -> Reply:
        ids = ids_of(asked)
        return Reply({"items": [{"id": id} for id in ids], "next": None, "total": len(ids) + more})

    return answer


def of_all(asked: Asked) -> Reply:
    ids = ids_of(asked)
    return Reply({"items": [{"id": id} for id in ids], "next": None, "total": 999_999})


def linked(asked: Asked) -> Reply:
    ids = ids_of(asked)
    return Reply(
        {
            "items": [{"id": id} for id in ids],
            "next": f"http://inner.example/items?from_id={ids[0]}&to_id={ids[-1] + 1}&page=2",
            "total": 2 * STEP,
        }
    )


def as_csv(asked: Asked) -> Reply:
    return Reply("".join(["id\n", *(f"{id}\n" for id in ids_of(asked))]).encode())


def in_latin(asked: Asked) -> Reply:
    return Reply('{"items": [{"id": 1, "name": "café"}], "next": null, "total": 1}'.encode("latin-1"))


LINKS = ('pages = { cursor = "next", query = "cursor" }', 'pages = { next_url = "next" }')
WRONG: dict[str, tuple[Callable[[Asked], Reply], tuple[str, str], str]] = {
    "key": (sparse(good), ("records =", 'key = "idd"\nrecords ='), "'idd'"),
    "add": (sparse(good), ("records =", 'add = { id = "{start}" }\nrecords ='), "'id'"),
    "total, one more": (off_by(1), ("", ""), "1 records and sent"),
    "total, one more, beside empty ones": (sparse(off_by(1)), ("", ""), "1 records and sent"),
    "total, fewer": (off_by(-5), ("", ""), "5 records and sent"),
    "total of all": (of_all, ("", ""), "promised 999999 records and sent"),
    "links of another origin": (linked, LINKS, 'link_origin = "own"'),
    "csv": (as_csv, ("", ""), "not JSON"),
    "charset": (in_latin, ("", ""), "UTF-8"),
}


def source(folder: Path, url: str, changed: tuple[str, str], last: int, step: int) -> App:
    shop(folder, url, step=step, last=last)
    file = folder / "shop.toml"
    file.write_text(file.read_text().replace(*changed))
    return App.from_settings(load_source(file, {}))


@contextlib.asynccontextmanager
async def run_of(
    folder: Path,
    answer: Callable[[Asked], Reply],
    changed: tuple[str, str] = ("", ""),
    items: int = ITEMS,
    step: int = STEP,
    tries: int = 5,
) -> AsyncIterator[tuple[Shop, list[Any]]]:
    async with (
        serving(answer) as api,
        opened(source(folder, api.url, changed, items * step, step), folder, max_failures=tries) as run,
    ):
        yield run, api.requests


@pytest.mark.parametrize("wrong", WRONG)
async def test_g4_a_source_without_a_record_so_far_stops_the_run(tmp_path: Path, wrong: str) -> None:
    answer, changed, said = WRONG[wrong]
    async with run_of(tmp_path, answer, changed) as (run, requests):
        code, reason = await run.work()
        assert (code, said in reason) == (2, True), reason
        assert (run.poison, run.records) == ({}, [])
        assert not any(message.failures for message in run.messages)
        assert len(run.divided) <= 1, "one tells whether less at a time helps"
        assert len(requests) <= 100


@pytest.mark.parametrize(("status", "is_known"), [(200, False), (400, True)])
async def test_g4_the_only_bad_item_among_empty_ones_is_its_own(tmp_path: Path, status: int, *, is_known: bool) -> None:
    """It may be the only item with records, and the record be bad. Also where an earlier worker met the empty ones."""
    is_shut = is_known

    def answer(asked: Asked) -> Reply:
        ids = ids_of(asked)
        if 44 not in ids:
            return Reply({"items": [], "next": None, "total": 0})
        if is_shut:
            return Reply({"error": "log in"}, 401)
        return Reply({"items": [{"no": 44}], "next": None, "total": 1}, status)

    async with run_of(tmp_path, answer, ("records =", 'key = "id"\nrecords ='), items=6, step=8, tries=2) as (run, _):
        if is_known:
            assert (await run.work())[0] == 2
            assert len(run.messages) < 6
            is_shut = False
        code, reason = await run.work()
        assert (code, list(run.poison)) == (0, ["items_ids-44-45"]), reason
        assert (await run.verdict()).verdict == "partial"


async def test_g4_few_items_of_another_charset_stop_the_run(tmp_path: Path) -> None:
    """One record can make a body unreadable, so two such items prove nothing; their parts tell."""
    async with run_of(tmp_path, in_latin, items=2) as (run, requests):
        code, reason = await run.work()
        assert (code, "is not UTF-8" in reason, run.poison) == (2, True, {}), reason
        assert len(requests) <= 240


async def test_g4_an_api_that_cuts_lists_in_silence_is_divided(tmp_path: Path) -> None:
    """Each first item lacks as many records of as many. Less at a time helps, which one item shows for all."""

    def answer(asked: Asked) -> Reply:
        ids = ids_of(asked)
        return Reply({"items": [{"id": id} for id in ids[:30]], "next": None, "total": len(ids)})

    async with run_of(tmp_path, answer, items=8) as (run, _):
        code, reason = await run.work()
        assert (code, (await run.verdict()).verdict) == (0, "complete"), reason
        assert run.ids == [*range(1, 8 * STEP + 1)]


JOB = """
[streams.items.job]
id = "job"
poll = "/jobs/{job}"
state = "state"
done = "done"
failed = ["failed"]
count = "count"
files = "files"
every = "1s"
within = "5s"
"""
WRONG_JOBS: dict[str, tuple[dict[str, Any], str]] = {
    "count": ({"count": 7}, "The job has 7 records"),
    "file missing": ({"files": ["/gone"]}, "The result of the job is not there any more"),
    "other storage": ({"files": ["http://storage.example/1"]}, "download_origin"),
    "no file": ({"files": []}, "no address at 'files'"),
    "other word": ({"state": "ready"}, "its state is 'ready'"),
    "failed": ({"state": "failed"}, "ended with the state 'failed'"),
}


@pytest.mark.parametrize("wrong", [*WRONG_JOBS, ""])
async def test_g4_jobs_that_end_alike_stop_the_run(tmp_path: Path, wrong: str) -> None:
    """A job costs the API much: after a few that came to nothing no other one is started."""
    told, said = WRONG_JOBS[wrong] if wrong else ({}, "")

    def answer(asked: Asked) -> Reply:
        if asked.path == "/items":
            return Reply({"job": f"{asked.query['from_id']}-{asked.query['to_id']}"})
        if asked.path == "/gone":
            return Reply({"error": "no such file"}, 404)
        start, end = (int(part) for part in asked.path.rpartition("/")[2].split("-"))
        if asked.path.startswith("/files/"):
            return Reply({"items": [{"id": id} for id in range(start, end)]})
        good = {"state": "done", "count": end - start, "files": [f"/files/{start}-{end}"]}
        return Reply(good | told)

    async with serving(answer) as api:
        shop(tmp_path, api.url, step=STEP, last=ITEMS * STEP)
        file = tmp_path / "shop.toml"
        head, _, tail = file.read_text().partition("pages =")
        tail = tail.partition("[streams.items.full.ids]")[2]
        file.write_text(
            head.replace("query = { limit = 100 }", 'pages = "single"') + JOB + "\n[streams.items.full.ids]" + tail
        )
        async with opened(App.from_settings(load_source(file, {})), tmp_path, max_failures=5) as run:
            code, reason = await run.work()
            jobs = sum(request.path == "/items" for request in api.requests)
            if not wrong:
                assert (code, len(run.ids), jobs) == (0, ITEMS * STEP, ITEMS)
                return
            assert (code, said in reason) == (2, True), reason
            assert (run.poison, run.divided, run.records) == ({}, {}, [])
            assert jobs <= 60
