"""A disk that remembers what was synced: from one recording of SQLite's writes, what any loss of power would leave."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import apsw

SECTOR_BYTES = 512
REAL = apsw.vfs_names()[0]
"""What SQLite uses on this machine: the recorder stands upon it."""


@dataclass(frozen=True)
class Write:
    offset: int
    body: bytes


@dataclass(frozen=True)
class Truncate:
    size: int


@dataclass(frozen=True)
class Delete:
    pass


@dataclass(frozen=True)
class Sync:
    pass


Step = Write | Truncate | Delete | Sync


@dataclass
class Disk:
    """Every step that reached a file, in order. A cut is a number of steps: power fails before the next one."""

    steps: list[tuple[str, Step]] = field(default_factory=list)

    def log(self, path: str, step: Step) -> None:
        self.steps.append((Path(path).name, step))

    def log_folder_sync(self) -> None:
        """What was deleted stays so from now on."""
        last = dict(self.steps)
        self.steps += [(name, Sync()) for name, step in last.items() if isinstance(step, Delete)]

    def restore(self, cut: int, folder: Path, rng: random.Random | None) -> None:
        """Lay in ``folder`` what is left after the first ``cut`` steps.

        What was synced is there. Of what was not nothing is there or, with ``rng``, any part: drives and kernels write
        sectors back in an order of their own.
        """
        files: dict[str, list[Step]] = {}
        for name, step in self.steps[:cut]:
            files.setdefault(name, []).append(step)
        for name, steps in files.items():
            synced = max((n + 1 for n, step in enumerate(steps) if isinstance(step, Sync)), default=0)
            pending = [part for step in steps[synced:] for part in _parts(step)] if rng else []
            image = _play([*steps[:synced], *(part for part in pending if rng and rng.random() < 0.5)])
            if image is not None:
                (folder / name).write_bytes(image)


def _parts(step: Step) -> list[Step]:
    if not isinstance(step, Write):
        return [step]
    starts = range(0, len(step.body), SECTOR_BYTES)
    return [Write(step.offset + start, step.body[start : start + SECTOR_BYTES]) for start in starts]


def _play(steps: list[Step]) -> bytes | None:
    """The file after these steps; None where there is none."""
    image: bytearray | None = None
    for step in steps:
        match step:
            case Write(offset, body):
                image = image if image is not None else bytearray()
                image.extend(bytes(max(0, offset - len(image))))
                image[offset : offset + len(body)] = body
            case Truncate(size):
                image = image if image is not None else bytearray()
                image.extend(bytes(max(0, size - len(image))))
                del image[size:]
            case Delete():
                image = None
            case Sync():
                pass
    return None if image is None else bytes(image)


@contextlib.contextmanager
def recording() -> Iterator[Disk]:
    """All files that SQLite opens in the block are recorded; they lie on the real disk as well."""
    disk = Disk()
    vfs = _Vfs(disk)
    try:
        yield disk
    finally:
        vfs.unregister()


class _Vfs(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        super().__init__("power", REAL, makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _File(self._disk, name, flags) if name else super().xOpen(name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(filename, syncdir)
        self._disk.log(filename, Delete())
        if syncdir:
            self._disk.log_folder_sync()


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename, flags: list[int]) -> None:
        self._disk = disk
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else name
        # SQLite's unix VFS syncs the folder with the first sync of a journal or log that it may have made.
        self._has_new_name = self._path.endswith(("-journal", "-wal"))
        super().__init__(REAL, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(data, offset)
        self._disk.log(self._path, Write(offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        super().xTruncate(newsize)
        self._disk.log(self._path, Truncate(newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        self._disk.log(self._path, Sync())
        if self._has_new_name:
            self._has_new_name = False
            self._disk.log_folder_sync()
