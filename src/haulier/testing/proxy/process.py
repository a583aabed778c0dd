"""The proxy as a process."""

from __future__ import annotations

import dataclasses
import sys

import msgspec

from haulier.testing.proxy.server import CONTROL_TARGET
from haulier.testing.proxy.settings import ProxyCounters, ProxySettings
from haulier.testing.server_process import ServerProcess


class FaultProxyProcess(ServerProcess):
    """The proxy in a process of its own: ``with FaultProxyProcess(api.url) as proxy: ...``."""

    def __init__(self, upstream: str, settings: ProxySettings | None = None, *, port: int = 0) -> None:
        values = dataclasses.asdict(settings or ProxySettings())
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
        command = [sys.executable, "-m", "haulier.testing.proxy", f"--upstream={upstream}", f"--port={port}", *flags]
        super().__init__(command)

    def counters(self) -> ProxyCounters:
        return msgspec.json.decode(self.get(CONTROL_TARGET), type=ProxyCounters)
