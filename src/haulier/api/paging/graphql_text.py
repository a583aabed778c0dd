"""What a GraphQL document asks for: its operations and their variables (GraphQL, October 2021, 2.1 to 2.10).

The server checks the rest. What is read here decides which variables a request may have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from haulier.errors import UsageError

_TOKEN: Final = re.compile(
    r'(?P<skip>[\s,\ufeff]+|\#[^\r\n]*)|"""(?:\\"""|(?!""")[\s\S])*"""|"(?:\\.|[^"\\\r\n])*"|\.\.\.|[_A-Za-z][_0-9A-Za-z]*'
    r"|-?[0-9][0-9.eE+-]*|[!$&():=@\[\]{|}]"
)
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_NAME: Final = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")
_KINDS: Final = ("query", "mutation", "subscription")


@dataclass(frozen=True, slots=True)
class DeclaredVariable:
    name: str
    type: str
    """As it is written: ``[ID!]!``."""
    is_required: bool
    """It may not be left out: not null, and without a default."""


@dataclass(frozen=True, slots=True)
class Operation:
    kind: str
    name: str
    """ "" for one without."""
    variables: tuple[DeclaredVariable, ...]

    def variable(self, name: str) -> DeclaredVariable | None:
        return next((each for each in self.variables if each.name == name), None)


@lru_cache(maxsize=256)
def operations_of(text: str) -> tuple[Operation, ...]:
    """Raises `UsageError` for a text that is no document of operations and fragments."""
    tokens = _Tokens(text)
    found = []
    while tokens.next:
        word = tokens.next
        if word == "{":
            found.append(Operation("query", "", ()))
            tokens.pass_braces()
        elif word in _KINDS:
            tokens.take()
            name = tokens.take() if _NAME.fullmatch(tokens.next) else ""
            found.append(Operation(word, name, tuple(_variables(tokens))))
            tokens.pass_braces()
        elif word == "fragment":
            tokens.pass_braces()
        else:
            raise tokens.error("expected `query` or `fragment`")
    return tuple(found)


def _variables(tokens: _Tokens) -> Iterator[DeclaredVariable]:
    if tokens.next != "(":
        return
    tokens.take()
    while tokens.next != ")":
        tokens.take("$")
        name = tokens.take()
        tokens.take(":")
        written = ""
        while _NAME.fullmatch(tokens.next) or tokens.next in ("[", "]", "!"):
            written += tokens.take()
        has_default = tokens.next == "="
        depth = 0
        while tokens.next and (depth or tokens.next not in (")", "$")):
            word = tokens.take()
            depth += (word in _OPENING) - (word in _CLOSING)
        yield DeclaredVariable(name, written, written.endswith("!") and not has_default)
    tokens.take(")")


class _Tokens:
    def __init__(self, text: str) -> None:
        self._text = text
        self._end = 0
        self._start = 0
        self.next = ""
        """ "" at the end."""
        self._read()

    def take(self, wanted: str = "") -> str:
        if not self.next or (wanted and self.next != wanted):
            raise self.error(f"expected `{wanted}`" if wanted else "the text is cut")
        token = self.next
        self._read()
        return token

    def pass_braces(self) -> None:
        """Pass everything up to the end of the next selection."""
        depth, has_begun = 0, False
        while not has_begun or depth:
            word = self.take()
            has_begun = has_begun or (word == "{" and not depth)
            depth += (word in _OPENING) - (word in _CLOSING)
            if depth < 0:
                raise self.error("a bracket is closed that was not opened before")

    def error(self, problem: str) -> UsageError:
        line = self._text.count("\n", 0, self._start) + 1
        found = f", found `{self.next}`" if self.next else " at its end"
        return UsageError(f"The GraphQL query cannot be read: {problem}{found}, in line {line}.")

    def _read(self) -> None:
        while True:
            self._start = self._end
            match = _TOKEN.match(self._text, self._end)
            if match is None:
                self.next = self._text[self._end : self._end + 1]
                if self.next:
                    raise self.error("no token of GraphQL begins so")
                return
            self._end = match.end()
            if match["skip"] is None:
                self.next = match[0]
                return
