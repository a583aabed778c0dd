"""Blocking steps, in the order that survives a kill or a loss of power at any of them."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Generator, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

from haulier.disks import make_durable, sync_folder
from haulier.errors import DamagedObjectError, LakeUnavailableError
from haulier.lake.names import TEMPORARY_PREFIX, checked, temporary_name
from haulier.lake.ndjson import LineCounter
from haulier.lake.seam import Bytes, FolderSize, ObjectFacts

BATCH_PATHS = 1_000
PIECE_BYTES = 1024 * 1024
_PIECES_AT_ONCE = 8
"""Pieces read before the thread is let go: a cancellation waits for no more."""
_KNOWN_FOLDERS = 4_096
"""Folders remembered. Poison has one for each key, and memory must not follow."""

T = TypeVar("T")


class LocalFiles:
    """Everything under ``root`` but spools, for several threads. Raises `OSError`, and `LakeUnavailableError` if the
    lake's folder has gone."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._device: int | None = None
        """Of the folder that was found to be a lake, or was made one."""
        self._is_made = False
        self._known: set[str] = set()

    def at(self, path: str) -> str:
        return f"{self.root}/{checked(path)}"

    def make_root(self) -> None:
        """After its first use the folder must be the one that it was."""
        if self._is_made:
            return
        if self._device is not None:
            self._refuse_lost_root()
        missing = []
        standing = self.root
        while not os.path.lexists(standing):
            missing.append(standing)
            standing = os.path.dirname(standing)
        with contextlib.suppress(OSError):  # The folder above may be another's disk, which we may not read.
            sync_folder(os.path.dirname(standing))  # Whoever made this one may not have come so far.
        for folder in reversed(missing):
            _make_folder(folder)
        self._note_root()
        self._is_made = True

    def make_folder(self, folder: str) -> None:
        """Durably, with all above it; the empty path is the lake's own. Known ones cost a look-up."""
        if folder in self._known:
            return
        self.make_root()
        self._refuse_lost_root()
        if folder:
            self.make_folder(parent(folder))
            _make_folder(self.at(folder))
        if len(self._known) >= _KNOWN_FOLDERS:
            self._known.clear()
        self._known.add(folder)

    def in_folder(self, folder: str, work: Callable[[], T]) -> T:
        self.make_folder(folder)
        try:
            return work()
        except FileNotFoundError:
            self.forget_folders()
            self.make_folder(folder)
            return work()

    def forget_folders(self) -> None:
        self._known.clear()

    def create(self, path: str, body: bytes) -> bool:
        return self._put(path, lambda descriptor: write_all(descriptor, body))

    def create_from(self, path: str, file: Path) -> bool:
        with open(file, "rb") as source:
            return self._put(path, lambda descriptor: _copy(source, descriptor))

    def read(self, path: str) -> bytes | None:
        with self._absent_is_none(), open(self.at(path), "rb") as record:
            return record.read()
        return None

    def exists(self, path: str) -> bool:
        with self._absent_is_none():
            os.lstat(self.at(path))
            return True
        return False

    def names(self, folder: str) -> list[str]:
        with self._absent_is_none():
            return [_printable(name) for name in os.listdir(self.at(folder)) if not name.startswith(TEMPORARY_PREFIX)]
        return []

    def walk(self, folder: str) -> Generator[list[str], None, None]:
        """Holds one batch and one open folder a level."""
        paths = self._walk(checked(folder), temporary=False)
        while batch := list(map(_printable, islice(paths, BATCH_PATHS))):
            yield batch

    def measure(self, folder: str) -> FolderSize:
        files = size = 0
        for path in self._walk(checked(folder), temporary=False):
            with contextlib.suppress(FileNotFoundError):
                size += os.lstat(f"{self.root}/{path}").st_size
                files += 1
        return FolderSize(files, size)

    def prune(self, folder: str) -> None:
        """Not durable: an empty folder that comes back harms nobody."""
        for place, _, _ in os.walk(self.at(folder), topdown=False):
            with contextlib.suppress(OSError):  # It has something in it, or is gone.
                os.rmdir(place)

    def pieces(self, path: str) -> Generator[bytes, None, None]:
        with self._absent_is_none(), open(self.at(path), "rb", buffering=0) as file:
            while piece := file.read(PIECE_BYTES):
                yield piece

    def adopt(self, path: str) -> Generator[ObjectFacts, None, None]:
        """Yields the counts so far, at times, and the whole at last."""
        name = self.at(path)
        descriptor = -1
        with self._absent_is_none():
            descriptor = os.open(name, os.O_RDONLY)
        if descriptor < 0:
            return
        counter = LineCounter()
        try:
            make_durable(descriptor)
            sync_folder(os.path.dirname(name))
            for number, piece in enumerate(iter(lambda: os.read(descriptor, PIECE_BYTES), b""), start=1):
                counter.feed(piece)
                if number % _PIECES_AT_ONCE == 0:
                    yield counter.facts()
            counter.check_end()
        except ValueError as error:
            raise DamagedObjectError(path, str(error)) from error
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise DamagedObjectError(path, "its disk cannot read it") from error
        finally:
            os.close(descriptor)
        yield counter.facts()

    def remove(self, path: str) -> None:
        """Durably: a file that came back after a loss of power would be read twice."""
        name = self.at(path)
        with self._absent_is_none():
            _unlinked(name)
            sync_folder(os.path.dirname(name))

    def sweep(self, folder: str) -> int:
        """A folder that changes under its own listing may hide names from it, so it is listed whole first (C1)."""
        return sum(_unlinked(f"{self.root}/{path}") for path in list(self._walk(checked(folder), temporary=False)))

    def clean(self, folder: str, before_seconds: float) -> int:
        """``before_seconds`` counts from 1970."""
        removed = 0
        for path in self._walk(checked(folder), temporary=True):
            name = f"{self.root}/{path}"
            with contextlib.suppress(FileNotFoundError):
                if os.lstat(name).st_mtime < before_seconds:
                    removed += _unlinked(name)
        return removed

    def _put(self, path: str, fill: Callable[[int], None]) -> bool:
        """Whole or absent: written and synced under a temporary name, then linked."""
        name = self.at(path)
        place = os.path.dirname(name)

        def put() -> bool:
            if os.path.lexists(name):
                sync_folder(place)  # whoever made it may not have come so far
                return False
            temporary = f"{place}/{temporary_name()}"
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            try:
                try:
                    fill(descriptor)
                    make_durable(descriptor)
                finally:
                    os.close(descriptor)
                ours = link(temporary, name)
                sync_folder(place)
                return ours
            finally:
                with contextlib.suppress(OSError):  # `clean` finds it later
                    os.unlink(temporary)

        return self.in_folder(parent(path), put)

    def _walk(self, folder: str, *, temporary: bool) -> Iterator[str]:
        """The temporary files alone, or all others. Symbolic links count as files: a sweep that followed one would
        empty a folder outside the lake."""
        with self._absent_is_none(), os.scandir(f"{self.root}/{folder}") as entries:
            for entry in entries:
                is_temporary = entry.name.startswith(TEMPORARY_PREFIX)
                if not entry.is_dir(follow_symlinks=False):
                    if is_temporary == temporary:
                        yield f"{folder}/{entry.name}"
                elif not is_temporary:
                    yield from self._walk(f"{folder}/{entry.name}", temporary=temporary)

    @contextlib.contextmanager
    def _absent_is_none(self) -> Iterator[None]:
        """A missing file is absent only while the lake is there: an unmounted disk answers alike, and a closing would
        find every item missing. Where nothing was read yet, there may be no lake."""
        try:
            yield
        except FileNotFoundError:
            if self._device is not None:
                self._refuse_lost_root()
        else:
            if self._device is None:
                self._note_root()

    def _note_root(self) -> None:
        self._device = os.stat(self.root).st_dev

    def _refuse_lost_root(self) -> None:
        """A lake whose disk was unmounted is not begun anew in the folder beneath."""
        try:
            device = os.stat(self.root).st_dev
        except FileNotFoundError:
            device = None
        if device != self._device:
            raise LakeUnavailableError(
                f"The lake at {self.root} has disappeared. Was its disk unmounted, or was it moved?"
            )


def parent(path: str) -> str:
    """Empty for the lake's own folder."""
    return path.rpartition("/")[0]


def link(source: str, name: str) -> bool:
    """False: the name is taken."""
    try:
        os.link(source, name)
    except FileExistsError:
        return False
    return True


def write_all(descriptor: int, body: Bytes) -> None:
    """One write may take only a part, such as on a disk that is nearly full."""
    rest = memoryview(body)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _make_folder(place: str) -> None:
    """Durably even if it exists: whoever made it may not have come so far."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(place)
    sync_folder(os.path.dirname(place))


def _copy(source: BinaryIO, descriptor: int) -> None:
    source.seek(0)
    while piece := source.read(PIECE_BYTES):
        write_all(descriptor, piece)


def _unlinked(name: str) -> bool:
    try:
        os.unlink(name)
    except FileNotFoundError:
        return False
    return True


def _printable(name: str) -> str:
    """A name that is not ours may hold any bytes."""
    return name if name.isascii() else os.fsencode(name).decode("ascii", "backslashreplace")
