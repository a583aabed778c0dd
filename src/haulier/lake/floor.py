"""Room on the lake's disk that no new item may take, so that items under way, closings and receipts can be written to
their end."""

from __future__ import annotations

import os
from dataclasses import dataclass

from haulier.errors import LakeUnavailableError
from haulier.lake.seam import Disk, Lake

FLOOR_BYTES = 256 * 1024 * 1024
"""Enough for a dozen items under way of 20 MB, compressed, and a manifest of millions of items."""
FLOOR_FILES = 1_000
FLOOR_PART = 20
"""A disk of 1 GB must not lose a quarter: at most this part of it (1/20) is the floor."""
AGAIN_PARTS = 1.25
"""Floors that must be free before work goes on: around one alone it would stop and go."""


@dataclass(frozen=True)
class Room:
    bytes: int
    files: int

    def is_free_on(self, disk: Disk) -> bool:
        return disk.free_bytes >= self.bytes and (not disk.total_files or disk.free_files >= self.files)


def floor_of(disk: Disk) -> Room:
    return Room(min(FLOOR_BYTES, disk.total_bytes // FLOOR_PART), min(FLOOR_FILES, disk.total_files // FLOOR_PART))


def room_to_go_on(disk: Disk) -> Room:
    floor = floor_of(disk)
    return Room(round(floor.bytes * AGAIN_PARTS), round(floor.files * AGAIN_PARTS))


def in_words(disk: Disk, room: Room) -> tuple[str, str]:
    """Bytes, or files if the bytes would do."""
    if disk.free_bytes < room.bytes or not disk.total_files:
        return _size(disk.free_bytes), _size(room.bytes)
    return f"{disk.free_files:,} files", f"{room.files:,} files"


async def require_room(lake: Lake) -> None:
    disk = await lake.disk()
    if disk is None or (floor := floor_of(disk)).is_free_on(disk):
        return
    free, least = in_words(disk, floor)
    raise LakeUnavailableError(
        f"The disk of {disk.holds} at {disk.place} is nearly full: {free} free, and no work is begun below {least}. "
        f"Free some space, or {disk.remedy}, and run again."
    )


def disk_at(root: str) -> Disk:
    """The folder need not exist yet."""
    standing = root
    while not os.path.lexists(standing):
        standing = os.path.dirname(standing)
    space = os.statvfs(standing)
    return Disk(
        place=root,
        free_bytes=space.f_bavail * space.f_frsize,
        total_bytes=space.f_blocks * space.f_frsize,
        free_files=space.f_favail,
        total_files=space.f_files,
    )


def _size(size: int) -> str:
    """Rounded down, so that nothing below the floor reads as if it were not."""
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 10 << shift:
            return f"{size >> shift:,} {unit}"
    return f"{size:,} bytes"
