"""What a worker is made of, handed to it by the app, and what it hands to a processor."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from haulier.items.workitem import WorkItem
from haulier.worker.settings import WorkerSettings

if TYPE_CHECKING:  # A source file needs `Context` alone: whoever only looks at its runs imports no more.
    from haulier.api.client import Client, ItemApi
    from haulier.clock import Clock
    from haulier.items.registry import Registry
    from haulier.lake.seam import Lake
    from haulier.queues.seam import QueueClient, QueueOpener
    from haulier.runs.closing import Closer
    from haulier.runs.run import Run


@dataclass(frozen=True)
class RunInfo:
    """The run that an item belongs to."""

    run_id: str
    mode: str
    snapshot_time: datetime

    @classmethod
    def of(cls, run: Run) -> RunInfo:
        return cls(run.run_id, run.file.mode, run.file.snapshot_time)


@dataclass(frozen=True)
class Context:
    """What processors and enumerators are given besides their item."""

    api: ItemApi
    """Sends requests under the source's limits, and pages through their answers."""
    run: RunInfo
    attempt: int
    """1 for the first delivery of the item."""
    log: logging.LoggerAdapter[logging.Logger]
    shared: Any = None
    """What the app's lifespan yielded."""

    @property
    def snapshot_time(self) -> datetime:
        """The run's upper bound in time, aware UTC; equal for all of its items."""
        return self.run.snapshot_time


Processor = Callable[[Any, Context], AsyncGenerator[Any, None]]
"""An async generator of pages (or lists of dicts), or of the work items that its item is divided into."""


Divider = Callable[[Any], Iterable[WorkItem]]
"""Smaller items that together ask for the same records as an item; none where it cannot be divided."""


def undivided(_item: WorkItem) -> tuple[WorkItem, ...]:
    """The `Divider` of a source whose items cannot be divided."""
    return ()


@dataclass(frozen=True)
class Parts:
    """The wiring of one worker."""

    source: str
    lake: Lake
    queue: QueueClient
    open_queue: QueueOpener
    client: Client
    registry: Registry
    processors: Mapping[type[WorkItem], Processor]
    closer: Closer
    clock: Clock
    rng: random.Random
    name: str
    """Unlike any other worker's, ever: it names receipts and spools."""
    settings: WorkerSettings
    divide: Divider = undivided
    shared: Any = None
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By stream, the paths of what tells its records apart, where that is declared."""
    isolate: tuple[str, ...] = ()
    """The command that runs one item alone (crash guard); it is given the message on standard input."""
    require_fit: Callable[[Run], None] = lambda run: None
    """Raises `UsageError` for a run that was planned with another source: its records would change shape half-way."""
