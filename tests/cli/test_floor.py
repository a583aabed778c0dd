"""A disk that is nearly full: `run` refuses to begin, `work` waits for room, and nothing is lost (G1)."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import RECORDS, Place
from tests.lake.small_disk import small_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 8 MB, whose floor is 409 KiB."""
    with small_disk(tmp_path / "disk", size="8m", files=10_000) as place:
        yield place


def fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    ballast.write_bytes(bytes((8 << 20) - 300_000))
    return ballast


@pytest.mark.parametrize("command", ["run", "enqueue"])
def test_nothing_is_begun_on_a_disk_that_is_nearly_full(shop: Place, disk: Path, command: str) -> None:
    """Exit code 4: which disk, how much is free, what is asked for, what to do. No run was claimed; then there is room,
    and the same command does it."""
    ballast = fill(disk)
    said = shop.run(command, "--lake", str(disk / "lake"))
    assert said.code == 4
    assert f"haulier: The disk of the lake at {disk / 'lake'} is nearly full: " in said.err
    assert "KiB free, and no work is begun below 409 KiB. Free some space" in said.err
    assert list((disk / "lake").rglob("run.json")) == []
    ballast.unlink()
    assert shop.run(command, "--lake", str(disk / "lake")).code == 0


def test_an_open_run_is_not_superseded_on_a_disk_that_is_nearly_full(shop: Place, disk: Path) -> None:
    """`--new` refuses before it closes what is there."""
    lake = str(disk / "lake")
    assert shop.run("enqueue", "--lake", lake).code == 0
    fill(disk)
    assert shop.run("run", "--new", "--lake", lake).code == 4
    assert shop.run("status", "--json", "--lake", lake).json["state"] == "open"


def test_a_worker_waits_for_room_and_goes_on_by_itself(shop: Place, disk: Path) -> None:
    """It says so once, takes nothing meanwhile, and its run ends complete."""
    lake = disk / "lake"
    assert shop.run("enqueue", "--lake", str(lake)).code == 0
    ballast = fill(disk)
    worker = shop.start("work", "--lake", str(lake))
    try:
        assert worker.stderr is not None
        events = [json.loads(worker.stderr.readline())]
        while events[-1]["event"] != "the disk is nearly full: no new items are taken":
            events.append(json.loads(worker.stderr.readline()))
        assert f"The disk of the lake at {lake} has " in events[-1]["reason"]
        assert "and the floor is 409 KiB. Free some space: the work goes on by itself once" in events[-1]["reason"]
        queue = shop.run("status", "--lake", str(lake))
        assert "5 ready, 0 delayed, 0 leased" in queue.out, queue.out
        ballast.unlink()
        _, rest = worker.communicate(timeout=90)
    finally:
        worker.kill()
    assert worker.returncode == 0, rest
    assert "nearly full" not in rest
    assert "the disk has room again: items are taken" in rest
    objects = lake.glob("shop/items/mode=full/*/*.ndjson.gz")
    assert sum(len(gzip.decompress(path.read_bytes()).splitlines()) for path in objects) == RECORDS
