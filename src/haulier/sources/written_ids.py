"""How IDs are written: as numbers, or as text such as `tt0000123`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from haulier.errors import ItemError, UsageError


@dataclass(frozen=True)
class WrittenIds:
    """Of the same length each, so that they have the order of their numbers where an API compares them as text."""

    prefix: str = ""
    digits: int = 0
    """With zeros in front; 0: as many as the number has."""

    @property
    def are_numbers(self) -> bool:
        return not self.prefix and not self.digits

    @property
    def words(self) -> str:
        digits = f"{self.digits} digits" if self.digits else "digits"
        return f"{self.prefix!r} and {digits}" if self.prefix else digits

    def of(self, number: int) -> int | str:
        """Raises `ItemError` for a number that has no such text."""
        if self.are_numbers:
            return number
        text = f"{number:0{self.digits}d}"
        if number < 0 or (self.digits and len(text) > self.digits):
            raise ItemError(f"The ID {number} cannot be written as {self.words}.")
        return self.prefix + text

    def number_in(self, found: Any) -> int | None:
        """None for what is no such text. Without a prefix an API may give the number itself."""
        if isinstance(found, int) and not isinstance(found, bool) and not self.prefix:
            return found
        digits = f"{{{self.digits}}}" if self.digits else "+"
        match = re.fullmatch(f"{re.escape(self.prefix)}([0-9]{digits})", found) if isinstance(found, str) else None
        return None if match is None else int(match[1])

    def check_ends(self, start: int, end: int) -> None:
        """Raises `UsageError` if the ends of all items, as an API is told them, cannot be written."""
        try:
            self.of(start)
            self.of(end)
        except ItemError as error:
            problem = str(error).removesuffix(".")
            raise UsageError(
                f"{problem}, and an item is told by it. Write more `digits`; or, if it is one past the last ID, "
                'bounds = { end = "inclusive" }.'
            ) from error
