"""A disk that forgets: what may be found on it after a loss of power, by what POSIX promises and no more.

What was written to a file is there for sure once that file was synced, a name in a folder once that folder was. All
else may be there or not, each by itself; of a file that was not synced anything between nothing and all.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

Step = tuple[str | int | bool, ...]
Tree = dict[str, bytes]


@dataclass
class File:
    cached: bytes = b""
    stored: bytes | None = None

    def possible(self) -> list[bytes]:
        if self.stored == self.cached:
            return [self.cached]
        return [self.stored or b"", self.cached[: len(self.cached) // 2], self.cached]


@dataclass
class Folder:
    names: dict[str, File | Folder] = field(default_factory=dict)
    stored: dict[str, File | Folder] = field(default_factory=dict)
    waiting: list[tuple[str, File | Folder | None]] = field(default_factory=list)

    def put(self, name: str, what: File | Folder | None) -> None:
        """Give a name to something, or take it away."""
        self.waiting.append((name, what))
        _change(self.names, name, what)

    def sync(self) -> None:
        self.stored = dict(self.names)
        self.waiting = []

    def possible(self) -> Iterator[dict[str, File | Folder]]:
        for chosen in itertools.product((False, True), repeat=len(self.waiting)):
            names = dict(self.stored)
            for name, what in itertools.compress(self.waiting, chosen):
                _change(names, name, what)
            yield names


class Disk:
    """Takes the steps that `tests.lake.local.steps` noted, and says what a loss of power may leave."""

    def __init__(self) -> None:
        self._root = Folder()
        self._open: dict[int, File | Folder] = {}

    def take(self, step: Step) -> None:
        match step:
            case ("open", str(path), is_made, int(descriptor)):
                if is_made:
                    self._folder_of(path).put(_name(path), File())
                self._open[descriptor] = self._at(path)
            case ("write", int(descriptor), str(body)):
                file = self._open[descriptor]
                assert isinstance(file, File)
                file.cached += body.encode("latin-1")
            case ("sync", int(descriptor)):
                synced = self._open[descriptor]
                if isinstance(synced, Folder):
                    synced.sync()
                else:
                    synced.stored = synced.cached
            case ("mkdir", str(path)):
                self._folder_of(path).put(_name(path), Folder())
            case ("link", str(source), str(path)):
                self._folder_of(path).put(_name(path), self._at(source))
            case ("unlink", str(path)):
                self._folder_of(path).put(_name(path), None)
            case _:
                raise AssertionError(f"no step that a disk knows: {step}")

    def after_loss_of_power(self) -> Iterator[Tree]:
        """Every tree of files that may then be found."""
        return _trees(self._root, "")

    def _at(self, path: str) -> File | Folder:
        found: File | Folder = self._root
        for name in path.split("/") if path else ():
            assert isinstance(found, Folder)
            found = found.names[name]
        return found

    def _folder_of(self, path: str) -> Folder:
        folder = self._at(path.rpartition("/")[0])
        assert isinstance(folder, Folder)
        return folder


def _trees(folder: Folder, place: str) -> Iterator[Tree]:
    for names in folder.possible():
        parts = []
        for name, what in names.items():
            path = f"{place}{name}"
            if isinstance(what, Folder):
                parts.append(list(_trees(what, f"{path}/")))
            else:
                parts.append([{path: content} for content in what.possible()])
        for chosen in itertools.product(*parts):
            yield {path: content for part in chosen for path, content in part.items()}


def _change(names: dict[str, File | Folder], name: str, what: File | Folder | None) -> None:
    if what is None:
        names.pop(name, None)
    else:
        names[name] = what


def _name(path: str) -> str:
    return path.rpartition("/")[2]
