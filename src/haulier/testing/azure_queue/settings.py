"""The settings and counters of the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict

from haulier.testing.proxy.listener import ListenerControl, ListenerCounters
from haulier.testing.proxy.rules import FaultRule


@dataclass(frozen=True)
class AzureQueueSettings:
    """How unkind the model is. The rates are shares from 0.0 to 1.0, drawn from the seed."""

    seed: int = 1
    account: str = "devstoreaccount1"
    rules: tuple[FaultRule, ...] = ()
    """Errors and lost answers, by operation: see `haulier.testing.proxy.operations.queue_operation`."""
    duplicate_rate: float = 0.0
    """Messages handed out that stay visible, so that another receiver gets them too."""
    reorder_rate: float = 0.0
    """Receives that hand out messages in no order."""
    stale_404_rate: float = 0.0
    """Stale receipts of a message that exists, answered with 404 MessageNotFound; the others with 400
    PopReceiptMismatch. The error codes document both."""
    wrong_count_rate: float = 0.0
    """Approximate counts that are off, by up to themselves."""
    clear_at_most: int = 0
    """Messages that one Clear removes before it ends with 500 OperationTimedOut; 0: all."""
    skew_seconds: float = 0.0
    """The server's clock ahead of the client's. By more than 15 minutes, signed requests are refused."""

    def __post_init__(self) -> None:
        rates = (self.duplicate_rate, self.reorder_rate, self.stale_404_rate, self.wrong_count_rate)
        if min(rates) < 0 or max(rates) > 1:
            raise ValueError(f"The rates are {rates}; write rates from 0.0 to 1.0.")
        if self.clear_at_most < 0:
            raise ValueError(f"clear_at_most is {self.clear_at_most}; write 0 or a number of messages.")


class _Unkind(TypedDict):
    rules: tuple[FaultRule, ...]
    duplicate_rate: float
    reorder_rate: float
    stale_404_rate: float
    wrong_count_rate: float


UNKIND: _Unkind = {
    "rules": (
        FaultRule("lost", rate=0.01),
        FaultRule("500 after", rate=0.005),
        FaultRule("503", rate=0.01),
        FaultRule("500", rate=0.005),
        FaultRule("reset", rate=0.005),
    ),
    "duplicate_rate": 0.01,
    "reorder_rate": 0.2,
    "stale_404_rate": 0.5,
    "wrong_count_rate": 0.3,
}
"""Everything at once, several times worse than a bad day: ``AzureQueueSettings(seed=7, **UNKIND)``."""


@dataclass
class AzureQueueCounters(ListenerCounters):
    duplicated: int = 0
    """Messages handed out that stayed visible."""
    reordered: int = 0
    stale_400: int = 0
    stale_404: int = 0
    expired: int = 0
    """Messages whose time to live ended."""
    wrong_counts: int = 0
    messages: dict[str, int] = field(default_factory=dict)
    """By queue: messages that exist, visible or not."""


class AzureQueueControl(ListenerControl, forbid_unknown_fields=True):
    advance_seconds: float = 0.0
    """Move the server's clock ahead."""
