"""What workers with a row in a blob cost, as `status` says it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from haulier.cli.main import main
from tests.cli.test_politeness import stop, until
from tests.harness.azurite import ACCOUNT, Azurite, fresh_name

SOURCE = """
import asyncio
from dataclasses import dataclass
from haulier import Api, App, WorkItem

app = App("letters", api=Api("http://127.0.0.1:9", in_flight=8), lake="az://CONTAINER/lake", queue="QUEUE")

@dataclass(frozen=True)
class Letter(WorkItem, stream="letters", kind="letter"):
    number: int

@app.enumerate("full")
async def letters(ctx):
    for number in range(4):
        yield Letter(number)

@app.processor(Letter)
async def letter(item, ctx):
    await asyncio.sleep(300)
    yield [{"number": item.number}]
"""


def test_status_says_what_the_workers_cost(
    tmp_path: Path, azurite: Azurite, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker alone beats every four seconds: a read and a put each time. What a person orders stands there too."""
    for name, value in azurite.environ.items():
        monkeypatch.setenv(name, value)
    container = fresh_name("lake")
    with ContainerClient.from_connection_string(azurite.connection_string, container) as client:
        client.create_container()
    source = tmp_path / "letters.py"
    queue = f"azure-queue://{ACCOUNT}/{fresh_name('queue')}"
    source.write_text(SOURCE.replace("CONTAINER", container).replace("QUEUE", queue))

    def status() -> Any:
        capsys.readouterr()
        main(["status", str(source), "--json"])
        out = capsys.readouterr().out
        return json.loads(out).get("api", {}) if out else {}

    command = [sys.executable, "-m", "haulier", "run", str(source)]
    worker = subprocess.Popen(command, env=os.environ | azurite.environ, stdout=subprocess.DEVNULL, text=True)
    try:
        until(lambda: status().get("workers") == 1)
        assert (status()["row_operations_per_second"], status()["beat_seconds"]) == (0.5, 4.0)
        main(["status", str(source)])
        assert "about 0.5 storage operations a second: 1 worker" in capsys.readouterr().out
        assert main(["limit", str(source), "--in-flight", "3"]) == 0
        until(lambda: status()["may_be_in_flight"] == 3, 20.0)
        assert main(["pause", str(source), "--why", "ticket 12"]) == 0
    finally:
        stop(worker)
    assert (status()["state"], status()["reason"], status()["limit"]["in_flight"]) == ("held", "ticket 12", 3)
    assert main(["resume", str(source)]) == 0
    assert main(["limit", str(source), "--reset"]) == 0
    assert "ticket 12" in capsys.readouterr().err
    assert (status()["state"], status()["limit"]) == ("well", None)
