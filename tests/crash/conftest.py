"""A folder on a fast disk, for tests that are about kills and not about a loss of power."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.stand import Stand, standing

MEMORY = "/dev/shm"
"""Where Linux has a disk in memory: fsync made these tests several times slower."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder."""
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="haulier-test-", dir=MEMORY) as fast:
        yield Path(fast)


@pytest.fixture
def stand(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    """Items that do harm."""
    monkeypatch.setenv("CRASHING", str(folder))
    with standing(Stand(folder)) as stand:
        yield stand
