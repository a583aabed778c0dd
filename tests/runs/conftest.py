"""What every test of runs gets."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.runs.rig import Place, Process

MEMORY = "/dev/shm"
"""Where Linux has a disk in memory. No test here is about a loss of power, and fsync made them five times slower."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder, on a fast disk if there is one."""
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="haulier-test-", dir=MEMORY) as fast:
        yield Path(fast)


@pytest.fixture
async def place(folder: Path) -> AsyncIterator[Place]:
    """A lake, a queue and a clock of this test."""
    place = Place(folder / "lake")
    yield place
    await place.close()


@pytest.fixture
def process(place: Place) -> Process:
    return place.process()
