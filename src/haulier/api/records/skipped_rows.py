"""Rows that stand among the records and are none, by rules of the source: they are passed over, and counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
from msgspec import Raw

from haulier.api.records.page import Page
from haulier.api.records.paths import check_path, raw_at
from haulier.api.records.picker import ValuePicker
from haulier.api.records.slices import Bytes, Records

_BLANK_VALUES: Final = (b"null", b"false", b'""', b"[]", b"{}", b"0")


@dataclass(frozen=True, slots=True)
class Skip:
    """Rows that are no records: ``Skip("missing")``, or ``Skip("status", "deleted")``."""

    at: str
    """Path in a row, with a value that is not null, false, 0 or empty."""
    equals: str | int | bool | None = None
    """The value that is meant."""

    def __post_init__(self) -> None:
        check_path(self.at)

    def takes(self, found: Raw | None) -> bool:
        if found is None:
            return False
        if self.equals is None:
            return bytes(found) not in _BLANK_VALUES
        value: Any = msgspec.json.decode(found)
        return type(value) is type(self.equals) and bool(value == self.equals)


class Skipper:
    def __init__(self, rules: Sequence[Skip]) -> None:
        self._rules = rules
        self._picker = ValuePicker(tuple(dict.fromkeys(rule.at for rule in rules)))
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
        values = self._picker.pick(row)
        if values is None:
            return any(rule.takes(_find(row, rule.at)) for rule in self._rules)
        return any(rule.takes(values[self._places[rule.at]]) for rule in self._rules)


def _find(row: Bytes, path: str) -> Raw | None:
    try:
        return raw_at(bytes(row), path)
    except (msgspec.DecodeError, RecursionError):
        return None
