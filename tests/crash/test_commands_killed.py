"""Every command that writes, killed and interrupted at moments that a seed chooses.

Afterwards the same command, typed again, comes to the same as if nothing had happened. `HAULIER_KILL_ROUNDS=20` does it
more often, `HAULIER_KILL_SEED=3` at other moments, `HAULIER_KILL_BACKEND=azure` over Azurite.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from haulier.cli.main import main
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.harness.azurite import ACCOUNT, Azurite, fresh_name

ROUNDS = int(os.environ.get("HAULIER_KILL_ROUNDS", "1"))
SEED = int(os.environ.get("HAULIER_KILL_SEED", "7"))
BACKEND = os.environ.get("HAULIER_KILL_BACKEND", "local")
NUMBERS = 30
BAD = {3, 13, 23}

SOURCE = f"""
import asyncio
from dataclasses import dataclass
from pathlib import Path

from haulier import Action, Api, ApiError, App, IdRange, WorkItem

app = App("numbers", api=Api("http://127.0.0.1:9"))


@dataclass(frozen=True)
class Number(WorkItem, stream="numbers", kind="number"):
    n: int


@dataclass(frozen=True)
class New(WorkItem, stream="numbers", kind="new"):
    ids: IdRange


@app.enumerate("full")
async def numbers(ctx):
    for n in range({NUMBERS}):
        yield Number(n)


@app.enumerate("incremental")
async def new(ctx):
    for span in ctx.finished.ids("numbers"):
        yield New(IdRange(span.end, span.end + 10))


@app.processor(Number)
async def number(item, ctx):
    await asyncio.sleep(0.05)
    if item.n in {BAD} and not Path(__file__).with_name("mended").exists():
        raise ApiError("more than is handed out at once", action=Action.SPLIT)
    yield [{{"n": item.n, "part": part}} for part in range(50)]


@app.processor(New)
async def more(item, ctx):
    yield [{{"n": n}} for n in range(item.ids.start, item.ids.end)]
"""

BEGUN = b"!"
PROGRAM = f"""
import os, signal, sys
import haulier.__main__ as program
signal.signal(signal.SIGINT, program._end)
os.write(2, {BEGUN!r})
sys.exit(program.start())
"""
"""Before it is Python that begins, which shows a traceback for Ctrl-C."""


@dataclass
class Site:
    """A source, its lake, and commands that are hit."""

    folder: Path
    rng: random.Random
    seconds: float = 1.0
    """What a command takes that has little to do, on this machine now."""
    hits: int = 0
    late: int = 0

    environ: dict[str, str] = field(default_factory=dict)
    container: ContainerClient | None = None
    """None: the lake is a folder."""

    def names(self, pattern: str) -> list[str]:
        """What the lake has, by whole paths."""
        if self.container is not None:
            found = [name.removeprefix("lake/") for name in self.container.list_blob_names()]
        else:
            top = self.folder / "lake"
            found = [path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()]
        return sorted(name for name in found if fnmatch(name, pattern))

    def read(self, name: str) -> bytes:
        if self.container is not None:
            return self.container.download_blob(f"lake/{name}").readall()
        return (self.folder / "lake" / name).read_bytes()

    def words(self, command: str, *more: str) -> list[str]:
        return [*command.split(), str(self.folder / "numbers.py"), *more]

    def start(self, command: str, *more: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *self.words(command, *more)],
            env=os.environ | self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        assert process.stderr.read(1) == BEGUN
        return process

    def measure(self) -> None:
        process, began_at = self.start("runs"), time.monotonic()
        process.communicate()
        self.seconds = time.monotonic() - began_at

    def type(self, command: str, *more: str) -> tuple[int, str, str]:
        """To its end, in this process."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(self.words(command, *more))
        return code, out.getvalue(), err.getvalue()

    def json(self, command: str, *more: str) -> Any:
        code, out, err = self.type(command, *more, "--json")
        assert out, (code, err)
        return json.loads(out)

    def hit(self, command: str, *more: str, work_seconds: float = 0.2, expected: tuple[int, ...] = (0,)) -> str:
        """Kill it, and interrupt it; each time type it again. Returns what that said."""
        said = ""
        for number in (signal.SIGKILL, signal.SIGINT) * ROUNDS:
            process = self.start(command, *more)
            if self.rng.random() < 0.3:
                time.sleep(self.rng.uniform(0.2 * self.seconds, 1.1 * self.seconds + work_seconds))
            else:  # It takes most of its time to start.
                self.wait_for_first_write(process)
                time.sleep(self.rng.uniform(0.0, work_seconds))
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
            self.hits += 1
            self.late += process.returncode in expected
            self.require_told(command, number, process.returncode, err.decode(), expected)
            self.require_whole()
            code, _, said = self.type(command, *more)
            assert code in expected, f"{command} after {number.name}: {code}\n{said}"
        return said

    def wait_for_first_write(self, process: subprocess.Popen[bytes]) -> None:
        before = self.written()
        while process.poll() is None and self.written() == before:
            time.sleep(0.01)

    def written(self) -> tuple[int, int]:
        """Changes with each file, and with each change of the queue."""
        queue = self.folder / ".haulier/numbers"
        return len(self.names("*")), sum(path.stat().st_mtime_ns for path in queue.glob("queue.sqlite3*"))

    def require_told(self, command: str, number: int, code: int, err: str, expected: tuple[int, ...]) -> None:
        """Ctrl-C is no accident: one line instead of a traceback, and exit code 4, unless all was done."""
        assert "Traceback" not in err, f"{command}\n{err}"
        if number == signal.SIGINT:
            assert code in (4, *expected), f"{command}: {code}\n{err}"
            assert code != 4 or "nterrupted" in err or "topped" in err or "SIGINT" in err, f"{command}\n{err}"

    def require_whole(self) -> None:
        """Whatever stands in the lake under its own name can be read to its end."""
        for name in self.names("*"):
            if "/.tmp-" in name or "/staging/" in name:
                continue
            body = gzip.decompress(self.read(name)) if name.endswith(".gz") else self.read(name)
            for line in body.splitlines() if ".ndjson" in name else filter(None, [body]):
                json.loads(line)

    def numbers(self) -> list[int]:
        """What a reader of the newest snapshot sees, once for each record."""
        objects = self.names("numbers/numbers/mode=full/*.gz")
        newest = max(name.rpartition("/")[0] for name in objects)
        lines = [
            line
            for name in objects
            if name.startswith(f"{newest}/")
            for line in gzip.decompress(self.read(name)).splitlines()
        ]
        return sorted(json.loads(line)["n"] for line in lines)


