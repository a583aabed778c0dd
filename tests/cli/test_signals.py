"""Ctrl-C and SIGTERM, at any time: nothing is lost, and the next command goes on."""

import signal
import subprocess
import time

import pytest

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import RECORDS, Place


def stop(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    process.send_signal(number)
    _, err = process.communicate(timeout=40)
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
        was_claimed = any(place.lake.rglob("run.json"))
        again = place.run("run", *(["--resume-only"] if was_claimed else []), "--lease", "1")
        assert again.code == 0, again.err
        assert place.lines() == RECORDS


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
        assert place.run("run", "--resume-only").code == 0
        assert place.lines() == RECORDS


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
