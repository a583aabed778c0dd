"""What KEDA's ScaledJob does with an azure-queue rule for each lane of a queue. Nothing else starts workers.

`queueLengthStrategy: all` counts what is being worked too, each rule wants its depth over ``queueLength``, the rules
are summed, and the strategy `default` starts what is wanted less what runs. A worker ends by itself (`--exit-idle`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.harness.azurite import Azurite
from tests.harness.container import Container


def depths_of(azurite: Azurite, queue: str) -> Callable[[], list[int]]:
    """Reads both lanes as KEDA does: the approximate count, in which hidden messages are. The poison queue is none."""
    from azure.storage.queue import QueueServiceClient

    service = QueueServiceClient.from_connection_string(azurite.connection_string)
    lanes = [service.get_queue_client(name) for name in (queue, f"{queue}-first")]
    return lambda: [lane.get_queue_properties().approximate_message_count or 0 for lane in lanes]


@dataclass
class Scaler:
    depths: Callable[[], Sequence[int]]
    start: Callable[[], Container]
    queue_length: int
    """Messages that one worker is to have (`queueLength`)."""
    most: int
    """`maxReplicaCount`."""
    polling_seconds: float
    workers: list[Container] = field(default_factory=list)
    looks: list[tuple[int, int]] = field(default_factory=list)
    """What each look saw: messages, and workers that ran."""

    @property
    def running(self) -> list[Container]:
        return [worker for worker in self.workers if worker.is_running]

    def look(self) -> bool:
        """Look once, and start what is wanted. Returns whether all is at rest: no message, and no worker."""
        depths, running = self.depths(), len(self.running)
        self.looks.append((sum(depths), running))
        wanted = min(sum(math.ceil(depth / self.queue_length) for depth in depths), self.most)
        for _ in range(wanted - running):
            self.workers.append(self.start())
        return not any(depths) and not running

    def until_rest(self, between: Callable[[], object] = lambda: None, *, seconds: float) -> None:
        """Look again and again until all is at rest, and call ``between`` after each look."""
        deadline = time.monotonic() + seconds
        while not self.look():
            assert time.monotonic() < deadline, f"no rest after {seconds:g} s: {self.looks[-5:]}"
            between()
            time.sleep(self.polling_seconds)
