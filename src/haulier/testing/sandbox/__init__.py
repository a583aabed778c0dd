"""A realistic API on loopback, with faults on request, for tests, benchmarks and experiments.

    async with Sandbox(SandboxSettings(records=5_000, error_rate_500=0.02)) as api:
        ...  # GET api.url + "/items?from_id=1&to_id=1001&limit=100"

`haulier sandbox` serves it as a process; `SandboxProcess` does so for a synchronous test. `haulier sandbox --help` and
docs/sandbox.md list the paths and settings.
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
