"""Signals and the loop of a command: heard everywhere, by the innermost who listens."""

import asyncio
import io
import json
import logging
import os
import signal
import subprocess
import sys

import click
import pytest

from haulier.cli.event_loop import run_loop
from haulier.cli.output import set_up_output
from haulier.cli.signals import on_signals, until_signal

LOOP = """
import asyncio
from haulier.cli.event_loop import run_loop

async def main():
    print(type(asyncio.get_running_loop()).__module__)

run_loop(main())
"""


def test_a_command_runs_on_uvloop_where_that_is_installed(each_loop: str) -> None:
    """In every process: `run`, `work`, and the children of a fleet, which are such commands too."""
    said = subprocess.run([sys.executable, "-c", LOOP], capture_output=True, text=True, check=True).stdout
    assert said.startswith(each_loop)


@pytest.mark.usefixtures("each_loop")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_nobody_waits_for_lets_go_of_what_is_open(number: signal.Signals) -> None:
    """Between two pieces of work, too: what is open is closed, and the command ends as interrupted."""
    closed = []

    async def command() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.sleep(30)
        finally:
            closed.append(number)

    with pytest.raises(click.Abort):
        run_loop(command())
    assert closed == [number]


@pytest.mark.usefixtures("each_loop")
def test_after_an_inner_block_the_outer_one_listens_again() -> None:
    async def command() -> list[str]:
        heard: list[str] = []
        with on_signals(lambda name: heard.append(f"outer {name}"), lambda: heard.append("outer again")):
            with on_signals(lambda name: heard.append(f"inner {name}"), lambda: heard.append("inner again")):
                for _ in range(2):
                    os.kill(os.getpid(), signal.SIGTERM)
                    await asyncio.sleep(0.05)
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0.05)
        return heard

    assert run_loop(command()) == ["inner SIGTERM", "inner again", "outer SIGINT"]


@pytest.mark.usefixtures("each_loop")
def test_a_signal_ends_one_piece_of_work_and_the_command_goes_on() -> None:
    async def work() -> int:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(30)
        return 1

    async def command() -> tuple[int | None, int | None]:
        async def two() -> int:
            return 2

        return await until_signal(work()), await until_signal(two())

    assert run_loop(command()) == (None, 2)


def test_what_fails_in_work_that_listens_is_raised() -> None:
    async def work() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run_loop(until_signal(work()))


def test_log_lines_go_where_standard_error_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A progress bar takes the place of standard error; a line that went past it would be drawn over."""
    set_up_output()
    bar = io.StringIO()
    monkeypatch.setattr(sys, "stderr", bar)
    logging.getLogger("haulier.worker").warning("an item failed", extra={"item_key": "a-1"})
    line = json.loads(bar.getvalue())
    assert (line["level"], line["event"], line["haulier.item.key"]) == ("warning", "an item failed", "a-1")


HEAPS = """
import asyncio, ctypes, sys
from haulier.cli.event_loop import run_loop

async def main():
    await asyncio.gather(*(asyncio.to_thread(lambda: [bytes(60_000) for _ in range(20)]) for _ in range(8)))

libc = ctypes.CDLL(None)
if not hasattr(libc, "malloc_info"):
    sys.exit(77)
run_loop(main())
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


def test_all_threads_share_one_heap() -> None:
    """G9: what a thread has let go of serves the others. glibc would keep a heap for each of them."""
    ended = subprocess.run([sys.executable, "-c", HEAPS], capture_output=True, text=True, check=False)
    if ended.returncode == 77:
        pytest.skip("the C library is not glibc")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("<heap nr=") == 1
