"""Kills and losses of power between any two steps: a record or an object is whole or absent, and what was acknowledged
stands. Real processes die; what a loss of power may take is worked out from the steps that they noted."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lake.local.disk import Disk, Step, Tree
from tests.lake.local.steps import OBJECT, OTHER, PLACE, RECORD

ROOT = Path(__file__).resolve().parents[3]

ERRANDS = [("create", "create_or_read"), ("publish", "publish"), ("publish", "adopt"), ("publish_two", "publish_two")]


@pytest.fixture(scope="module", params=ERRANDS, ids="-then-".join)
def deaths(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A folder for each step before which the first process died."""
    base = tmp_path_factory.mktemp("deaths")
    subprocess.run([sys.executable, "-m", "tests.lake.local.steps", base, *request.param], cwd=ROOT, check=True)
    return sorted(base.iterdir())


@pytest.mark.crash
def test_a_kill_between_any_two_steps_leaves_nothing_half(deaths: list[Path]) -> None:
    """P7, docs/protocol.md#files-of-a-run: before each step, and in the middle of a write, what stands is whole or
    absent."""
    shown = [visible(files_below(death / "killed")) for death in deaths]
    assert shown[0] == {}
    assert 1 <= len(shown[-1]) <= 2
    assert all(tree.items() <= shown[-1].items() for tree in shown)
    assert len(deaths) > 15


@pytest.mark.crash
def test_after_a_kill_the_next_process_goes_on(deaths: list[Path]) -> None:
    """It creates, publishes or adopts what is there, and leaves no more than the dead one's temporary files."""
    for death in deaths:
        tree = visible(files_below(death / PLACE))
        acknowledged = [step for step in steps_of(death) if step[0] == "ack"]
        assert set(tree) == {str(path) for _, path, _ in acknowledged}
        leftovers = [name for name in files_below(death / PLACE) if ".tmp-" in name or name.startswith("staging/")]
        assert len(leftovers) <= max(1, len(tree))


@pytest.mark.crash
def test_a_loss_of_power_at_any_step_leaves_nothing_half(deaths: list[Path]) -> None:
    """G2, P8: whatever the disk kept of what was not synced, and whoever died before it."""
    for death in deaths:
        disk, promised = Disk(), dict[str, str]()
        steps = steps_of(death)
        second_at = steps.index(("second",))
        for number, step in enumerate(steps):
            if step[0] == "ack":
                promised[str(step[1])] = str(step[2])
            elif step[0] != "second":
                disk.take(step)
            if number >= second_at or death is deaths[-1]:
                for tree in disk.after_loss_of_power():
                    shown = visible({path.removeprefix(f"{PLACE}/"): body for path, body in tree.items()})
                    assert promised.keys() <= shown.keys(), f"{death.name}: lost after step {number}: {step}"
                    assert all(by in shown[path] for path, by in promised.items())


def test_the_disk_forgets_what_was_not_synced() -> None:
    """The oracle itself: without its syncs, the same creation loses what it acknowledged or shows a part."""
    disk = Disk()
    for step in [("open", "", False, 3), ("open", "tmp", True, 4), ("write", 4, "body"), ("link", "tmp", "record")]:
        disk.take(step)
    found = {tree.get("record") for tree in disk.after_loss_of_power()}
    assert found == {None, b"", b"bo", b"body"}
    disk.take(("sync", 4))
    assert {tree.get("record") for tree in disk.after_loss_of_power()} == {None, b"body"}
    disk.take(("sync", 3))
    assert list(disk.after_loss_of_power()) == [{"tmp": b"body", "record": b"body"}]
    disk.take(("unlink", "tmp"))
    assert len(list(disk.after_loss_of_power())) == 2


def visible(tree: Tree) -> dict[str, str]:
    """By whom the records and objects of a lake are; each is whole."""
    shown = {}
    for path, body in tree.items():
        if path == RECORD:
            shown[path] = body[:1].decode()
            assert body in (b"A" * 500, b"B" * 500)
        elif path in (OBJECT, OTHER):
            records = gzip.decompress(body)
            shown[path] = records[:1].decode()
            assert records in (b"A\n" * 500, b"B\n" * 500)
        else:
            assert path.startswith("staging/") or "/.tmp-" in path
    return shown


def files_below(folder: Path) -> Tree:
    return {str(file.relative_to(folder)): file.read_bytes() for file in _files(folder)}


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def steps_of(death: Path) -> list[Step]:
    return [tuple(json.loads(line)) for line in (death / "steps").read_text().splitlines()]
