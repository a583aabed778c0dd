"""What every lake keeps: subclass `LakeContract`, give it a lake, and pytest does the rest (P5 to P9 and C1).

    class TestMyLake(LakeContract):
        @pytest.fixture
        async def lake(self, lake_url: str) -> AsyncIterator[Lake]: ...

        @pytest.fixture
        def lake_url(self, tmp_path: Path) -> str: ...

Each test gets a lake of its own, empty. What a backend lacks by its `LakeCapabilities`, or by the class attribute
``has_processes``, is skipped, visibly. Needs pytest and pytest-asyncio.
"""

from __future__ import annotations

import pytest

from haulier.testing.contracts.lake.objects import ObjectContract
from haulier.testing.contracts.lake.records import RecordContract


@pytest.mark.asyncio
class LakeContract(RecordContract, ObjectContract):
    """The whole contract of `haulier.lake.seam.Lake`."""
