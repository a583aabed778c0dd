"""Runs on a storage account, from the command line: what the queue loses is sent again, and large items are worked."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from haulier.cli.main import main
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.harness.azurite import ACCOUNT, Azurite, fresh_name

ITEMS = 30
LARGE = 70_000
SOURCE = f"""
import pathlib
from dataclasses import dataclass
from haulier import Api, App, FeedStart, IdRange, WorkItem, due_ids

app = App("letters", api=Api("http://127.0.0.1:9", in_flight=8), lake="LAKE", queue="QUEUE")

@dataclass(frozen=True)
class Letter(WorkItem, stream="letters", kind="letter"):
    number: int
    text: str

@app.enumerate("full")
async def letters(ctx):
    for number in range({ITEMS}):
        yield Letter(number, "x" * ({LARGE} if number % 3 == 0 else 10))

@app.enumerate("incremental")
async def new_letters(ctx):
    newest = int(pathlib.Path(__file__).with_name("newest").read_text())
    for ids in due_ids(ctx.finished.ids("letters"), first=0, end=newest + 1, step=4, lookback=2):
        yield NewLetters(ids)
    yield Mail(ctx.finished.feed("letters"))

@dataclass(frozen=True)
class Mail(WorkItem, stream="letters", kind="mail"):
    since: FeedStart

@app.processor(Mail)
async def mail(item, ctx):
    newest = int(pathlib.Path(__file__).with_name("newest").read_text())
    yield [{{"mail": number}} for number in range(int(item.since.feed or 0), newest)]
    ctx.api.end_feed(str(newest), item.since)

@dataclass(frozen=True)
class NewLetters(WorkItem, stream="letters", kind="new_letters"):
    ids: IdRange

@app.processor(NewLetters)
async def letters_of(item, ctx):
    yield [{{"number": number}} for number in range(item.ids.start, item.ids.end)]

@app.processor(Letter)
async def letter(item, ctx):
    yield [{{"number": item.number, "length": len(item.text)}}]
"""


class Place:
    def __init__(self, folder: Path, azurite: Azurite, capsys: pytest.CaptureFixture[str]) -> None:
        self.container, self.queue = fresh_name("lake"), fresh_name("queue")
        self._capsys = capsys
        self._blobs = BlobServiceClient.from_connection_string(azurite.connection_string)
        self._queues = QueueServiceClient.from_connection_string(azurite.connection_string)
        self._blobs.create_container(self.container)
        self.source = folder / "letters.py"
        urls = {"LAKE": f"az://{self.container}/lake", "QUEUE": f"azure-queue://{ACCOUNT}/{self.queue}"}
        text = SOURCE
        for name, url in urls.items():
            text = text.replace(name, url)
        self.source.write_text(text)

    def run(self, command: str, *words: str, code: int = 0) -> Any:
        self._capsys.readouterr()
        found = main([command, str(self.source), *words, "--json"])
        out, err = self._capsys.readouterr()
        assert found == code, err
        return json.loads(out)

    def delete_queue(self) -> None:
        self._queues.delete_queue(self.queue)

    def put(self, url: str, body: bytes) -> None:
        name = url.partition(f"{self.container}/")[2]
        self._blobs.get_blob_client(self.container, name).upload_blob(body)

    def kept(self, run_id: str, name: str) -> Any:
        """A file of the run's first closing."""
        blob = f"lake/_haulier/letters/runs/{run_id}/closings/0001/{name}"
        return json.loads(self._blobs.get_blob_client(self.container, blob).download_blob().readall())

    @property
    def messages(self) -> list[dict[str, Any]]:
        """By a client of its own."""
        peeked = self._queues.get_queue_client(self.queue).peek_messages(max_messages=32)
        return [json.loads(message.content) for message in peeked]

    @property
    def records(self) -> list[dict[str, Any]]:
        """Of the bronze folder, by a client of its own."""
        container = self._blobs.get_container_client(self.container)
        names = container.list_blob_names(name_starts_with="lake/letters/letters/")
        bodies = [container.download_blob(name).readall() for name in names if name.endswith(".ndjson.gz")]
        return [json.loads(line) for body in bodies for line in gzip.decompress(body).splitlines()]


