"""The model as a process."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence

import msgspec

from haulier.testing.azure_queue.server import CONTROL_TARGET
from haulier.testing.azure_queue.settings import AzureQueueControl, AzureQueueCounters, AzureQueueSettings
from haulier.testing.proxy.rules import FaultRule
from haulier.testing.server_process import ServerProcess

ACCOUNT_KEY = "bW9kZWw="
"""Any key will do: the model checks no signature."""


class AzureQueueProcess(ServerProcess):
    """The model in a process of its own: ``with AzureQueueProcess() as service: ...``."""

    def __init__(self, settings: AzureQueueSettings | None = None, *, port: int = 0) -> None:
        self.settings = settings or AzureQueueSettings()
        values = msgspec.json.encode(dataclasses.asdict(self.settings)).decode()
        super().__init__(
            [sys.executable, "-m", "haulier.testing.azure_queue", f"--port={port}", f"--settings={values}"]
        )

    @property
    def endpoint(self) -> str:
        """What clients take as the queue endpoint of the account."""
        return f"{self.url}/{self.settings.account}"

    @property
    def connection_string(self) -> str:
        """One that has no other service; it ends with a semicolon."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={self.settings.account};AccountKey={ACCOUNT_KEY};"
            f"QueueEndpoint={self.endpoint};"
        )

    def counters(self) -> AzureQueueCounters:
        return msgspec.json.decode(self.get(CONTROL_TARGET), type=AzureQueueCounters)

    def use_rules(self, rules: Sequence[FaultRule]) -> None:
        """Put ``rules`` in the place of all others."""
        self._tell(AzureQueueControl(rules=list(rules)))

    def advance(self, seconds: float) -> None:
        """Move the server's clock ahead."""
        self._tell(AzureQueueControl(advance_seconds=seconds))

    def go_away(self, seconds: float) -> None:
        """Refuse connections for so long, at once after this call."""
        self._tell(AzureQueueControl(away_seconds=seconds))

    def _tell(self, control: AzureQueueControl) -> None:
        self.post(CONTROL_TARGET, msgspec.json.encode(control))
