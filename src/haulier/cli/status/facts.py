"""All that one look at a run tells: what `haulier status` prints, in every form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from haulier.api.scope.failures import NO_FAILURES, Failures
from haulier.cli.api_state import ApiState
from haulier.cli.failures import failure_facts
from haulier.cli.pace import RunRate, TimeLeft
from haulier.cli.status.worker_facts import WorkerFacts
from haulier.queues.seam import Holder
from haulier.runs.status import RunStatus


class QueueFacts(msgspec.Struct, frozen=True, kw_only=True):
    is_exact: bool
    """If not, messages are told apart by nobody, and their number is about right."""
    unsettled: int
    """All of them."""
    ready: int | None
    delayed: int | None
    leased: int | None


class LatencyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """How long answers of the last minutes took, without waiting for their turn."""

    p50_seconds: float
    p95_seconds: float


class OtherRun(msgspec.Struct, frozen=True, kw_only=True):
    """Another open run of the source."""

    run_id: str
    mode: str
    state: str
    planned: int
    ended: int
    records: int


@dataclass(frozen=True)
class StatusFacts:
    status: RunStatus
    seconds: float = 0.0
    """From the start of the run to its verdict, or to now."""
    failures: Failures = NO_FAILURES
    queue: QueueFacts | None = None
    """None where no other process can look into the queue."""
    leases: tuple[Holder, ...] = ()
    api: ApiState | None = None
    workers: tuple[WorkerFacts, ...] = ()
    latency: LatencyFacts | None = None
    poison_by_reason: dict[str, int] | None = None
    """None where nothing is poisoned."""
    poison_unread: int = 0
    rate: RunRate | None = None
    eta: TimeLeft | None = None
    others: tuple[OtherRun, ...] = ()

    @property
    def is_api_shown(self) -> bool:
        """After the run it matters to the next one alone, where that would have to wait."""
        api = self.api
        return api is not None and not (self.status.state.is_closed and api.state == "well" and api.limit is None)

    def document(self) -> dict[str, Any]:
        """Build what ``--json`` prints. Every name is there in each state, and stays."""
        document: dict[str, Any] = msgspec.to_builtins(self.status)
        live = {
            "seconds": self.seconds,
            "poison_by_reason": self.poison_by_reason or {},
            "poison_unread": self.poison_unread,
            "queue": _built(self.queue),
            "leases": _built(self.leases),
            "api": _built(self.api) if self.is_api_shown else None,
            "latency": _built(self.latency),
            "workers": _built(self.workers),
            "rate": _built(self.rate),
            "eta": _built(self.eta),
            "others": _built(self.others),
        }
        return document | failure_facts(self.failures) | live


def _built(facts: object) -> Any:
    return msgspec.to_builtins(facts)
