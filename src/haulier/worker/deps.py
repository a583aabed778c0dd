"""The dependencies of a worker."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from haulier.items.workitem import WorkItem
from haulier.sources.context import Context
from haulier.telemetry.messages import NO_MESSAGE_SPANS, MessageSpans
from haulier.telemetry.seam import NO_TELEMETRY, Telemetry
from haulier.worker.settings import WorkerSettings

if TYPE_CHECKING:
    from haulier.api.client import Client
    from haulier.clock import Clock
    from haulier.items.registry import Registry
    from haulier.lake.seam import Lake
    from haulier.queues.seam import Queue, QueueOpener
    from haulier.runs.closing import Closer
    from haulier.runs.run import Run


Processor = Callable[[Any, Context], AsyncGenerator[Any, None]]
"""Yields pages (or lists of dicts), or the work items that its item is divided into."""


Divider = Callable[[Any], Iterable[WorkItem]]
"""Makes smaller items that together ask for the same records; none if it cannot."""


def undivided(_item: WorkItem) -> tuple[WorkItem, ...]:
    return ()


@dataclass(frozen=True)
class WorkerDeps:
    source: str
    lake: Lake
    queue: Queue
    open_queue: QueueOpener
    client: Client
    registry: Registry
    processors: Mapping[type[WorkItem], Processor]
    closer: Closer
    clock: Clock
    rng: random.Random
    name: str
    """Unique for all time: it names receipts and spools."""
    settings: WorkerSettings
    divide: Divider = undivided
    shared: Any = None
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Declared keys by stream, as paths in a record."""
    isolate: tuple[str, ...] = ()
    """The command that runs one item alone (crash guard); the message is its standard input."""
    require_same_source: Callable[[Run], None] = lambda run: None
    """Raises `UsageError` if the run was planned with another source."""
    telemetry: Telemetry = NO_TELEMETRY
    messages: MessageSpans = NO_MESSAGE_SPANS
