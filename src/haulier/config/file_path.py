"""Paths of files in a source file."""

from __future__ import annotations

from typing import Any

from haulier.config.environment import fill_variables
from haulier.config.place import Place
from haulier.config.value_kinds import unexpected


class FilePath:
    """A file, relative to the folder of the source file."""

    def read(self, value: Any, place: Place, example: str) -> str:
        if not isinstance(value, str) or not value:
            raise unexpected(value, place, "the path of a file", example)
        return str(place.source.folder / fill_variables(value, place, is_secret=False))

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}
