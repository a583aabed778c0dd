"""Dotted paths into JSON: ``rows``, ``paging.next.after``, ``rows.0.id``; ``.`` is the whole body, ``*`` each member.

Keys may have dots (``@odata.nextLink``): the longer key wins. Digits are an index of a list, or a key of an object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Raw

from haulier.api.records.surrogates import hide
from haulier.errors import UsageError

ROOT: Final = "."
EACH: Final = "*"
"""Part of a path: every member of a list or object. Only paths of records and of rules have it."""
BOM: Final = b"\xef\xbb\xbf"

_SHOWN_KEYS: Final = 12
_SHOWN_CHARACTERS: Final = 40

Reading = tuple[str, ...]
"""Keys down to a value."""


def check_path(path: str) -> str:
    if path != ROOT and not all(parts_of(path)):
        raise UsageError(f"{path!r} is no path into JSON. Write keys with dots between, such as 'result.items'.")
    return path


def parts_of(path: str) -> list[str]:
    return [] if path == ROOT else path.split(".")


def is_json(text: bytes) -> bool:
    """Whether it is one JSON value."""
    try:
        msgspec.json.decode(text, type=Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


@lru_cache(maxsize=1024)
def readings(path: str) -> tuple[Reading, ...]:
    """Longer keys come first. No index is part of a longer key."""
    return tuple(_readings(parts_of(path)))


def _readings(parts: Sequence[str]) -> Iterator[Reading]:
    if not parts:
        yield ()
    for length in range(len(parts), 0, -1):
        if length == 1 or not any(part.isdigit() for part in parts[:length]):
            for rest in _readings(parts[length:]):
                yield (".".join(parts[:length]), *rest)


def find(tree: Any, path: str) -> Any:
    """Raises `LookupError` that says what is there instead."""
    node, parts = tree, parts_of(path)
    while parts:
        if isinstance(node, dict) and (length := longest_key(node, parts)):
            node, parts = node[".".join(parts[:length])], parts[length:]
        elif isinstance(node, list) and parts[0].isdigit() and int(parts[0]) < len(node):
            node, parts = node[int(parts[0])], parts[1:]
        else:
            passed = parts_of(path)[: -len(parts)]
            where = f"{'.'.join(passed)!r} is" if passed else "the answer is"
            raise LookupError(f"there is nothing at {path!r}: {where} {describe(node)}")
    return node


def raw_at(body: bytes | Raw, path: str) -> Raw | None:
    """Raises `msgspec.DecodeError` for what is not JSON."""
    try:
        return _raw_at(body, path)
    except msgspec.DecodeError:
        text = bytes(body).removeprefix(BOM)
        hidden = hide(text)
        if hidden is None:
            if len(text) == len(memoryview(body)):
                raise
            return _raw_at(text, path)
        found = _raw_at(hidden.body, path)
        return None if found is None else Raw(hidden.restore(memoryview(found)))


def _raw_at(body: bytes | Raw, path: str) -> Raw | None:
    # The first pass proves the whole body; the later ones look into parts of it.
    node, parts = msgspec.json.decode(body, type=Raw), parts_of(path)
    while parts:
        kind = first_byte(node)
        if kind == b"{":
            keys = msgspec.json.decode(node, type=dict[str, Raw])
            length = longest_key(keys, parts)
            if not length:
                return None
            node, parts = keys[".".join(parts[:length])], parts[length:]
        elif kind == b"[" and parts[0].isdigit():
            elements = msgspec.json.decode(node, type=list[Raw])
            if int(parts[0]) >= len(elements):
                return None
            node, parts = elements[int(parts[0])], parts[1:]
        else:
            return None
    return node


def each_at(body: bytes | Raw, path: str) -> Iterator[Raw]:
    """Yield what is at a path with ``*``. Raises `msgspec.DecodeError` for what is not JSON."""
    parts = parts_of(path)
    if EACH not in parts:
        if (found := raw_at(body, path)) is not None:
            yield found
        return
    place = parts.index(EACH)
    node = raw_at(body, ".".join(parts[:place]) or ROOT)
    if node is not None:
        for _, member in members_of_each(node):
            yield from each_at(member, ".".join(parts[place + 1 :]) or ROOT)


def is_blank(value: Raw) -> bool:
    """Whether nothing is there: null, false, 0 or empty."""
    text = bytes(value) if len(memoryview(value)) <= _MAX_BLANK_BYTES else b""
    return bool(text) and (text in _BLANK or (text[:1] in (b"{", b"[") and not text[1:-1].strip()))


_BLANK: Final = (b"null", b"false", b'""', b"0")
_MAX_BLANK_BYTES: Final = 64


def members_of_each(node: Raw) -> Iterable[tuple[str, Raw]]:
    """Names and values of the members of a list or object; nothing else has members."""
    match first_byte(node):
        case b"{":
            return msgspec.json.decode(node, type=dict[str, Raw]).items()
        case b"[":
            return ((str(place), each) for place, each in enumerate(msgspec.json.decode(node, type=list[Raw])))
        case _:
            return ()


def explain_missing(body: bytes | Raw, path: str, whole: str = "the body") -> str:
    passed, node = dead_end(body, path)
    return f"there is nothing at {path!r}: {repr(passed) if passed else whole} is {describe(node)}"


def dead_end(body: bytes | Raw, path: str) -> tuple[str, Raw]:
    """Return how far a path leads, and the value there."""
    parts = parts_of(path)
    for length in range(len(parts) - 1, 0, -1):
        passed = ".".join(parts[:length])
        found = raw_at(body, passed)
        if found is not None:
            return passed, found
    return "", msgspec.json.decode(body, type=Raw)


def explain_misfit(body: bytes | Raw, path: str) -> str:
    """Say why a path can never fit such bodies; "" where it may.

    It leads by a name into a list, text, number or true. What is null, "", false or empty fits any path.
    """
    passed, node = dead_end(body, path)
    rest = path[len(passed) :].lstrip(".").partition(".")[0]
    match first_byte(node):
        case b"{":
            return ""
        case b"[":
            if rest.isdigit() or not msgspec.json.decode(node, type=list[Raw]):
                return ""
        case _:
            if bytes(node) in (b"null", b"false", b'""'):
                return ""
    return f"{f'{passed!r}' if passed else 'the body'} is {describe(node)}, which has nothing called {rest!r}"


def first_byte(value: Raw) -> bytes:
    return bytes(memoryview(value)[:1])


def describe(value: Any) -> str:
    """Name keys and no values: `an object with the keys error, status`."""
    if isinstance(value, Raw):
        value = msgspec.json.decode(value, type=_SHALLOW.get(first_byte(value), Raw))
    match value:
        case dict():
            keys = [str(key)[:_SHOWN_CHARACTERS] for key in list(value)[:_SHOWN_KEYS]]
            more = f" and {len(value) - len(keys)} more" if len(value) > len(keys) else ""
            return f"an object with the keys {', '.join(keys)}{more}" if keys else "an empty object"
        case list():
            return f"a list of {len(value)}" if value else "an empty list"
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case str():
            return "text"
        case Raw():
            return _KINDS.get(first_byte(value), "a number")
        case _:
            return "a number"


_SHALLOW: Final[dict[bytes, Any]] = {b"{": dict[str, Raw], b"[": list[Raw]}
_KINDS: Final = {b'"': "text", b"n": "null", b"t": "true", b"f": "false"}


def longest_key(keys: dict[str, Any], parts: list[str]) -> int:
    return next((length for length in range(len(parts), 0, -1) if ".".join(parts[:length]) in keys), 0)
