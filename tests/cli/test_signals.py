"""Ctrl-C and SIGTERM, at any time: nothing is lost, and the next command goes on."""

import signal
import subprocess
import sys
import time

import pytest

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import RECORDS, Place


def stop(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    process.send_signal(number)
    _, err = process.communicate(timeout=90)
    return process.returncode, err


@pytest.mark.parametrize("after_seconds", [0.2, 0.8, 1.2, 1.6, 2.4])
def test_ctrl_c_at_any_time_loses_nothing(place: Place, after_seconds: float) -> None:
    """G1: interrupted while it starts, plans, enqueues or works; the same command then ends complete."""
    with SandboxProcess(SandboxSettings(records=RECORDS, latency_seconds=0.15)) as api:
        place.write(api.url, in_flight="in_flight = 2")
        process = place.start("run")
        time.sleep(after_seconds)
        code, err = stop(process, signal.SIGINT)
        # A fast machine may be done by then.
        assert code in (0, 4, -signal.SIGINT, 1 if "KeyboardInterrupt" in err else 4), err
        if code:
            again = place.run("run", "--lease", "1")
            assert again.code == 0, again.err
        # Where the signal came between the verdict and the end of the process, the same command started another run.
        runs = len([*place.lake.glob("shop/items/mode=full/*")])
        assert (place.lines(), runs in (1, 2)) == (RECORDS * runs, True)


@pytest.mark.usefixtures("each_loop")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_drain_hands_back_at_once_and_uncounted(place: Place, number: signal.Signals) -> None:
    """What is under way ends within the grace, the rest goes back: the next worker need not wait for a lease."""
    with SandboxProcess(SandboxSettings(records=RECORDS, latency_seconds=0.5)) as api:
        place.write(api.url, in_flight="in_flight = 1")
        place.run("enqueue")
        process = place.start("work", "--grace", "0.2")
        while api.counters().requests < 3:
            time.sleep(0.05)
        code, err = stop(process, number)
        assert code == 4, err
        depth = place.run("status")
        assert "0 leased" in depth.out, depth.out
        assert place.run("run").code == 0
        assert place.lines() == RECORDS


@pytest.mark.usefixtures("each_loop")
def test_a_second_signal_stops_at_once(place: Place) -> None:
    """Without waiting for the grace."""
    with SandboxProcess(SandboxSettings(records=RECORDS)) as api:
        place.write(api.url)
        place.run("enqueue")
        api.change(hang_rate=1.0)
        process = place.start("work", "--grace", "100")
        try:
            while api.counters().hung == 0:
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            assert process.poll() is None
            code, err = stop(process, signal.SIGTERM)
        finally:
            process.kill()
        assert code == 4, err


BLOCKING = """
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from haulier import Api, App, Context, WorkItem

app = App("numbers", api=Api("http://127.0.0.1:9"))
marks = Path(__file__).parent


@dataclass(frozen=True)
class Number(WorkItem, stream="numbers", kind="number"):
    n: int


@app.enumerate("full")
async def numbers(ctx: Context) -> AsyncIterator[WorkItem]:
    yield Number(1)
    (marks / "began").touch()
    {block}
    yield Number(2)


@app.processor(Number)
async def number(item: Number, ctx: Context) -> AsyncIterator[list[dict[str, int]]]:
    yield [{{"n": item.n}}]
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "block",
    [
        "time.sleep(600)",
        "while not (marks / 'never').exists(): pass",
        "import socket; pair = socket.socketpair(); pair[0].recv(1)",
    ],
    ids=["sleeping", "computing", "receiving"],
)
def test_a_second_signal_ends_a_source_that_blocks(place: Place, number: signal.Signals, block: str) -> None:
    """While it plans nobody hears the first one; the second ends the process at once, and says why. Nothing is lost."""
    place.name = "numbers.py"
    place.toml.write_text(BLOCKING.format(block=block))
    process = place.start("run")
    try:
        while not (place.folder / "began").exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
        code, err = stop(process, number)
    finally:
        process.kill()
    assert code == 4, err
    assert "Stopped at once: the event loop was blocked" in err
    place.toml.write_text(BLOCKING.format(block="pass"))
    assert place.run("run").code == 0


TWICE = """
import asyncio, signal
from haulier.cli.event_loop import run_loop
from haulier.cli.signals import on_signals

async def command():
    heard, ended = [], asyncio.Event()
    with on_signals(heard.append, ended.set):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert heard == []
        await ended.wait()
    print(*heard, "then stopped")

run_loop(command())
"""


@pytest.mark.usefixtures("each_loop")
def test_a_signal_that_comes_twice_in_a_moment_cuts_nothing_off() -> None:
    """Some wrappers pass on a Ctrl-C that the terminal has sent already, before the loop has heard the first: what
    listens is called for both."""
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, check=False, timeout=90)
    assert (done.returncode, done.stdout) == (0, "SIGINT then stopped\n"), done.stderr
