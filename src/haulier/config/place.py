"""Places in a source file, values as messages show them, and errors about a place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path

from haulier.errors import SourceFileError

_MAX_SHOWN_CHARACTERS = 60
# Shorter values are no secrets, and stand in words by chance.
_MIN_SECRET_CHARACTERS = 4
_QUERY_VALUE = re.compile(r"([?&][^\s?&=#\"'`]+=)(?!\$?\{)[^\s&#\"'`]+")


@dataclass(frozen=True)
class SourceText:
    """The source file, and the environment that it refers to."""

    name: str
    environ: Mapping[str, str] = field(repr=False)
    folder: Path = Path()
    """Relative paths in the file start here."""
    taken: dict[str, str] = field(default_factory=dict, repr=False)
    """Values that were filled in, with their variables: no error shows the values."""
    secrets: list[str] = field(default_factory=list, repr=False)
    """Values from the environment that may be credentials, for the redactor."""


@dataclass(frozen=True)
class Place:
    """A dotted key of a source file, such as ``streams.flights.pages``."""

    source: SourceText
    key: str = ""

    def at(self, name: str | int) -> Place:
        """The place of a key of this table, or of an element of this list."""
        if isinstance(name, int):
            return Place(self.source, f"{self.key}[{name}]")
        return Place(self.source, f"{self.key}.{name}" if self.key else name)

    @property
    def name(self) -> str:
        """The last part of the key, for examples: ``pages``."""
        return self.key.rpartition(".")[2]

    def error(self, problem: str, remedy: str = "") -> SourceFileError:
        """The error about this place; ``problem`` and ``remedy`` are sentences."""
        return SourceFileError(self.source.name, self.key, self._as_shown(problem), self._as_shown(remedy))

    def _as_shown(self, text: str) -> str:
        """Values in a query may be credentials, those of the file itself too (G7)."""
        return _QUERY_VALUE.sub(r"\1***", self._as_written(text))

    def _as_written(self, text: str) -> str:
        """Errors of other layers repeat values: those of variables become the variables again (G7)."""
        for value, name in self.source.taken.items():
            if len(value) >= _MIN_SECRET_CHARACTERS:
                text = text.replace(value, f"${{{name}}}")
        return text


def show(value: object) -> str:
    """A value as it is written in the file; a variable stays a variable."""
    match value:
        case str():
            short = value if len(value) <= _MAX_SHOWN_CHARACTERS else value[:_MAX_SHOWN_CHARACTERS] + " ..."
            return f'"{short}"'
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case _:
            return name_kind(value)


def name_kind(value: object) -> str:
    """The kind of a value, for messages about values that may be secrets."""
    match value:
        case str():
            return "text" if value else '""'
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case datetime() | date() | time():
            return "a time"
        case Mapping():
            return "a table" if value else "an empty table"
        case list():
            return "a list" if value else "an empty list"
        case _:
            return "something else"


def one_of(names: Iterable[str]) -> str:
    """A choice in words: ``a, b or c``."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def suggest(found: str, known: Iterable[str]) -> str:
    """``Did you mean 'records'?``, or the names to choose from; "" without any."""
    names = list(known)
    if near := nearest(found, names):
        return f"Did you mean {near!r}?"
    return f"Available: {', '.join(names)}." if names else ""


def nearest(found: str, known: Iterable[str]) -> str:
    """The name that was meant; "" if none is near. Swapped letters are the nearest."""
    names, lower = list(known), found.lower()
    swapped = [name for name in names if sorted(name) == sorted(lower)]
    near = swapped or difflib.get_close_matches(lower, names, n=1, cutoff=0.6)
    return near[0] if near else ""
