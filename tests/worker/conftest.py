"""A lake, a queue and an API for each test, on a clock that it turns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.worker.rig import Rig


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    return tmp_path


@pytest.fixture
async def rig(folder: Path) -> AsyncIterator[Rig]:
    async with Rig(folder) as rig:
        yield rig