def every(numbers: set[int]) -> list[int]:
    return sorted(n for n in numbers for _ in range(50))


@pytest.mark.crash
@pytest.mark.slow
@pytest.mark.timeout(600 * max(1, ROUNDS))
def test_a_command_that_was_killed_or_interrupted_is_typed_again(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G1, G2, G3: nothing is lost, nothing is there twice, nothing half-written is believed, nobody has to mend
    anything; and Ctrl-C says one line."""
    site = Site(tmp_path, random.Random(SEED))
    if BACKEND == "azure":
        be_on_azurite(site, request.getfixturevalue("azurite"), monkeypatch)
    # It is asked for its time alone.
    with SandboxProcess(SandboxSettings(records=1)) as api:
        (tmp_path / "numbers.py").write_text(SOURCE.replace("http://127.0.0.1:9", api.url))
        site.measure()
        for step in (pull_and_mend, order, edit_the_state, give_up_and_clean):
            step(site)
    assert site.late < 0.8 * site.hits, "most of them came in time"


def be_on_azurite(site: Site, azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    name = fresh_name("kills")
    site.environ = azurite.environ | {
        "HAULIER_LAKE": f"az://{name}/lake",
        "HAULIER_QUEUE": f"azure-queue://{ACCOUNT}/{name}",
    }
    for variable, value in site.environ.items():
        monkeypatch.setenv(variable, value)
    site.container = ContainerClient.from_connection_string(azurite.connection_string, name)
    site.container.create_container()


def pull_and_mend(site: Site) -> None:
    """A run with poison: planned, worked, repaired, closed, written off, redriven, closed anew."""
    site.hit("enqueue")
    assert len(site.names("*/run.json")) == 1, "what was begun is gone on with"
    site.hit("repair")
    site.hit("work", "--lease", "1", "--exit-idle", work_seconds=0.5)
    site.hit("wait", "--timeout", "0", expected=(3, 4))
    assert site.type("run", "--lease", "1")[0] == 3
    site.hit("verify", expected=(3,))
    assert site.json("status")["reasons"] == {"poison": len(BAD)}
    site.hit("poison discard", "number-3", "--why", "gone", expected=(0, 2))
    assert len(site.names("*/discards/number-3/*.json")) == 1
    (site.folder / "mended").touch()
    site.hit("poison redrive", "--all", expected=(0,))
    assert len(site.names("*/redrives/*.json")) == len(BAD) - 1
    runs = len(site.names("*/run.json"))
    code, _, said = site.type("run")
    assert (code, len(site.names("*/run.json"))) == (0, runs), said
    assert site.numbers() == every({*range(NUMBERS)} - {3})
    site.hit("run", "--lease", "2", work_seconds=1.0)
    site.hit("run", "--new", "--workers", "2", "--lease", "2", work_seconds=1.0)
    assert site.numbers() == every({*range(NUMBERS)})
    assert site.json("verify")["state"] == "complete"


def order(site: Site) -> None:
    """What a person orders stands, or does not, and is never half of it."""
    site.hit("pause", "--why", "ticket 12")
    assert site.json("status")["api"]["held"]["why"] == "ticket 12"
    site.hit("limit", "--in-flight", "3")
    assert site.json("limit")["limit"]["in_flight"] == 3
    site.hit("resume")
    site.hit("limit", "--reset")
    assert (site.json("limit")["limit"], site.json("resume")["state"]) == (None, "not_paused")


def edit_the_state(site: Site) -> None:
    """An edit stands whole, with who and why; the next incremental run goes by it."""
    site.hit("state set", "numbers", "--from", "1", "--until", "100", "--why", "known")
    assert site.json("run", "incremental")["state"] == "complete"
    assert [name.rpartition("/")[2] for name in site.names("*/mode=incremental/*.gz")] == ["new-100-110.ndjson.gz"]
    site.hit("state reset", "numbers", "--why", "again")
    assert "nothing" in site.type("state show")[1]


def give_up_and_clean(site: Site) -> None:
    """A cancelled run stays cancelled, and old snapshots go; the newest one is never touched."""
    trial = site.json("enqueue", "--max-items", "2")["run_id"]
    site.hit("cancel", "--run", trial)
    assert site.json("status", "--run", trial)["state"] == "cancelled"
    site.hit("clear")
    site.hit("gc", "--keep", "1")
    complete = [
        run["run_id"] for run in site.json("runs")["runs"] if (run["mode"], run["state"]) == ("full", "complete")
    ]
    kept = {f"full-{name.split('/')[-2].partition('=')[2]}" for name in site.names("numbers/numbers/mode=full/*.gz")}
    assert (len(complete) > 1, kept & {*complete}) == (True, {complete[0]}), "partial ones stay, too"
    assert site.numbers() == every({*range(NUMBERS)})
    assert site.json("verify", "--run", complete[0])["state"] == "complete"
