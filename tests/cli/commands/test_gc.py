"""`haulier gc`: what nobody needs goes, and everything that is needed stays, on a folder and on Azure."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Place as Shop
from tests.cli.history import History


@pytest.fixture
def history(place: Shop) -> History:
    return History(place)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_old_snapshots_go_and_all_else_stays(history: History) -> None:
    """A dry run says the same and removes nothing; the account of each run stays, and says what became of its objects;
    a second one finds nothing."""
    old = [history.run("full", 1, 2), history.run("full", 1, 2, 3)]
    increment = history.run("incremental", 4)
    cancelled = history.claim("full")
    history.do(lambda: history.place.process().enqueue(cancelled, []))
    history.end(cancelled, "cancelled")
    history.place.api.failing = {9}
    partial = history.run("full", 8, 9)
    kept = history.run("full", 1, 2, 3)
    shop, lake = history.shop, history.place.folder
    temporary, fresh = (lake / old[0].paths.root / name for name in (".tmp-old", ".tmp-fresh"))
    for path in (temporary, fresh):
        path.touch()
    os.utime(temporary, (time.time() - 2 * 86_400,) * 2)
    # A run that is partial as it is looked at may be reopened before it is swept.
    spool, worked = (lake / run.paths.staging / "spool" for run in (kept, partial))
    for path in (spool, worked):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (lake / "_haulier/shop/runs/full-20200101T000000Z").mkdir()

    before = files(lake)
    dry = shop.run("gc", "--keep", "1", "--dry-run", "--json")
    assert (dry.code, dry.json["state"]) == (0, "measured"), dry.err
    assert [(each["run_id"], each["files"]) for each in dry.json["snapshots"]] == [
        (old[0].run_id, 3),
        (old[1].run_id, 4),
    ]
    objects = [path for run in old for path in files(lake / run.paths.bronze("things"))]
    assert dry.json["bytes"] == sum(path.stat().st_size for path in objects)
    assert dry.json["leftovers"]["spools"] == 1
    assert files(lake) == before

    said = shop.run("gc", "--keep", "1")
    assert said.code == 0, said.err
    assert "Removed 2 snapshots: 7 files" in said.err
    assert "1 spool, 1 temporary file" in said.err
    removed = {*objects, temporary, spool, *(lake / run.paths.root / "_SUCCESS.json" for run in old)}
    added = {lake / run.paths.removed("things") for run in old}
    assert set(files(lake)) == set(before) - removed | added
    assert not (lake / old[0].paths.bronze("things")).exists()
    assert not (lake / "_haulier/shop/runs/full-20200101T000000Z").exists()
    for run in (increment, partial, kept):
        assert files(lake / run.paths.bronze("things"))

    assert shop.run("latest", "things", "--json").json["run_id"] == kept.run_id
    status = shop.run("status", "--run", old[0].run_id)
    assert (status.code, "removed  things, by haulier gc on" in status.out) == (0, True)
    assert list(shop.run("status", "--run", old[0].run_id, "--json").json["removed"]) == ["things"]
    assert "; removed: things" in shop.run("runs").out
    verified = shop.run("verify", "--run", old[0].run_id)
    assert (verified.code, "were removed on" in verified.err) == (2, True)
    assert shop.run("verify", "--run", kept.run_id).code == 0
    again = shop.run("gc", "--keep", "1")
    assert (again.code, again.out) == (0, "")
    assert "Removed 0 snapshots: 0 files, 0 bytes." in again.err


def test_what_strangers_left_there_is_no_find_and_a_sign_that_came_back_is(history: History) -> None:
    """A file of somebody's stays, and is not told of each time. A sign of the run that a killed process put there while
    it was removed goes."""
    old = history.run("full", 1, 2)
    history.run("full", 1, 2)
    shop, lake = history.shop, history.place.folder
    theirs, sign = lake / old.paths.bronze("things") / "notes.txt", lake / old.paths.root / "_SUCCESS.json"
    body = sign.read_bytes()
    theirs.write_text("theirs")
    assert "Removed 1 snapshot" in shop.run("gc", "--keep", "1").err
    again = shop.run("gc", "--keep", "1")
    assert (again.out, theirs.exists(), sign.exists()) == ("", True, False)
    sign.write_bytes(body)
    assert f"{old.run_id} things" in shop.run("gc", "--keep", "1").out
    assert (theirs.exists(), sign.exists()) == (True, False)
    assert shop.run("gc", "--keep", "1").out == ""


@pytest.mark.parametrize("words", [(), ("--keep", "0"), ("--keep", "all")])
def test_how_many_stay_must_be_said(history: History, words: tuple[str, ...]) -> None:
    """There is no default for what is lost for good."""
    said = history.shop.run("gc", *words)
    assert (said.code, "--keep" in said.err) == (2, True)
