"""Placeholders become values of the item: `{start}`, `{end}`, `{value}`, `{snapshot_time}`, `{parent.FIELD}`, and
`{parents.STREAM.FIELD}` for streams above the parent.

Other braces, as in JSON or OData, are plain text. A misspelt placeholder (`{strat}`) is refused: sent as it is, it
would silently match nothing, or everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from haulier.api.http.urls import Encoded
from haulier.api.paging.graphql import GraphQL
from haulier.errors import ItemError, UsageError
from haulier.sources.joined import JoinedText

PlaceholderValue = str | int | float | bool
PlaceholderValues = Mapping[str, PlaceholderValue]

PLACEHOLDERS = ("start", "end", "value", "snapshot_time")
PARENT = "parent."
KEY = "{key}"
"""In `add` alone, the key under which a record stands in an object. Elsewhere it is plain text, as in GraphQL."""
ANY_PARENT = "parent.FIELD"
"""Stands for any field of a parent's records where placeholders are allowed."""
PARENTS = "parents."
ANY_PARENTS = "parents.STREAM.FIELD"
"""The same of a stream above the parent."""

# Servers and clients remove these from a path before they read it.
_NO_SEGMENTS = ("", ".", "..")
_BARE = re.compile(r"[A-Za-z0-9_.~!$'()*,;:@|-]+")
_BRACES = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.-]*)\}")


class PlaceholderError(UsageError):
    """A word in braces that is no placeholder. ``problem`` and ``remedy`` make up the message.

    To do: write one of those that the text lists.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem} {remedy}")


def find_placeholders(text: str) -> list[str]:
    """Return them in order. Raises `PlaceholderError` for a misspelt one."""
    found = []
    for name in _BRACES.findall(text):
        if name in PLACEHOLDERS or (name.startswith(PARENT) and name != PARENT):
            found.append(name)
        elif name.startswith(PARENTS):
            found.append(_checked_ancestor(name))
        else:
            _refuse_near_miss(name)
    return found


def check_placeholders(text: str, allowed: Collection[str]) -> list[str]:
    """Raises `PlaceholderError` also for one that is not ``allowed``."""
    found = find_placeholders(text)
    for name in found:
        if name not in allowed and not any(name.startswith(start) for start in _starts(allowed)):
            there = ", ".join(f"{{{each}}}" for each in allowed)
            raise PlaceholderError(
                f"{{{name}}} is not available here.", f"Available: {there}." if there else "Write the value itself."
            )
    return found


def fill(text: str, values: PlaceholderValues) -> str:
    """Values are not searched for placeholders."""
    return _fill(text, values, as_text)


def fill_query(text: str, values: PlaceholderValues) -> str:
    """Values are percent-encoded if ``text`` is encoded already."""
    return Encoded(_fill(text, values, _code)) if isinstance(text, Encoded) else fill(text, values)


def fill_path(path: str, values: PlaceholderValues) -> str:
    """Raises `ItemError` for a value that would lead elsewhere, such as ``..``."""
    return _fill(path, values, _segment)


def fill_value(text: str, values: PlaceholderValues) -> PlaceholderValue:
    """A placeholder that is the whole text keeps its type."""
    name = lone_placeholder(text)
    value = values[name] if name is not None and name in values else fill(text, values)
    return str(value) if isinstance(value, JoinedText) else value


def fill_tree(tree: object, values: PlaceholderValues) -> Any:
    if isinstance(tree, str):
        return fill_value(tree, values)
    if isinstance(tree, Mapping):
        return {key: fill_tree(value, values) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [fill_tree(value, values) for value in tree]
    return tree


def lone_placeholder(text: str) -> str | None:
    """Return the placeholder that is the whole ``text``."""
    match = _BRACES.fullmatch(text)
    return None if match is None else match[1]


def as_text(value: PlaceholderValue) -> str:
    """Write ``true`` and ``false`` as in JSON, numbers as in Python."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def strings_of(tree: object) -> Iterator[str]:
    """Keys are left out: they have no placeholders."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, GraphQL):
        yield from strings_of(tree.variables)
    elif isinstance(tree, Mapping):
        for value in tree.values():
            yield from strings_of(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from strings_of(value)


def _fill(text: str, values: PlaceholderValues, write: Callable[[PlaceholderValue], str]) -> str:
    return _BRACES.sub(lambda match: write(values[match[1]]) if match[1] in values else match[0], text)


def _segment(value: PlaceholderValue) -> str:
    text = as_text(value)
    if text in _NO_SEGMENTS:
        raise ItemError(
            f"{text!r} cannot be used in a path: it would lead to another path. If the API takes it as a "
            "parameter, write it in `query`."
        )
    return _code(text)


def _code(value: PlaceholderValue) -> str:
    if isinstance(value, JoinedText):
        # Between values an API reads this text as it is, even where it takes an encoded one for part of a value.
        between = value.separator if _BARE.fullmatch(value.separator) else _code(value.separator)
        return between.join(_code(each) for each in value.values)
    return quote(as_text(value), safe="", errors="surrogatepass")


def _starts(allowed: Collection[str]) -> list[str]:
    return [start for start, any_field in ((PARENT, ANY_PARENT), (PARENTS, ANY_PARENTS)) if any_field in allowed]


def _checked_ancestor(name: str) -> str:
    stream, _, field = name.removeprefix(PARENTS).partition(".")
    if not stream or not field:
        raise PlaceholderError(
            f"{{{name}}} is not a placeholder.",
            f"Write {{{PARENT}FIELD}} for a field of the parent, {{{ANY_PARENTS}}} for one of a stream above it.",
        )
    return name


def _refuse_near_miss(name: str) -> None:
    written = name.lower().replace("-", "_")
    if written in ("parent", PARENT) or written.startswith(PARENT):
        near = [ANY_PARENT]
    else:
        near = [known for known in PLACEHOLDERS if _is_one_slip(written, known)]
    if near:
        raise PlaceholderError(f"{{{name}}} is not a placeholder.", f"Did you mean {{{near[0]}}}?")


def _is_one_slip(written: str, known: str) -> bool:
    """Allow one typing error (Damerau-Levenshtein distance 1) behind an equal first letter.

    No more is guessed at: APIs have braces of their own.
    """
    if written[:1] != known[:1]:
        return False
    short, long = sorted((written, known), key=len)
    if len(long) - len(short) > 1:
        return False
    if len(short) < len(long):
        return any(long[:place] + long[place + 1 :] == short for place in range(len(long)))
    differing = [place for place in range(len(long)) if short[place] != long[place]]
    if len(differing) == 2:
        first, second = differing
        return second == first + 1 and short[first] == long[second] and short[second] == long[first]
    return len(differing) < 2
