"""What every test of runs gets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.runs.rig import Place, Process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    return tmp_path


@pytest.fixture
async def place(folder: Path) -> AsyncIterator[Place]:
    """A lake, a queue and a clock of this test."""
    place = Place(folder / "lake")
    yield place
    await place.close()


@pytest.fixture
def process(place: Place) -> Process:
    return place.process()
