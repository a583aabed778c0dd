from __future__ import annotations

import logging

from haulier.clock import Clock
from haulier.errors import LakeUnavailableError
from haulier.lake.floor import floor_of, in_words, room_to_go_on
from haulier.lake.seam import Disk, Lake

logger = logging.getLogger("haulier.worker")


class RoomWatch:
    """Warns once when the lake's disk is nearly full, and once when there is room again."""

    def __init__(self, lake: Lake, clock: Clock, patience_seconds: float) -> None:
        self._lake = lake
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._short_since: float | None = None

    @property
    def is_short(self) -> bool:
        return self._short_since is not None

    async def look(self) -> None:
        disk = await self._lake.disk()
        if disk is None:
            return
        now = self._clock.monotonic()
        if self._short_since is None:
            if not floor_of(disk).is_free_on(disk):
                self._short_since = now
                _say_short(disk)
        elif room_to_go_on(disk).is_free_on(disk):
            self._short_since = None
            logger.warning(
                "the disk has room again: items are taken", extra={"disk": disk.place, "free_bytes": disk.free_bytes}
            )
        elif now - self._short_since >= self._patience_seconds:
            free, least = in_words(disk, room_to_go_on(disk))
            raise LakeUnavailableError(
                f"The disk of {disk.holds} at {disk.place} has been nearly full for {self._patience_seconds / 60:,.0f} "
                f"minutes: {free} free, and {least} are needed to go on. Free some space and run again."
            )


def _say_short(disk: Disk) -> None:
    free, least = in_words(disk, floor_of(disk))
    _, enough = in_words(disk, room_to_go_on(disk))
    logger.warning(
        "the disk is nearly full: no new items are taken",
        extra={
            "disk": disk.place,
            "free_bytes": disk.free_bytes,
            "reason": f"The disk of {disk.holds} at {disk.place} has {free} free, and the floor is {least}. "
            f"Free some space: the work goes on by itself once there are {enough}.",
        },
    )
