"""A sandbox API in a process of its own, a source file that reads it, and haulier as a user runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from haulier.cli.main import main
from haulier.testing.sandbox import SandboxProcess, SandboxSettings

RECORDS = 1_000

TOML = """
source = "shop"

[api]
url = "{url}"
in_flight = 8

[streams.items]
get = "/items"
query = {{ limit = 100 }}
records = "items"
pages = {{ cursor = "next", query = "cursor" }}
total = {{ at = "total", is = "exact" }}
expect = {{ get = "/count", at = "count" }}

[streams.items.full.ids]
query = {{ from_id = "{{start}}", to_id = "{{end}}" }}
last = {{ get = "/items/newest", at = "id" }}
step = 200
"""


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Place:
    """A folder with a source file, and a way to run commands there."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    name: str = "shop.toml"

    @property
    def toml(self) -> Path:
        return self.folder / self.name

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    def write(self, url: str, **replaced: str) -> None:
        """Write the source file for an API; each keyword replaces the line that begins with its name."""
        lines = TOML.format(url=url).splitlines()
        for name, line in replaced.items():
            number = next(place for place, known in enumerate(lines) if known.startswith(f"{name} ="))
            lines[number] = line
        self.toml.write_text("\n".join(lines))

    def run(self, command: str, *words: str) -> Said:
        """Run a command on the source in this process."""
        self.capsys.readouterr()
        group, *rest = command.split()
        code = main([group, *rest, str(self.toml), *words])
        captured = self.capsys.readouterr()
        return Said(code, captured.out, captured.err)

    def start(self, command: str, *words: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command on the source in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "haulier", command, str(self.toml), *words],
            env=os.environ | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    def lines(self, stream: str = "items") -> int:
        """Lines of every object of a stream, by the standard library alone."""
        import gzip

        objects = self.lake.glob(f"shop/{stream}/mode=full/*/*.ndjson.gz")
        return sum(len(gzip.decompress(path.read_bytes()).splitlines()) for path in objects)


@pytest.fixture(params=["uvloop", "asyncio"])
def each_loop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The test runs with either event loop, in this process and in those that it starts."""
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    name: str = request.param
    if name == "uvloop":
        pytest.importorskip("uvloop")
    else:
        folder = tmp_path_factory.mktemp("without-uvloop")
        (folder / "uvloop.py").write_text("raise ImportError('not here')\n")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(folder), os.environ.get("PYTHONPATH", ""))))
        monkeypatch.setitem(sys.modules, "uvloop", None)
    return name


@pytest.fixture(scope="session")
def api() -> Iterator[SandboxProcess]:
    with SandboxProcess(SandboxSettings(records=RECORDS)) as process:
        yield process


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    return Place(tmp_path, capsys)


@pytest.fixture
def shop(place: Place, api: SandboxProcess) -> Place:
    """A source that works."""
    place.write(api.url)
    return place
