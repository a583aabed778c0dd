"""The Link header (RFC 8288) as servers send it: any quotes or none, empty elements, ``rel*``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import unquote

from haulier.api.errors import BodyError, PagingError
from haulier.errors import UsageError

_TARGET: Final = re.compile(r"<([^>]*)>")
# A value without quotes may not hold a space by the standard; servers write `rel=prev next` all the same.
_PARAMETER: Final = re.compile(
    r"\s*;\s*(?:([^\s=;,\"']+)\s*(?:=\s*(?:\"((?:\\.|[^\"\\])*)\"|'([^']*)'|((?!')[^;,\"]*)))?)?"
)
_END: Final = re.compile(r"\s*(?:,|$)")


def links_of(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield targets with their parameters, names in lower case; of a repeated one the first. Links about something
    other than the page (`anchor`) are left out."""
    position = _element_from(header, 0)
    while position < len(header):
        target = _TARGET.match(header, position)
        if target is None:
            raise _unreadable()
        position = target.end()
        parameters: dict[str, str] = {}
        while parameter := _PARAMETER.match(header, position):
            position = parameter.end()
            name, quoted, apostrophes, bare = parameter.groups()
            if name is not None:
                value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else apostrophes or (bare or "").strip()
                parameters.setdefault(name.lower(), value)
        if _END.match(header, position) is None:
            raise _unreadable()
        if "anchor" not in parameters:
            yield target[1].strip(), parameters
        position = _element_from(header, position)


def relations_of(parameters: Mapping[str, str]) -> set[str]:
    """Return the relations in lower case, from ``rel`` or else ``rel*=UTF-8''next``."""
    text = parameters.get("rel")
    if text is None:
        text = unquote(parameters.get("rel*", "").rpartition("'")[2])
    return set(text.lower().split())


def check_attribute(end_if: str) -> None:
    name, is_set, value = end_if.partition("=")
    if end_if and not (name.strip() and is_set and value.strip()):
        raise UsageError(f"end_if is {end_if!r}; write an attribute and its value, such as 'results=\"false\"'.")


def is_value(end_if: str, found: str) -> bool:
    return found.lower() == end_if.partition("=")[2].strip(" \"'").lower()


def attribute_of(end_if: str) -> str:
    return end_if.partition("=")[0].strip()


def attribute_error(end_if: str, link: str, names: Iterable[str]) -> PagingError:
    """A misspelt one would never say the end."""
    return PagingError(
        f"{link} has no {attribute_of(end_if)!r}, which says the end, as `end_if` has it; it has {', '.join(names)}. "
        'Correct `end_if` in `pages`; or, if the API leaves it out, write end = ["empty page"] there.'
    )


def _element_from(header: str, position: int) -> int:
    """Skip empty elements (RFC 9110, 5.6.1)."""
    return len(header) - len(header[position:].lstrip(" \t,"))


def _unreadable() -> BodyError:
    return BodyError("the Link header cannot be read, so that it is not known whether there is a next page")
