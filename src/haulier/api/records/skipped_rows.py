"""Rows that stand among the records and are none, by rules of the source: they are passed over, and counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
from msgspec import Raw

from haulier.api.errors import Action, PagingError
from haulier.api.records.page import Page
from haulier.api.records.paths import ROOT, check_path, raw_at
from haulier.api.records.picker import ValuePicker
from haulier.api.records.slices import Bytes, Records
from haulier.errors import UsageError

_FLAGS: Final = {
    "true": True, "1": True, "t": True, "y": True, "yes": True, "on": True,
    "": False, "false": False, "0": False, "n": False, "no": False,
}  # fmt: skip
"""Texts that are flags, in any case."""
_DOUBTFUL_WORDS: Final = frozenset({"f", "off", "none", "null", "nil", "undefined", "nan", "na", "n/a"})
_TIME_ZERO: Final = "0001-01-01"
"""How Go and .NET write no time."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Rows that are no records: ``Skip("missing")``, ``Skip("status", "deleted")``, or ``Skip(".", is_null=True)``."""

    at: str
    """Path in a row, with a value that is not null, false, 0 or empty. Texts such as "false", "N" and "0" are read as
    flags are; one that may mean yes or no, such as "none", is an error."""
    equals: str | int | bool | None = None
    """The value that is meant."""
    is_null: bool = False
    """Null is meant. With the path ``.`` it is the row."""

    def __post_init__(self) -> None:
        check_path(self.at)
        if self.is_null and self.equals is not None:
            raise UsageError("A rule of `skip` means null, or another value. Write two rules for both.")

    def takes(self, found: Raw | None) -> bool:
        if found is None:
            return False
        if self.is_null:
            return is_null(found)
        if self.equals is None:
            return self._is_set(bytes(found))
        try:
            value: Any = msgspec.json.decode(found)
        except msgspec.DecodeError:
            return False  # Half a pair of surrogates, which no text of a source holds.
        return type(value) is type(self.equals) and bool(value == self.equals)

    def _is_set(self, value: bytes) -> bool:
        """Raises `PagingError` for what may mean either: the row would be lost, or be a record."""
        match value[:1]:
            case b"{" | b"[":
                return bool(value[1:-1].strip())
            case b"n" | b"f":
                return False
            case b"t":
                return True
            case b'"':
                text = value[1:-1].decode(errors="replace").lower()
            case _:
                return any(digit in b"123456789" for digit in value.lower().partition(b"e")[0])
        if (flag := _FLAGS.get(text)) is not None:
            return flag
        is_word = any(sign.isalpha() or (sign.isdigit() and sign != "0") for sign in text)
        if not is_word or text.strip() in _DOUBTFUL_WORDS or text.startswith(_TIME_ZERO):
            raise PagingError(
                f"the text at {self.at!r} of a row may mean that it is skipped, or that it is not. Say in `skip` which "
                f'value is meant: {{ at = "{self.at}", is = "..." }}.',
                action=Action.POISON,
            )
        return True


NULL_ROW: Final = Skip(ROOT, is_null=True)


def is_null(value: Bytes) -> bool:
    return len(value) == len(b"null") and bytes(value) == b"null"


class Skipper:
    def __init__(self, rules: Sequence[Skip]) -> None:
        self._takes_null = NULL_ROW in rules
        rules = [rule for rule in rules if rule != NULL_ROW]
        self._rules = rules
        self._picker = ValuePicker(tuple(dict.fromkeys(rule.at for rule in rules)) or (ROOT,))
        self._places = {path: place for place, path in enumerate(dict.fromkeys(rule.at for rule in rules))}

    def count(self, rows: Sequence[Bytes]) -> int:
        return sum(map(self._takes, rows))

    def kept(self, page: Page) -> Page:
        places = [place for place, row in enumerate(page.slices) if not self._takes(row)]
        if len(places) == len(page):
            return page
        keys = [page.keys[place] for place in places] if page.keys else ()
        return replace(page, records=Records([page.slices[place] for place in places]), keys=keys)

    def _takes(self, row: Bytes) -> bool:
        if self._takes_null and is_null(row):
            return True
        if not self._rules:
            return False
        values = self._picker.pick(row)
        if values is None:
            return any(rule.takes(_find(row, rule.at)) for rule in self._rules)
        return any(rule.takes(values[self._places[rule.at]]) for rule in self._rules)


def _find(row: Bytes, path: str) -> Raw | None:
    try:
        return raw_at(bytes(row), path)
    except (msgspec.DecodeError, RecursionError):
        return None
