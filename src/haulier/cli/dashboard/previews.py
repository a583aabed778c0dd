"""What was shown before a click, until that comes: so that it takes nothing else."""

from __future__ import annotations

from collections.abc import Hashable

from starlette.exceptions import HTTPException

from haulier.runs.poison.previewed import PreviewedPoison

MOST_PREVIEWS = 8
"""Each has a scratch file. Whoever clicks after so many others looks again."""


class Previews:
    def __init__(self) -> None:
        self._kept: dict[tuple[Hashable, str], PreviewedPoison] = {}
        """By what was asked for and the digest of what that was. The newest stand last."""

    def keep(self, meant: Hashable, previewed: PreviewedPoison) -> None:
        name = meant, previewed.digest
        if (same := self._kept.pop(name, None)) is not None:
            same.close()
        self._kept[name] = previewed
        while len(self._kept) > MOST_PREVIEWS:
            self._kept.pop(next(iter(self._kept))).close()

    def find(self, meant: Hashable, digest: str) -> PreviewedPoison:
        """Raises `HTTPException` where nothing like it was shown, or long ago."""
        found = self._kept.get((meant, digest))
        if found is None:
            raise HTTPException(409, "What would be done was not shown by this dashboard, or long ago: look again.")
        return found

    def close(self) -> None:
        for previewed in self._kept.values():
            previewed.close()
        self._kept.clear()
