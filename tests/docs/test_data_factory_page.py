"""docs/data-factory.md: its pipelines do what the page says, against a server that stands in for Azure's."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from haulier.cli.main import main
from haulier.lake.paths import RunPaths
from haulier.runs.verdict_log import EVENT
from haulier.telemetry.log_names import ATTRIBUTES
from tests.docs.factory import Factory, PipelineError
from tests.docs.pages import ROOT, blocks_of
from tests.runs.rig import Place, finish, thing

PAGE = ROOT / "docs/data-factory.md"
TEXT = PAGE.read_text(encoding="utf-8")


def documents(mark: str) -> dict[str, Any]:
    found = [json.loads(block.text) for block in blocks_of(PAGE) if mark in block.marks]
    return {document["name"]: document for document in found}


PIPELINES = documents("pipeline")


SHOP = """
source = "shop"
queue  = "azure-queue://haulierdemo/shop"
lake   = "az://lake/bronze"

[api]
url = "https://api.example.com"

[streams.orders]
get     = "/orders"
records = "."
pages   = "single"

[streams.orders.full.once]

[streams.orders.incremental.windows]
query = { since = "{start}", until = "{end}" }
step  = "1d"
"""


@dataclass
class Arm:
    """Container Apps, as far as its pages tell: a start names an execution, of which the states come one by one."""

    statuses: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, path: str, body: bytes) -> dict[str, Any]:
        self.asked.append(f"{method} {path.rpartition('/providers/')[2]}")
        if method == "POST":
            assert body == b"{}"
            return {"name": "shop-new-enqueue-x7", "id": path}
        return {"name": "shop-new-enqueue-x7", "properties": {"status": self.statuses.pop(0)}}


@pytest.fixture
def arm() -> Iterator[Arm]:
    arm = Arm()
    with served(arm) as url:
        arm.url = url
        yield arm


@contextmanager
def served(arm: Arm) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65_537)
            if self.raw_requestline and self.parse_request():
                self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            answer = json.dumps(arm.answer(self.command, self.path, body)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is said on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_jobs_are_those_that_deploy_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table's command lines print the jobs that the pipelines start. The one that is waited for is not tried again
    by the platform: after code 3 it would pull everything once more."""
    (tmp_path / "shop.toml").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "haulierdemo")
    rows = re.findall(r"^\| `([a-z-]+)` \| `haulier (deploy aca [^`]+)` \|", TEXT, re.MULTILINE)
    jobs = {}
    for name, line in rows:
        assert main(line.split()) == 0
        jobs[name] = yaml.safe_load(capsys.readouterr().out)
        assert jobs[name]["name"] == name
    words = {name: job["properties"]["template"]["containers"][0]["args"] for name, job in jobs.items()}
    assert [(name, line[0]) for name, line in words.items()] == [
        ("shop-new-enqueue", "run"),
        ("shop-enqueue", "enqueue"),
        ("shop-work", "work"),
    ]
    assert "incremental" in words["shop-new-enqueue"]
    assert jobs["shop-new-enqueue"]["properties"]["configuration"]["replicaRetryLimit"] == 0
    started = json.dumps(PIPELINES)
    assert all(f"/{name}" in started for name in jobs)


def test_a_pipeline_waits_until_its_run_is_complete(arm: Arm) -> None:
    """It starts the job once, and asks for that execution until it has ended."""
    arm.statuses = ["Processing", "Running", "Unknown", "Running", "Succeeded"]
    factory = Factory(PIPELINES["shop-increment"], arm.url)
    factory.run()
    look = "GET Microsoft.App/jobs/shop-new-enqueue/executions/shop-new-enqueue-x7?api-version=2024-03-01"
    assert arm.asked == ["POST Microsoft.App/jobs/shop-new-enqueue/start?api-version=2024-03-01", *[look] * 5]
    assert factory.waited_seconds == 5 * 30


@pytest.mark.parametrize("status", ["Failed", "Stopped", "Degraded"])
def test_a_pipeline_fails_with_its_run(arm: Arm, status: str) -> None:
    """Whatever ended an execution but success is no complete run, and the message says where to look."""
    arm.statuses = ["Running", status]
    with pytest.raises(PipelineError, match=f"shop-new-enqueue-x7 ended as {status}. haulier status says why"):
        Factory(PIPELINES["shop-increment"], arm.url).run()


def test_a_full_run_is_started_and_left(arm: Arm) -> None:
    """Planner and workers; nothing is asked afterwards."""
    factory = Factory(PIPELINES["shop-full"], arm.url)
    factory.run()
    started = [line.removeprefix("POST Microsoft.App/jobs/") for line in arm.asked]
    assert started == [f"shop-{part}/start?api-version=2024-03-01" for part in ("enqueue", "work")]
    assert factory.waited_seconds == 0


async def test_the_trigger_meets_the_sign_of_a_complete_run(tmp_path: Path) -> None:
    """The sign that a real closing writes lies where the trigger looks, and appears for a complete run alone."""
    (trigger,) = documents("trigger").values()
    properties = trigger["properties"]["typeProperties"]
    begins, ends = properties["blobPathBeginsWith"], properties["blobPathEndsWith"]
    place = Place(tmp_path / "lake")
    process = place.process()
    place.api.failing = {2}
    run = await process.claim()
    await process.enqueue(run, [thing(1), thing(2)])

    def signs() -> list[str]:
        root = begins.removeprefix("/lake/blobs/bronze/").replace("/orders/", "/things/")
        return [path for path in place.files() if path.startswith(root) and f"/{path}".endswith(ends)]

    assert (await finish(place, run)).verdict == "partial"
    assert signs() == []
    place.api.failing = set()
    await process.redriver.redrive(run)
    assert (await finish(place, run)).verdict == "complete"
    paths = RunPaths(run.paths.source, run.run_id, "full", run.file.snapshot_time)
    assert signs() == [paths.stream_sign("things")]
    await place.close()


def test_the_query_names_what_a_line_has() -> None:
    """The event and the names of its fields."""
    (query,) = (block.text for block in blocks_of(PAGE) if block.language == "kusto")
    assert query.count(f'"{EVENT}"') == 2
    assert f'line["{ATTRIBUTES["source"]}"]' in query
    assert f'line["{ATTRIBUTES["run_id"]}"]' in query
    assert {"verdict", "reasons"} <= set(query.replace(",", " ").replace("line.", "").split())
