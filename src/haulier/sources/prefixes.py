"""Beginnings of keys, each an item: `aa`, `ab`, `ac` and so on."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from haulier.errors import UsageError

MOST_PREFIXES = 1_000_000
MOST_CHARACTERS = 20
"""Of a planned prefix: with two letters these would be as many prefixes as may be."""


@dataclass(frozen=True)
class Prefixes:
    """All texts of ``length`` characters of an alphabet. Whatever begins with none of them is not asked for.

    Raises `UsageError` for an alphabet that has a character twice, and for more than `MOST_PREFIXES`.
    """

    alphabet: str
    """Characters, and ranges of them: ``0-9a-f``."""
    length: int = 1
    longest: int = 0
    """An item that is too large is divided by one character more, as long as each key surely has so many. 0: as
    ``length``, so none is divided."""

    def __post_init__(self) -> None:
        if not 1 <= self.length <= MOST_CHARACTERS:
            raise UsageError(f"The `length` of prefixes is 1 to {MOST_CHARACTERS}, not {self.length:,}.")
        count = len(self.characters) ** self.length
        if count > MOST_PREFIXES:
            raise UsageError(
                f"These are {count:,} prefixes, and at most {MOST_PREFIXES:,} are items of a run. Write a shorter "
                "`length`, and let items that are too large be divided by `longest`."
            )
        if self.longest and self.longest < self.length:
            raise UsageError("The `longest` prefix is shorter than `length`. Write a longer one, or leave it out.")

    @property
    def characters(self) -> str:
        found, text = "", self.alphabet
        while text:
            if len(text) > 2 and text[1] == "-":
                first, last, text = ord(text[0]), ord(text[2]), text[3:]
                if first > last:
                    raise UsageError(f"The range {chr(first)}-{chr(last)} of the alphabet goes backwards.")
                found += "".join(map(chr, range(first, last + 1)))
            else:
                found, text = found + text[0], text[1:]
        surrogate = re.search("[\ud800-\udfff]", found)
        if surrogate is not None:
            raise UsageError(
                f"The alphabet holds U+{ord(surrogate[0]):04X}, which is half of a character. End a range at "
                "U+D7FF, and begin the next one at U+E000."
            )
        twice = next((each for each, count in Counter(found).items() if count > 1), None)
        if not found or twice is not None:
            what = "has no character" if twice is None else f"has {twice!r} twice"
            raise UsageError(f'The alphabet {what}. Write each character, or range of them, once: "0-9a-f".')
        return found

    def all(self) -> Iterator[str]:
        for letters in itertools.product(self.characters, repeat=self.length):
            yield "".join(letters)

    def longer(self, prefix: str) -> tuple[str, ...]:
        """What together begins everything that begins with ``prefix``; empty for one that is not lengthened."""
        if len(prefix) >= max(self.longest, self.length):
            return ()
        return tuple(prefix + letter for letter in self.characters)
