"""A local lake, and the folder that it lies in."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from haulier.clock import SystemClock
from haulier.lake.local import LocalLake


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
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=40", "haulier-tests", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this user may not mount a disk")
    yield place
    subprocess.run(["umount", "-l", place], check=False, capture_output=True)
