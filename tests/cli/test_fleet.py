"""The parent of child workers: what it passes on, and which of their exit codes is its own."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from haulier.app.open_source import OpenSource, Options, open_source
from haulier.app.source_loader import load_app
from haulier.cli.fleet import Fleet
from haulier.cli.output import is_quiet
from haulier.errors import UnavailableError
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from haulier.worker.watch import Watch
from tests.cli.conftest import Place
from tests.cli.terminal import terminal


async def fleet_of(place: Place, command: list[str], count: int) -> tuple[int, list[str]]:
    """What a fleet of any command comes to, over a run that is open, and what it says."""
    said: list[str] = []
    async with open_source(load_app(str(place.toml)), Options()) as site:
        return await Fleet(command, count, site_watch(site), said.append).run(), said


def site_watch(site: OpenSource) -> Watch:
    return Watch(site.lake, site.queue, site.closer, "shop")


@pytest.mark.parametrize(("codes", "expected"), [("4 2", 2), ("4 4", 4), ("2 4", 2)])
def test_what_a_person_must_change_is_said_before_what_may_pass(
    shop: Place, tmp_path: Path, codes: str, expected: int
) -> None:
    """One child found the API away, and another that its credentials are wrong: exit code 2."""
    first, second = codes.split()
    command = ["sh", "-c", f"mkdir '{tmp_path}/first' 2>/dev/null && exit {first}; exit {second}"]
    assert asyncio.run(fleet_of(shop, command, 2))[0] == expected


@pytest.mark.parametrize(
    ("first", "others", "reason"),
    [
        ("echo 'haulier: a key is wrong' >&2; exit 2", "echo 'haulier: a key is wrong' >&2; exit 2", "a key is wrong"),
        ("echo 'haulier: the API is away' >&2; exit 4", "echo 'haulier: a key is wrong' >&2; exit 2", "a key is wrong"),
        ("echo 'haulier: a key is wrong' >&2; exit 2", "exit 2", "a key is wrong"),
    ],
)
def test_the_reason_of_all_children_is_said_once(
    shop: Place, tmp_path: Path, first: str, others: str, reason: str
) -> None:
    """The fleet passes it on to the closing words of the run, which have the reason of its exit code."""
    command = ["sh", "-c", f"mkdir '{tmp_path}/first' 2>/dev/null && {{ {first}; }}; {others}"]
    said: list[str] = []

    async def work() -> tuple[int, str]:
        async with open_source(load_app(str(shop.toml)), Options()) as site:
            fleet = Fleet(command, 3, site_watch(site), said.append)
            return await fleet.run(), fleet.reason

    assert asyncio.run(work()) == (2, reason)
    assert said == []


def test_the_reason_of_a_child_is_said_while_the_others_work_on(
    shop: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody should have to look for the worker that is missing."""
    monkeypatch.setattr("haulier.cli.fleet.REASON_SECONDS", 0.2)
    stopped = "echo 'haulier: the API is away' >&2; exit 4"
    command = ["sh", "-c", f"mkdir '{tmp_path}/first' 2>/dev/null && {{ {stopped}; }}; sleep 2; exit 4"]
    code, said = asyncio.run(fleet_of(shop, command, 2))
    assert (code, said) == (4, ["A worker has stopped: the API is away"])


def test_the_reason_of_a_child_is_said_though_the_others_closed_the_run(shop: Place, tmp_path: Path) -> None:
    """The run is complete, so no closing words have it; a person should hear of the worker that was missing."""
    stopped = "echo 'haulier: this disk is read-only' >&2; exit 2"
    command = ["sh", "-c", f"mkdir '{tmp_path}/first' 2>/dev/null && {{ {stopped}; }}; sleep 0.5; exit 0"]
    assert asyncio.run(fleet_of(shop, command, 2)) == (0, ["A worker has stopped: this disk is read-only"])


def test_a_reason_of_several_lines_stays_together(shop: Place) -> None:
    """What a processor raised may have any number of lines."""
    command = ["sh", "-c", "echo 'haulier: first line' >&2; echo 'second line' >&2; exit 2"]
    said: list[str] = []

    async def work() -> tuple[int, str]:
        async with open_source(load_app(str(shop.toml)), Options()) as site:
            fleet = Fleet(command, 2, site_watch(site), said.append)
            return await fleet.run(), fleet.reason

    assert asyncio.run(work()) == (2, "first line\nsecond line")
    assert said == []


def test_what_a_child_logs_last_is_no_reason(shop: Place, tmp_path: Path) -> None:
    """Its telemetry tells of what was lost when all is said, as JSON or as text."""
    lines = [
        '{"level":"info","logger":"haulier.telemetry","event":"telemetry was lost"}',
        "12:00:01 info    telemetry was lost",
    ]
    told = "; ".join(f"echo '{line}' >&2" for line in lines)
    command = ["sh", "-c", f"echo 'haulier: a key is wrong' >&2; echo 'of the API' >&2; {told}; exit 2"]
    said: list[str] = []

    async def work() -> tuple[int, str]:
        async with open_source(load_app(str(shop.toml)), Options()) as site:
            fleet = Fleet(command, 1, site_watch(site), said.append)
            return await fleet.run(), fleet.reason

    assert asyncio.run(work()) == (2, "a key is wrong\nof the API")
    assert said == lines


