from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from haulier.sources.finished import Finished

if TYPE_CHECKING:  # A source file needs `Context` alone: whoever only looks at its runs imports no more.
    from haulier.api.client import ItemApi


@dataclass(frozen=True)
class RunInfo:
    """The run that an item belongs to."""

    run_id: str
    """The name of the run, such as ``full-20261123T222500Z``."""
    mode: str
    """``full`` or ``incremental``."""
    snapshot_time: datetime
    """The run's upper bound in time, aware UTC; equal for all of its items."""


@dataclass(frozen=True)
class Context:
    """All that processors and enumerators are given besides their item."""

    api: ItemApi
    """Sends requests under the source's limits, and pages through their answers."""
    run: RunInfo
    attempt: int
    """1 for the first delivery of the item."""
    log: logging.LoggerAdapter[logging.Logger]
    """Adds the run, and the item where there is one, to each line."""
    shared: Any = None
    """The value that the app's lifespan yielded."""
    finished: Finished = field(default_factory=Finished)
    """Windows and IDs that earlier incremental runs have finished, for the enumerator of the next one."""

    @property
    def snapshot_time(self) -> datetime:
        """The run's upper bound in time, aware UTC; equal for all of its items."""
        return self.run.snapshot_time
