"""The contract of every lake (P5 to P9 and C1), as a test class to subclass:

    class TestMyLake(LakeContract):
        @pytest.fixture
        async def lake(self, lake_url: str) -> AsyncIterator[Lake]: ...

        @pytest.fixture
        def lake_url(self, tmp_path: Path) -> str: ...

Each test needs an empty lake of its own. Tests of what a backend lacks, by its `LakeCapabilities` or ``has_processes``,
are reported as skipped. Needs pytest and pytest-asyncio.
"""

from __future__ import annotations

import pytest

from haulier.testing.contracts.lake.objects import ObjectContract
from haulier.testing.contracts.lake.records import RecordContract


@pytest.mark.asyncio
class LakeContract(RecordContract, ObjectContract):
    """The whole contract of `haulier.lake.seam.Lake`."""
