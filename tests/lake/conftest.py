"""A local lake, and the folder that it lies in."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from haulier.clock import SystemClock
from haulier.lake.local.lake import LocalLake
from tests.lake.small_disk import small_disk


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
async def lake(root: Path) -> AsyncIterator[LocalLake]:
    lake = LocalLake(root, SystemClock())
    yield lake
    await lake.close()


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on another disk than the lake's."""
    for place in ("/dev/shm", "/run", "/var/tmp"):
        if os.path.isdir(place) and os.access(place, os.W_OK) and os.stat(place).st_dev != os.stat(tmp_path).st_dev:
            with tempfile.TemporaryDirectory(dir=place) as folder:
                yield Path(folder)
            return
    pytest.skip("this machine has one disk")


@pytest.fixture
def lake_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB and 40 files, mounted where a lake can lie."""
    with small_disk(tmp_path / "disk", size="8m", files=40) as place:
        yield place
