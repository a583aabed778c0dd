"""A lake, a queue and an API for each test, on a clock that it turns."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.worker.rig import Rig

MEMORY = "/dev/shm"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder, on a fast disk if there is one: nothing here is about a loss of power."""
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="haulier-test-", dir=MEMORY) as fast:
        yield Path(fast)


@pytest.fixture
async def rig(folder: Path) -> AsyncIterator[Rig]:
    async with Rig(folder) as rig:
        yield rig