@pytest.fixture
def place(
    tmp_path: Path, azurite: Azurite, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Place:
    for name, value in azurite.environ.items():
        monkeypatch.setenv(name, value)
    return Place(tmp_path, azurite, capsys)


def test_g1_each_night_takes_what_is_new(place: Place) -> None:
    """What is finished is folded from closings in the container, and so is where a feed goes on (W7); the API tells its
    time."""
    with SandboxProcess(SandboxSettings(records=1)) as api:
        place.source.write_text(place.source.read_text().replace("http://127.0.0.1:9", api.url))
        newest = place.source.with_name("newest")
        for last, planned in ((9, 4), (9, 2), (14, 3)):
            newest.write_text(str(last))
            assert place.run("run", "incremental")["totals"]["planned"] == planned
        assert sorted(record["mail"] for record in place.records if "mail" in record) == [*range(14)]
        numbers = sorted(record["number"] for record in place.records if "number" in record)
        assert numbers == sorted([*range(15), *range(8, 10), *range(8, 10)])

        listed = place.run("latest", "--mode", "incremental")
        assert (len(listed["snapshots"]), "late_objects" in listed) == (3, False)
        late = f"{listed['snapshots'][1]['path']}/new_letters-7-8.ndjson.gz"
        place.put(late, gzip.compress(b'{"number":7}\n'))
        listed = place.run("latest", "--mode", "incremental")
        # A line that reads the whole folder would read that as well.
        assert (listed["late_objects"], listed["readers"]) == ([late], {})


def test_g1_a_purged_queue_is_repaired_and_the_run_ends_complete(place: Place) -> None:
    """Large items too: a message refers to the plan, when it is first sent and when it is sent again."""
    run_id = place.run("enqueue")["run_id"]
    assert len(place.messages) == ITEMS
    assert all(len(json.dumps(message)) < 1_000 for message in place.messages)
    assert sum("held_in" in message for message in place.messages) == ITEMS // 3
    place.run("clear")
    assert place.messages == []
    assert place.run("status", code=4)["missing"] == ITEMS
    counted = place.run("repair", "--dry-run")
    assert (counted["lost"], counted["sent"], counted["is_exact"], place.messages) == (ITEMS, 0, False, [])
    assert place.run("repair")["sent"] == ITEMS
    assert all(message["resent"] for message in place.messages)
    verdict = place.run("run")
    assert (verdict["run_id"], verdict["state"]) == (run_id, "complete")
    assert sorted((record["number"], record["length"]) for record in place.records) == [
        (number, LARGE if number % 3 == 0 else 10) for number in range(ITEMS)
    ]
    timeline = place.kept(run_id, "timeline.json")
    assert (sum(timeline["items"]), sum(timeline["records"]), timeline["untimed"]) == (ITEMS, ITEMS, 0)


def test_a_repair_that_was_not_needed_costs_no_record(place: Place) -> None:
    """The queue holds everything, and everything is sent again: each item is there once."""
    place.run("enqueue")
    assert place.run("repair")["sent"] == ITEMS
    assert place.run("run")["state"] == "complete"
    assert sorted(record["number"] for record in place.records) == list(range(ITEMS))


def test_old_snapshots_are_removed(place: Place) -> None:
    """As on a disk: a dry run counts what stands there, the newer snapshot stays, the older one is known as removed."""
    old, kept = (place.run("run")["run_id"] for _ in range(2))
    assert len(place.records) == 2 * ITEMS
    dry = place.run("gc", "--keep", "1", "--dry-run")
    assert [(each["run_id"], each["files"]) for each in dry["snapshots"]] == [(old, ITEMS + 1)]
    assert dry["bytes"] > ITEMS * 20
    assert len(place.records) == 2 * ITEMS
    assert place.run("gc", "--keep", "1")["bytes"] == dry["bytes"]
    assert len(place.records) == ITEMS
    assert place.run("latest")["run_id"] == kept
    assert list(place.run("status", "--run", old)["removed"]) == ["letters"]
    assert place.run("gc", "--keep", "1")["snapshots"] == []


def test_a_queue_that_was_deleted_is_made_again_by_a_repair(place: Place) -> None:
    """As what a run says that finds none advises."""
    place.run("enqueue")
    place.delete_queue()
    assert place.run("repair")["sent"] == ITEMS
    assert place.run("run")["state"] == "complete"


@pytest.mark.parametrize("after_seconds", [1.2, 2.0, 2.8])
def test_ctrl_c_at_any_time_loses_nothing_and_says_little(place: Place, after_seconds: float) -> None:
    """G1. A call to the store is under way most of the time."""
    command = [sys.executable, "-m", "haulier", "run", str(place.source), "--workers", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(after_seconds)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (0, 4, -signal.SIGINT, 1 if "KeyboardInterrupt" in said else 4), said
    assert "panicked" not in said
    assert place.run("run")["state"] == "complete"
    runs = 2 if process.returncode == 0 else 1
    assert sorted(record["number"] for record in place.records) == sorted([*range(ITEMS)] * runs)
