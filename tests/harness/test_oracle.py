"""The oracle can fail: a finished lake is tampered with in each way that it should notice, and each is named."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.harness.cuts.process import Scene, Stage
from tests.harness.cuts.steps import Step
from tests.harness.oracle import Judgement, judge_run
from tests.harness.things import SOURCE

pytestmark = [pytest.mark.crash]

SCENE = Scene(items=((1, 5), (10, 11), (20, 22), (40, 44)), empty=frozenset({10}), divided=frozenset({20}))
POISONED = Scene(items=((1, 5), (30, 32)), refused=frozenset({30}))


@dataclass
class Place:
    """A lake with one closed run."""

    lake: Path
    scene: Scene = SCENE

    @property
    def account(self) -> Path:
        (run,) = (self.lake / "_haulier" / SOURCE / "runs").iterdir()
        return run

    @property
    def bronze(self) -> Path:
        (folder,) = (self.lake / SOURCE / "things" / "mode=full").iterdir()
        return folder

    @property
    def closing(self) -> Path:
        return self.account / "closings/0001"

    def object_of(self, key: str) -> Path:
        return self.bronze / f"{key}.ndjson.gz"

    def rewrite(self, key: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
        """Change the lines of an object, and let its manifest agree with what stands there then."""
        path = self.object_of(key)
        lines = change(gzip.decompress(path.read_bytes()).splitlines())
        path.write_bytes(gzip.compress(b"".join(line + b"\n" for line in lines), mtime=0))

    def change(self, path: Path, change: Callable[[dict[str, Any]], object]) -> None:
        """Change a record."""
        record = json.loads(path.read_bytes())
        change(record)
        path.write_text(json.dumps(record))

    def change_manifest(self, change: Callable[[list[dict[str, Any]]], object]) -> None:
        path = self.closing / "manifest.ndjson.gz"
        entries = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
        change(entries)
        path.write_bytes(gzip.compress(b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)))

    def judge(self) -> Judgement:
        api = self.scene.api
        return judge_run(self.lake, SOURCE, self.account.name, api.served, api.refuses)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[Scene, Path]:
    """A lake of each scene. Their processes were not disturbed: the step does not come."""
    lakes: dict[Scene, Path] = {}
    for scene in (SCENE, POISONED):
        folder = tmp_path_factory.mktemp("finished")
        outcome = Stage(scene, folder).cut_off(Step("never"))
        assert outcome.problems == ()
        (lakes[scene],) = folder.glob("*/lake")
    return lakes


@pytest.fixture
def place(finished: dict[Scene, Path], tmp_path: Path) -> Place:
    shutil.copytree(finished[SCENE], tmp_path / "lake")
    return Place(tmp_path / "lake")


@pytest.fixture
def poisoned(finished: dict[Scene, Path], tmp_path: Path) -> Place:
    shutil.copytree(finished[POISONED], tmp_path / "lake")
    return Place(tmp_path / "lake", POISONED)


def test_an_undisturbed_lake_has_no_problem(place: Place) -> None:
    seen = place.judge()
    assert (seen.problems, seen.verdict) == ([], "complete")
    assert (seen.items, seen.done, seen.empty, seen.split, seen.records) == (6, 4, 1, 1, 10)


def test_just_poison_is_no_problem(poisoned: Place) -> None:
    seen = poisoned.judge()
    assert (seen.problems, seen.verdict, seen.poisoned) == ([], "partial", 1)


def remove_line(place: Place) -> None:
    place.rewrite("things-1-5", lambda lines: lines[:-1])


def add_line(place: Place) -> None:
    place.rewrite("things-1-5", lambda lines: [*lines, b'{"id":5}'])


def repeat_line(place: Place) -> None:
    place.rewrite("things-1-5", lambda lines: [*lines, lines[0]])


def mix_attempts(place: Place) -> None:
    """The first page of one attempt, then all of another."""
    place.rewrite("things-1-5", lambda lines: [*lines[:2], *lines])


def change_order(place: Place) -> None:
    place.rewrite("things-1-5", lambda lines: lines[::-1])


def encode_anew(place: Place) -> None:
    place.rewrite("things-1-5", lambda lines: [json.dumps(json.loads(line)).encode() for line in lines])


def cut_object(place: Place) -> None:
    path = place.object_of("things-1-5")
    path.write_bytes(path.read_bytes()[:-3])


def leave_line_open(place: Place) -> None:
    path = place.object_of("things-1-5")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-1]))


def compress_anew(place: Place) -> None:
    path = place.object_of("things-1-5")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=0))


def remove_object(place: Place) -> None:
    place.object_of("things-1-5").unlink()


def stray_object(place: Place) -> None:
    shutil.copy(place.object_of("things-1-5"), place.object_of("things-1-6"))


def stray_file(place: Place) -> None:
    (place.bronze / "part-0.parquet").touch()


def parent_beside_children(place: Place) -> None:
    shutil.copy(place.object_of("things-20-21"), place.object_of("things-20-22"))


def leave_spool(place: Place) -> None:
    (place.account / "staging/things-1-5.w1.1").touch()


def poison_innocent(place: Place) -> None:
    """As a worker would that charged an outage: no object, poison instead, and all that follows agrees."""
    (innocent,) = (path for path in (place.account / "poison").iterdir())
    folder = innocent.with_name("things-1-5")
    shutil.copytree(innocent, folder)
    place.object_of("things-1-5").unlink()
    place.change_manifest(lambda entries: [e.update(state="poisoned") for e in entries if e["key"] == "things-1-5"])
    place.change(place.closing / "verdict", lambda verdict: verdict["totals"].update(poisoned=2, done=0, records=0))


def remove_sign(place: Place) -> None:
    (place.account / "_SUCCESS.json").unlink()


def remove_stream_sign(place: Place) -> None:
    (place.bronze / "_SUCCESS.json").unlink()


def false_sign(place: Place) -> None:
    place.change(place.account / "_SUCCESS.json", lambda sign: sign.update(number=2))


def sign_of_a_partial_run(place: Place) -> None:
    shutil.copy(place.closing / "verdict", place.account / "_SUCCESS.json")


def missing_partial_sign(place: Place) -> None:
    (place.account / "_PARTIAL.json").unlink()


def wrong_records(place: Place) -> None:
    place.change(place.closing / "verdict", lambda verdict: verdict["totals"].update(records=9))


def wrong_planned(place: Place) -> None:
    place.change(place.closing / "verdict", lambda verdict: verdict["totals"].update(planned=7))


def wrong_stream(place: Place) -> None:
    place.change(place.closing / "verdict", lambda verdict: verdict["streams"].update(things=11))


def wrong_verdict(place: Place) -> None:
    place.change(place.closing / "verdict", lambda verdict: verdict.update(verdict="partial"))


def no_verdict(place: Place) -> None:
    (place.closing / "verdict").unlink()


def reopened(place: Place) -> None:
    (place.closing / "reopened").touch()


def manifest_without_a_key(place: Place) -> None:
    place.change_manifest(lambda entries: entries.pop())


def manifest_with_another_key(place: Place) -> None:
    place.change_manifest(lambda entries: entries.append({"key": "things-9-9", "state": "empty"}))


def manifest_of_other_bytes(place: Place) -> None:
    place.change_manifest(lambda entries: entries[0].update(sha256="0" * 64))


def missing_item(place: Place) -> None:
    """An item of which nothing is written: lost."""
    (place.account / "outcomes/things-10-11.json").unlink()


def empty_with_records(place: Place) -> None:
    (place.account / "outcomes/things-1-5.json").touch()
    place.object_of("things-1-5").unlink()


def lost_child(place: Place) -> None:
    place.object_of("things-21-22").unlink()


def changed_plan(place: Place) -> None:
    (shard,) = place.account.glob("plan/*/000000.ndjson")
    shard.write_bytes(shard.read_bytes().replace(b"things-1-5", b"things-1-6"))


def planned_twice(place: Place) -> None:
    path = place.account / "children/things-20-22.json"
    place.change(path, lambda split: split["children"].append(split["children"][0]))


def false_crash(place: Place) -> None:
    (place.account / "crashes/things-1-5").mkdir(parents=True)
    (place.account / "crashes/things-1-5/1.json").write_text("{}")


TAMPERED: list[tuple[Callable[[Place], None], str]] = [
    (remove_line, "things-1-5 holds 3 records of 4: 1 are missing"),
    (add_line, "1 were never served"),
    (repeat_line, "1 stand twice"),
    (mix_attempts, "things-1-5 holds 6 records of 4: 0 are missing, 2 stand twice"),
    (change_order, "in another order"),
    (encode_anew, "4 are missing, 0 stand twice, 4 were never served"),
    (cut_object, "the object of things-1-5 is damaged"),
    (leave_line_open, "the last line of things-1-5 has no end"),
    (compress_anew, "the manifest says of things-1-5 what is not so"),
    (remove_object, "things-1-5 has not ended"),
    (stray_object, "a stray: shop/things/mode=full/"),
    (stray_file, "part-0.parquet"),
    (parent_beside_children, "things-20-22 is divided, and its object stands"),
    (leave_spool, "left in staging: things-1-5.w1.1"),
    (remove_sign, "_SUCCESS.json does not agree"),
    (remove_stream_sign, "the sign of stream things does not agree"),
    (false_sign, "_SUCCESS.json does not agree"),
    (wrong_records, "the verdict counts 9 records, there are 10"),
    (wrong_planned, "the verdict counts 7 planned, there are 6"),
    (wrong_stream, "the verdict counts 11 records of things, there are 10"),
    (wrong_verdict, "the verdict is partial"),
    (no_verdict, "the run has no verdict in force"),
    (reopened, "the run has no verdict in force"),
    (manifest_without_a_key, "the manifest says None"),
    (manifest_with_another_key, "the manifest lists 7 keys, plan and child lists 6"),
    (manifest_of_other_bytes, "what is not so"),
    (missing_item, "things-10-11 has not ended"),
    (empty_with_records, "things-1-5 ended empty, and 4 records of it were served"),
    (lost_child, "things-21-22 has not ended"),
    (changed_plan, "shard 000000 is not as it was sealed"),
    (planned_twice, "things-20-21 is planned 2 times"),
    (false_crash, "things-1-5 is said to have crashed 1 times"),
]


@pytest.mark.parametrize(("tamper", "problem"), TAMPERED, ids=[tamper.__name__ for tamper, _ in TAMPERED])
def test_what_is_wrong_is_named(place: Place, tamper: Callable[[Place], None], problem: str) -> None:
    tamper(place)
    assert problem in "\n".join(place.judge().problems)


@pytest.mark.parametrize(
    ("tamper", "problem"),
    [
        (poison_innocent, "things-1-5 is poisoned and did not fail by itself"),
        (sign_of_a_partial_run, "_SUCCESS.json does not agree"),
        (missing_partial_sign, "_PARTIAL.json does not agree"),
    ],
)
def test_what_is_wrong_with_a_partial_run_is_named(
    poisoned: Place, tamper: Callable[[Place], None], problem: str
) -> None:
    tamper(poisoned)
    assert problem in "\n".join(poisoned.judge().problems)


def test_leavings_that_mean_nothing_are_no_problem(place: Place) -> None:
    """Temporary names of a process that was killed: readers skip them, and after a day they are removed."""
    for folder in (place.bronze, place.account, place.account / "plan", place.closing, place.account / "receipts"):
        (folder / ".tmp-0123").touch()
    assert place.judge().problems == []
