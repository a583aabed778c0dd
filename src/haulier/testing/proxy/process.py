"""The proxy as a process."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import Literal

import msgspec

from haulier.testing.proxy.listener import ListenerControl
from haulier.testing.proxy.rules import FaultRule
from haulier.testing.proxy.server import CONTROL_TARGET
from haulier.testing.proxy.settings import ProxyCounters, ProxySettings
from haulier.testing.server_process import ServerProcess


class FaultProxyProcess(ServerProcess):
    """The proxy in a process of its own: ``with FaultProxyProcess(api.url) as proxy: ...``."""

    def __init__(
        self,
        upstream: str,
        settings: ProxySettings | None = None,
        *,
        azure: Literal["", "blob", "queue"] = "",
        port: int = 0,
    ) -> None:
        """``azure`` names operations and errors as this service of Azure's storage does."""
        values = dataclasses.asdict(settings or ProxySettings())
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
        command = [sys.executable, "-m", "haulier.testing.proxy", f"--upstream={upstream}", f"--port={port}", *flags]
        command += [f"--azure={azure}"] if azure else []
        super().__init__(command)

    def counters(self) -> ProxyCounters:
        return msgspec.json.decode(self.get(CONTROL_TARGET), type=ProxyCounters)

    def use_rules(self, rules: Sequence[FaultRule]) -> None:
        """Put ``rules`` in the place of all others."""
        self._tell(ListenerControl(rules=list(rules)))

    def go_away(self, seconds: float) -> None:
        """Refuse connections for so long, at once after this call."""
        self._tell(ListenerControl(away_seconds=seconds))

    def _tell(self, control: ListenerControl) -> None:
        self.post(CONTROL_TARGET, msgspec.json.encode(control))
