"""What disks do to a file: one page spoiled while no process has it open, or errors on the way to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import apsw


def spoil(path: Path, page: int | str) -> None:
    """Overwrite one page of a database, by its number or as the root of a table, with what a bad disk returns."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    size: int = connection.pragma("page_size")
    root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (page,)).get
    number: int = root if isinstance(page, str) else page
    connection.close()
    with path.open("r+b") as file:
        file.seek((number - 1) * size)
        file.write(b"\xa5" * size)


@dataclass
class Weather:
    """What the next writes and syncs of SQLite end in; nothing, as long as it is fair."""

    on_write: type[apsw.Error] | None = None
    on_sync: type[apsw.Error] | None = None

    def clear(self) -> None:
        self.on_write = self.on_sync = None


@contextlib.contextmanager
def weather() -> Iterator[Weather]:
    """All files that SQLite opens in the block are under the weather."""
    now = Weather()
    vfs = _Vfs(now)
    try:
        yield now
    finally:
        vfs.unregister()


class _Vfs(apsw.VFS):
    def __init__(self, now: Weather) -> None:
        self._now = now
        self._real = apsw.vfs_names()[0]
        super().__init__("weather", self._real, makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _File(self._now, self._real, name, flags)


class _File(apsw.VFSFile):
    def __init__(self, now: Weather, real: str, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._now = now
        super().__init__(real, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._now.on_write:
            raise self._now.on_write("the disk says no")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._now.on_sync:
            raise self._now.on_sync("the disk says no")
        super().xSync(flags)
