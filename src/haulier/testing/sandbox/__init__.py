"""A realistic API on loopback, with faults on request, for tests, benchmarks and trying things out.

    async with Sandbox(SandboxSettings(records=5_000, error_rate_500=0.02)) as api:
        ...  # GET api.url + "/items?from_id=1&to_id=1001&limit=100"

`haulier sandbox` serves it as a process and prints its URL; its help lists the paths and settings, as docs/sandbox.md
does. `SandboxProcess` does the same for a synchronous test.
"""

from __future__ import annotations

from haulier.testing.sandbox.counters import SandboxCounters
from haulier.testing.sandbox.data import record_bytes, record_ids
from haulier.testing.sandbox.family import comment_ids
from haulier.testing.sandbox.process import SandboxProcess
from haulier.testing.sandbox.sandbox import Sandbox
from haulier.testing.sandbox.settings import SandboxSettings

__all__ = [
    "Sandbox", "SandboxCounters", "SandboxProcess", "SandboxSettings", "comment_ids", "record_bytes", "record_ids"
]  # fmt: skip