def test_a_terminal_shows_no_json_of_a_child(place: Place) -> None:
    """And that the run was closed is said once."""
    with SandboxProcess(SandboxSettings(records=8, failing_ids=(7,), failing_status=422)) as api:
        place.write(api.url, step="step = 1")
        with terminal(place.folder, "run", str(place.toml), "--workers", "2") as seen:
            assert seen.end() == 3
    assert "is partial: " in seen.drawn
    assert "error   an item was poisoned" in seen.drawn
    for word in ('{"time"', "a run was closed"):
        assert word not in seen.drawn


def test_a_run_that_a_child_closed_is_no_run_that_was_stopped(shop: Place) -> None:
    """The child that ends the run may be gone before its parent looks at the run again."""
    assert asyncio.run(fleet_of(shop, ["sh", "-c", "exit 0"], 2)) == (0, [])


def test_a_killed_child_is_started_again(shop: Place, tmp_path: Path) -> None:
    command = ["sh", "-c", f"mkdir '{tmp_path}/first' 2>/dev/null && kill -9 $$; exit 4"]
    code, said = asyncio.run(fleet_of(shop, command, 1))
    assert (code, said) == (4, ["A worker ended (killed by SIGKILL); another takes its place."])


def test_children_that_wait_for_a_plan_hear_of_it(shop: Place) -> None:
    """A line on their standard input says that there is work."""

    async def woken() -> int:
        async with open_source(load_app(str(shop.toml)), Options()) as site:
            fleet = Fleet(["sh", "-c", "read -r line && exit 4; exit 2"], 2, site_watch(site), print)
            running = asyncio.ensure_future(fleet.run())
            while fleet.living < 2:
                await asyncio.sleep(0.01)
            fleet.wake()
            return await running

    assert asyncio.run(woken()) == 4


PLANNED_LATE = """
import os, sys, time
from dataclasses import dataclass
from pathlib import Path
from haulier import Api, App, Single, WorkItem

app = App("late", api=Api({url!r}, in_flight=4))
HERE = Path(__file__).parent
if "work" in sys.argv:
    (HERE / f"child-{{os.getpid()}}").touch()

@dataclass(frozen=True)
class Blob(WorkItem, stream="blobs", kind="blob"):
    n: int

@app.enumerate("full")
async def blobs(ctx):
    for _ in range(600):
        if len(list(HERE.glob("child-*"))) == 2:
            break
        time.sleep(0.1)
    else:
        raise RuntimeError("no child came")
    yield Blob(1)

@app.processor(Blob)
async def blob(item, ctx):
    async for page in ctx.api.pages("/blob", {{"bytes": 20_000}}, pages=Single(), records="records"):
        yield page
"""


def test_children_start_while_the_plan_is_written(api: SandboxProcess, tmp_path: Path) -> None:
    source = tmp_path / "late.py"
    source.write_text(PLANNED_LATE.format(url=api.url))
    command = [sys.executable, "-m", "haulier", "run", str(source), "--workers", "2"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_children_leave_where_no_plan_comes(api: SandboxProcess, tmp_path: Path) -> None:
    """The enumerator fails once they are there: that is said alone, and nobody stays behind."""
    source = tmp_path / "late.py"
    source.write_text(PLANNED_LATE.format(url=api.url).replace("yield Blob(1)", "yield 1"))
    command = [sys.executable, "-m", "haulier", "run", str(source), "--workers", "2"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("haulier: The enumerator blobs yielded a int")
    for mark in tmp_path.glob("child-*"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(mark.name.removeprefix("child-")), 0)


def test_a_child_that_cannot_be_started_is_said_in_words(shop: Place, tmp_path: Path) -> None:
    with pytest.raises(BaseExceptionGroup) as failed:
        asyncio.run(fleet_of(shop, [str(tmp_path / "missing")], 1))
    assert failed.group_contains(UnavailableError, match="No worker can be started here")


def test_a_long_line_of_a_child_is_passed_on(shop: Place) -> None:
    """A traceback in one JSON line may be longer than a pipe's buffer."""
    program = "import sys; sys.stderr.write('x' * 3_000_000 + chr(10) + 'after it' + chr(10)); sys.exit(4)"
    code, said = asyncio.run(fleet_of(shop, [sys.executable, "-c", program], 1))
    assert (code, said[-1]) == (4, "after it")
    assert sum(map(len, said[:-1])) == 3_000_000


def test_children_are_as_quiet_as_their_parent(shop: Place) -> None:
    """On a terminal, and with --json, only warnings are logged, whichever process has them."""
    assert shop.run("run", "--workers", "1", "--json").code == 0
    assert is_quiet()
    assert shop.run("work", "--exit-idle").code == 0
    assert not is_quiet()
    assert shop.run("work", "--exit-idle", "--quiet").code == 0
    assert is_quiet()


@pytest.mark.usefixtures("each_loop")
def test_children_end_when_their_parent_is_killed(place: Place) -> None:
    """The end of a pipe tells them: they drain as if they had been asked to."""
    with SandboxProcess(SandboxSettings(records=1_000, latency_seconds=0.3)) as api:
        place.write(api.url)
        place.run("enqueue")
        process = place.start("run", "--workers", "2", "--grace", "0.1")
        while api.counters().requests < 6:
            assert process.poll() is None
            time.sleep(0.05)  # Whoever asks without a break takes a core from those that are waited for.
        process.kill()
        process.communicate(timeout=90)  # The children hold its output open for as long as they live.
        assert place.run("status", "--json").json["state"] == "open"
        assert "0 leased" in place.run("status").out


def test_a_reader_that_leaves_ends_the_command_without_a_traceback() -> None:
    """`haulier schema | head -1`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "haulier", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), err) == (1, b"")
