"""The fleet of a Compose file, started as Compose starts it, but without containers."""

import gzip
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from haulier.cli.main import main
from haulier.testing.sandbox import SandboxProcess
from tests.cli.conftest import RECORDS, Place

pytestmark = pytest.mark.timeout(120)


def test_a_printed_fleet_hauls_everything(
    place: Place, api: SandboxProcess, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One service starts the run, three workers join, and all of them end by themselves with exit code 0."""
    place.write(api.url)
    place.toml.write_text(place.toml.read_text().replace(api.url, "${SHOP_URL}"))
    monkeypatch.setenv("SHOP_URL", api.url)
    capsys.readouterr()
    assert main(["deploy", "compose", str(place.toml), "--workers", "3"]) == 0
    project = yaml.safe_load(capsys.readouterr().out)
    (place.folder / "data").mkdir()

    start, work = (project["services"][name] for name in ("enqueue", "work"))
    assert work["depends_on"] == {"enqueue": {"condition": "service_completed_successfully"}}
    assert ended(service(start, place, api.url)) == 0
    workers = [service(work, place, api.url) for _ in range(work["deploy"]["replicas"])]
    assert [ended(process) for process in workers] == [0, 0, 0]
    objects = place.folder.glob("data/lake/shop/items/mode=full/*/*.ndjson.gz")
    assert sum(len(gzip.decompress(path.read_bytes()).splitlines()) for path in objects) == RECORDS
    assert list(place.folder.glob("data/lake/shop/items/mode=full/*/_SUCCESS.json"))


def service(described: dict[str, Any], place: Place, url: str) -> "subprocess.Popen[str]":
    """Start the container's program with its words and variables; its mounts are folders here."""

    def here(text: str) -> str:
        return text.replace("/data", str(place.folder / "data")).replace("/sources", str(place.folder))

    shell = {"SHOP_URL": url}
    variables = {
        name: re.sub(r"\$\{(\w+):[?-][^}]*\}", lambda found: shell[found[1]], here(text))
        for name, text in described["environment"].items()
    }
    return subprocess.Popen(
        [sys.executable, "-m", "haulier", *map(here, described["command"])],
        env={**os.environ, **variables},
        cwd=Path("/"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process: "subprocess.Popen[str]") -> int:
    out, _ = process.communicate(timeout=90)
    assert process.returncode == 0, out
    return process.returncode
