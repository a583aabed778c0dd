"""Where in Azure a fleet's queue and lake are."""

from __future__ import annotations

from dataclasses import dataclass

from haulier.errors import UsageError
from haulier.lake.opening import require_container
from haulier.queues.opening import FIRST_LANE_SUFFIX, read_azure_url


@dataclass(frozen=True)
class AzurePlaces:
    account: str
    queue: str
    lake: str

    @property
    def queues(self) -> tuple[str, ...]:
        """Whose depth is looked at: all that workers take from. The poison queue is none of them."""
        return (self.queue, f"{self.queue}{FIRST_LANE_SUFFIX}")


def azure_places(platform: str, queue: str, lake: str) -> AzurePlaces:
    """Raises `UsageError` for places that workers on several machines do not reach."""
    if not queue.startswith("azure-queue:"):
        kind = (
            "A queue in memory ends with its process" if queue == "memory" else "A queue in a file serves one machine"
        )
        raise UsageError(
            f'{kind}, and {platform} has many. Write `queue = "azure-queue://ACCOUNT/QUEUE"` in the source, or '
            "--queue azure-queue://ACCOUNT/QUEUE, and a lake there; or deploy to one machine: haulier deploy compose "
            "SOURCE"
        )
    account, name = read_azure_url(queue)
    require_container(lake, account)
    return AzurePlaces(account, name, lake)
