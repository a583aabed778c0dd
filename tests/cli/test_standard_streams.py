"""A reader that leaves, a disk that is full: the run goes on, and its exit code stands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import RECORDS, Place

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full on this machine")


def run(*words: str, out: int, err: int = subprocess.PIPE) -> tuple[int, str]:
    """A command as a shell starts it: its exit code, and what it said on standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "haulier", *words], stdout=out, stderr=err, text=True, check=False, timeout=90
    )
    return done.returncode, done.stderr or ""


@pytest.fixture
def closed() -> int:
    """A pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def test_a_run_whose_reader_left_is_worked_to_its_end(shop: Place, closed: int) -> None:
    """`haulier run shop.toml --json | head -1`, and the same with both streams."""
    code, err = run("run", str(shop.toml), "--json", out=closed)
    assert code == 0, err
    assert "Traceback" not in err
    assert "haulier: " not in err
    assert run("run", str(shop.toml), "--new", out=closed, err=closed)[0] == 0
    assert run("status", str(shop.toml), out=closed)[0] == 0
    os.close(closed)
    assert shop.lines() == 2 * RECORDS


@needs_full
def test_a_run_whose_output_has_no_room_is_worked_to_its_end(shop: Place) -> None:
    """`haulier run shop.toml --json > /dev/full`: one line says so, and the code is the run's."""
    with FULL.open("wb") as full:
        code, err = run("run", str(shop.toml), "--json", out=full.fileno())
        assert (code, "Traceback" in err) == (0, False), err
        assert err.endswith("haulier: Cannot write to standard output: No space left on device.\n")
        assert run("run", str(shop.toml), "--new", out=full.fileno(), err=full.fileno())[0] == 0
        code, err = run("run", "no.toml", out=full.fileno())
        assert (code, err.count("\n")) == (2, 1)
    assert shop.lines() == 2 * RECORDS


@needs_full
def test_what_is_asked_for_its_output_alone_fails_without_it(shop: Place) -> None:
    """A script that reads the path of a snapshot must not take an empty one for it."""
    assert shop.run("run").code == 0
    with FULL.open("wb") as full:
        for words in (("latest", str(shop.toml)), ("poison", "list", str(shop.toml), "--json"), ("schema",)):
            code, err = run(*words, out=full.fileno())
            assert (code, "Traceback" in err) == (1, False), words
        assert run("--help", out=full.fileno())[0] == 0


@pytest.mark.parametrize("streams", ["<&-", "<&- >&- 2>&-"])
def test_a_run_whose_standard_streams_are_closed_is_worked_to_its_end(shop: Place, streams: str) -> None:
    """As some schedulers start it. Its children, which inherit them, work too."""
    command = f'exec "$0" -m haulier run "$1" --workers 2 {streams}'
    done = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable, str(shop.toml)], capture_output=True, check=False, timeout=90
    )
    assert done.returncode == 0, done.stderr
    assert b"Assertion" not in done.stderr
    assert shop.lines() == RECORDS
    schema = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -m haulier schema >&-', sys.executable], capture_output=True, check=False
    )
    assert schema.returncode == 1, schema.stderr
