"""A queue in a file of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from haulier.queues.sqlite.queue import SqliteQueue
from haulier.testing.clock import FakeClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.sqlite3"


@pytest.fixture
async def queue(path: Path) -> AsyncIterator[SqliteQueue]:
    queue = SqliteQueue(path, FakeClock(), busy_timeout_seconds=0.3)
    yield queue
    await queue.close()
