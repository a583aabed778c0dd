"""What a person is told who waits, or who looks for what is wrong."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from haulier.worker.settings import ENOUGH_ITEMS
from tests.cli.conftest import Place


@pytest.mark.parametrize("words", [("run",), ("run", "--workers", "2"), ("work",)])
def test_whoever_stops_a_run_hears_at_once_that_it_stops(place: Place, words: tuple[str, ...]) -> None:
    """And how long that may take, since what is under way may end; children say nothing of their own signal."""
    command, *flags = words
    with SandboxProcess(SandboxSettings(records=20_000, latency_seconds=0.3)) as api:
        place.write(api.url)
        assert place.run("enqueue").code == 0
        process = place.start(command, "--grace", "1.5", *flags)
        while api.counters().in_flight == 0:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=90)
    assert process.returncode == 4
    (line,) = [line for line in err.splitlines() if line.startswith("Stopping")]
    assert line == (
        "Stopping because of SIGINT: no new item is begun, and those under way have 1.5 s to end. "
        "A second Ctrl-C stops at once."
    )
    assert "stopped by SIGINT" in err
    assert "SIGTERM" not in err


def test_a_worker_without_a_run_says_what_it_waits_for(shop: Place) -> None:
    process = shop.start("work")
    assert process.stderr is not None
    said = process.stderr.readline()
    process.terminate()
    _, err = process.communicate(timeout=90)
    assert said == (
        f"No run is open: this worker waits until one is, as `haulier enqueue {shop.toml}` opens it. Ctrl-C stops it.\n"
    ), err
    assert shop.run("enqueue").code == 0
    assert "No run is open" not in shop.run("work").err


def test_the_newest_failure_is_what_failed(shop: Place) -> None:
    """What the worker made of it stands in the closing words, once; and nothing is cut off without a sign."""
    shop.toml.write_text(shop.toml.read_text().replace('records = "items"', 'records = "itmes"'))
    assert ENOUGH_ITEMS <= 5
    said = shop.run("run")
    assert said.code == 2, said.err
    told = "\n".join(line for line in said.err.splitlines() if not line.startswith("{"))
    assert told.count("The first items of this worker") == 1
    assert told.count("no records: there is nothing at 'itmes'") == 1
    assert "  failure  " not in told
    cause = shop.run("status", "--json").json["newest_failure"]["cause"]
    assert cause.startswith("GET http://")
    assert len(cause) < 300 or cause.endswith(" ...")


def test_nobody_listens(place: Place) -> None:
    """In the system's words, not in asyncio's."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        place.write(f"http://127.0.0.1:{port}")
        said = place.run("try")
    assert said.code == 4
    assert f"cannot connect to 127.0.0.1:{port}: connection refused" in said.err
    assert "Connect call" not in said.err


def test_latest_of_what_was_never_pulled_says_how_to_pull_it(shop: Place, tmp_path: Path) -> None:
    said = shop.run("latest")
    assert said.code == 4
    assert said.err == (
        "haulier: No complete run of shop has the stream items yet. Start one with: "
        f"haulier run {tmp_path / 'shop.toml'}\n"
    )
