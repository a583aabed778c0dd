"""The sandbox as a process."""

from __future__ import annotations

import dataclasses
import sys

import msgspec

from haulier.testing.sandbox.command_flags import flag_of
from haulier.testing.sandbox.connection import CONTROL_TARGET
from haulier.testing.sandbox.counters import SandboxCounters
from haulier.testing.sandbox.settings import SandboxSettings
from haulier.testing.server_process import ServerProcess


class SandboxProcess(ServerProcess):
    """A sandbox in a process of its own: ``with SandboxProcess(settings) as api: api.url``."""

    def __init__(self, settings: SandboxSettings | None = None, *, port: int = 0) -> None:
        flags = [f"--port={port}"]
        for name, value in dataclasses.asdict(settings or SandboxSettings()).items():
            flag = flag_of(name)
            if value is True:
                flags.append(flag)
            elif value != getattr(SandboxSettings, name):
                flags.append(f"{flag}={msgspec.json.encode(value).decode() if isinstance(value, tuple) else value}")
        super().__init__([sys.executable, "-m", "haulier.testing.sandbox", *flags])

    def counters(self) -> SandboxCounters:
        return msgspec.json.decode(self.get(CONTROL_TARGET.decode()), type=SandboxCounters)

    def change(self, **changes: object) -> None:
        """Change settings by name, from the next request on. ``OSError`` for a bad one, and nothing changes."""
        self.post(CONTROL_TARGET.decode(), msgspec.json.encode(changes))
