"""A folder, and processes in it that are killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.stand import Stand, standing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    return tmp_path


@pytest.fixture
def stand(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    """Items that do harm."""
    monkeypatch.setenv("CRASHING", str(folder))
    with standing(Stand(folder)) as stand:
        yield stand
