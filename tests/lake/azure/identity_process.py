"""A process with nothing but a managed identity, which hauls into a container: its name and URL are the arguments.

A process of its own, since aiohttp reads the trusted certificates when it is imported.
"""

from __future__ import annotations

import asyncio
import random
import sys
from urllib.parse import parse_qs

import msgspec

from haulier.azure.account import AzureAccount
from haulier.clock import SystemClock
from haulier.lake.azure.folder import ContainerFolder
from haulier.lake.azure.lake import AzureLake
from haulier.testing.contracts.lake.contents import OBJECT, listed
from tests.harness.azurite import ACCOUNT
from tests.lake.azure.test_lost_answers import LARGE, SMALL, published


async def haul(endpoint: str, container: str) -> dict[str, object]:
    folder = ContainerFolder(AzureAccount(ACCOUNT, endpoint, ""), container, "lake", f"az://{container}/lake")
    lake = AzureLake(folder, SystemClock(), random.Random())
    await lake.check()
    created = await lake.create("a/b.json", b"{}")
    small = await published(lake, SMALL)
    large = await published(lake, LARGE, path=f"{OBJECT}.large")
    right = await lake._rights.for_seconds("lake/a", 60.0)
    found = {
        "created": created,
        "read": (await lake.read("a/b.json") or b"").decode(),
        "published": [small.value, large.value],
        "listed": await listed(lake, "a"),
        "signed for": parse_qs((right and right.sas) or "").get("skoid", []),
    }
    await lake.remove("a/b.json")
    await lake.close()
    return found


def main() -> None:
    sys.stdout.write(msgspec.json.encode(asyncio.run(haul(*sys.argv[1:]))).decode())


if __name__ == "__main__":
    main()
