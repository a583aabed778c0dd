"""State that the attempts of one worker share."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from haulier.api.answers.cause_word import cause_word
from haulier.api.errors import ApiError
from haulier.clock import wall_seconds
from haulier.errors import HaulierError, RunSpentError
from haulier.queues.envelope import Envelope
from haulier.worker.batch_settler import BatchSettler
from haulier.worker.deps import WorkerDeps
from haulier.worker.division import Suspects
from haulier.worker.done_item_probe import DoneItemProbe
from haulier.worker.first_items import FirstItems, StoppedError
from haulier.worker.held_items import HeldItems
from haulier.worker.keeper import LeaseKeeper
from haulier.worker.run_cache import RunCache
from haulier.worker.stats import Stats
from haulier.worker.stop import StopSign

logger = logging.getLogger("haulier.worker")


@dataclass(frozen=True)
class WorkerState:
    deps: WorkerDeps
    keeper: LeaseKeeper
    batch_settler: BatchSettler
    run_cache: RunCache
    held_items: HeldItems
    probe: DoneItemProbe
    stats: Stats
    stop: StopSign
    unknown_since: dict[str, float] = field(default_factory=dict)
    """When each was first met (monotonic)."""
    first_items: FirstItems = field(default_factory=lambda: FirstItems(0))
    suspects: Suspects = field(default_factory=Suspects)
    strays: set[str] = field(default_factory=set)
    """Sources and runs of others that were told of."""
    spent: dict[str, RunSpentError] = field(default_factory=dict)
    """By run, where an item was refused since the run may send no more requests."""

    def note_good(self, envelope: Envelope) -> None:
        self.stop.note_good()
        self.spent.pop(envelope.run_id, None)
        if envelope.suspect:
            self.suspects.note_good()

    def note_failed(self, error: Exception, *, is_retried: bool) -> None:
        """What the API itself answered was noted when it did."""
        cause = ""
        if isinstance(error, StoppedError):
            error = error.reason  # The closing words tell the rest.
        if not (isinstance(error, ApiError) and (error.status or error.fault)):
            cause = self.redact(str(error) if isinstance(error, HaulierError) else f"{type(error).__name__}: {error}")
        word = cause_word(error.status, error.fault, error.shape) if isinstance(error, ApiError) else ""
        scope, clock = self.deps.client.scope, self.deps.clock
        scope.failures.note(cause, wall_seconds(clock), is_retried=is_retried, word=word or type(error).__name__)

    def say(self, event: str, envelope: Envelope, error: Exception | None, level: int = logging.INFO) -> None:
        fields = {"item_key": envelope.key, "run_id": envelope.run_id, "failures": envelope.failures}
        if error is not None:
            fields |= {"error_type": type(error).__name__, "error": self.redact(str(error))}
        logger.log(level, event, extra=fields)

    def note_stray(self, event: str, of: str) -> None:
        """Say so once."""
        if of not in self.strays:
            self.strays.add(of)
            logger.warning(event, extra={"of": of})

    def note_spent(self, error: RunSpentError) -> None:
        """Say so once."""
        if error.run_id not in self.spent:
            logger.warning("a run has sent all of its max_requests; its items wait", extra={"run_id": error.run_id})
        self.spent[error.run_id] = error

    def redact(self, text: str) -> str:
        """Remove what the API's settings hold secret (G7)."""
        return self.deps.client.redactor.redact(text)
