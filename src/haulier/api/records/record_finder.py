"""Finds records that do not stand in one plain list: other shapes, and paths with `*`.

A path is walked step by step, and every object on the way is proven to have no key twice, of which msgspec would take
the last in silence. One plain list is read by `haulier.api.records.picker`, in one pass.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import Raw

from haulier.api.errors import BodyError, Shape
from haulier.api.records.empty_forms import EmptyForms, failing_key
from haulier.api.records.paths import EACH, ROOT, describe, first_byte, longest_key, parts_of, raw_at
from haulier.errors import UsageError

RecordShape = Literal["list", "object", "list or object", "values"]
"""How records stand at their path."""
LIST: Final = "list"
VALUES: Final = "values"
RECORD_SHAPES: Final[tuple[str, ...]] = get_args(RecordShape)

_KEY: Final = re.compile(rb'[ \t\r\n]*("(?:[^"\\]|\\.)*")[ \t\r\n]*:[ \t\r\n]*', re.DOTALL)
_MAX_EMPTY_BYTES: Final = 64
_NEXT: Final = re.compile(rb"[ \t\r\n]*[,}]")


def check_shape(shape: str) -> str:
    if shape not in RECORD_SHAPES:
        raise UsageError(f"{shape!r} is no shape of records. Available: {', '.join(RECORD_SHAPES)}.")
    return shape


def has_each(path: str) -> bool:
    return EACH in parts_of(path)


def path_before_each(path: str) -> str:
    parts = parts_of(path)
    return ".".join(parts[: parts.index(EACH)]) or ROOT if EACH in parts else path


def is_plain(path: str, shape: str) -> bool:
    return shape == LIST and not has_each(path)


def may_be_failure(path: str, shape: str) -> bool:
    """An object that tells a failure could be taken for a record, or be passed over beside others."""
    return shape != LIST or parts_of(path)[:1] == [EACH]


@dataclass
class FoundRecords:
    elements: list[Raw] = field(default_factory=list)
    keys: list[bytes | None] = field(default_factory=list)
    """As they stand in the body, with quotes: those of `values`, or of the object that `*` went through."""
    failure_at: str = ""
    """Path of something beside records that looks like a failure."""
    has_place: bool = False
    """Something was there that may hold records; else their absence is declared."""


class RecordFinder:
    def __init__(
        self, path: str, shape: str, empty: EmptyForms, total_at: str = "", *, takes_null: bool = False
    ) -> None:
        """``total_at``: path of an exact total. ``takes_null``: null in place of one of several objects, or on the way
        to it, or of one of the values, is a row, as in a list."""
        self._path = path
        self._shape = shape
        self._empty = empty
        self._total_at = total_at
        self._takes_null = takes_null and shape == "object" and has_each(path)
        self._takes_null_value = takes_null and shape == VALUES

    def find(self, body: bytes) -> FoundRecords | None:
        """None for a declared empty page. Raises `BodyError`, and `msgspec.DecodeError` for what is not JSON."""
        found = FoundRecords()
        node = msgspec.json.decode(body, type=Raw)
        for where, place, key in self._places(node, parts_of(self._path), (), None, found):
            if place is None:
                if not says_nothing_is_there(body, self._empty, self._total_at):
                    self._refuse_absence(where, node)
            elif self._take(found, where, place, key):
                found.has_place = True
        return found if found.has_place else None

    def _places(
        self, node: Raw, parts: list[str], passed: tuple[str, ...], key: bytes | None, found: FoundRecords
    ) -> Iterator[tuple[tuple[str, ...], Raw | None, bytes | None]]:
        """Yield where records are, or None where nothing is, with the path to it."""
        while parts:
            kind = first_byte(node)
            if parts[0] == EACH and kind in (b"{", b"["):
                yield from self._each(node, parts[1:], passed, key, found)
                return
            if parts[0] == EACH:
                yield passed, node, key
                return
            if kind == b"{":
                members, _ = members_of(node, passed)
                length = longest_key(members, parts)
                if not length:
                    is_last = len(parts) == 1 or parts[1] == EACH
                    yield from self._absence(passed, parts, key, may_be_absent=is_last)
                    return
                name = ".".join(parts[:length])
                if not found.failure_at and (failing := failing_key(members)) not in (None, name):
                    found.failure_at = ".".join((*passed, str(failing)))
                node, parts, passed = members[name], parts[length:], (*passed, name)
            elif kind == b"[" and parts[0].isdigit() and int(parts[0]) < len(elements := elements_of(node)):
                node, parts, passed = elements[int(parts[0])], parts[1:], (*passed, parts[0])
            elif self._is_null_row(node, parts):
                break
            else:
                # PHP writes an empty object as an empty list.
                yield from self._absence(passed, parts, key, may_be_absent=kind == b"[" and not elements_of(node))
                return
        yield passed, _NULL_ROW if self._is_null_row(node, parts) else node, key

    def _is_null_row(self, node: Raw, parts: list[str]) -> bool:
        return self._takes_null and EACH not in parts and first_byte(node) == b"n"

    def _each(
        self, node: Raw, parts: list[str], passed: tuple[str, ...], key: bytes | None, found: FoundRecords
    ) -> Iterator[tuple[tuple[str, ...], Raw | None, bytes | None]]:
        members: Iterator[tuple[str, Raw, bytes | None]]
        if first_byte(node) == b"{":
            values, keys = members_of(node, passed)
            members = zip(values, values.values(), keys, strict=True)
        else:
            members = ((str(number), element, key) for number, element in enumerate(elements_of(node)))
        is_empty = True
        for name, value, own in members:
            is_empty = False
            yield from self._places(value, parts, (*passed, name), own, found)
        if is_empty:
            yield passed, _NO_RECORDS, key

    def _absence(
        self, passed: tuple[str, ...], parts: list[str], key: bytes | None, *, may_be_absent: bool
    ) -> Iterator[tuple[tuple[str, ...], Raw | None, bytes | None]]:
        if not (may_be_absent and self._empty.takes_absent):
            yield (*passed, *parts), None, key

    def _take(self, found: FoundRecords, where: tuple[str, ...], place: Raw, key: bytes | None) -> bool:
        """Whether records may stand there; False for nothing, by declaration."""
        if place is _NO_RECORDS:
            return True
        kind = first_byte(place)
        # An empty object is no record: PHP writes it for an empty list.
        is_object = kind == b"{" and (self._shape == VALUES or not _is_empty_object(place))
        if self._shape in (LIST, "list or object") and kind == b"[":
            elements = elements_of(place)
            found.elements += elements
            found.keys += [key] * len(elements)
        elif self._shape in ("object", "list or object") and is_object:
            found.elements.append(place)
            found.keys.append(key)
        elif self._shape == VALUES and is_object:
            values, keys = members_of(place, where)
            for name, value in values.items():
                kind = first_byte(value)
                if kind == b"n" and not self._takes_null_value:
                    raise BodyError(
                        f"expected an object at {'.'.join((*where, name))!r}, found null. If that is no record, write "
                        'skip = [{ at = ".", null = true }]',
                        Shape.NOT_OF_SHAPE,
                    )
                if kind not in (b"{", b"n"):
                    raise self._misfit((*where, name), value, "an object")
            found.elements += values.values()
            found.keys += keys
        elif self._shape == VALUES and kind == b"[" and not elements_of(place):
            pass  # PHP's empty object.
        elif self._empty.takes_value(place):
            return False
        elif place is _NULL_ROW:
            found.elements.append(place)
            found.keys.append(key)
        else:
            raise self._misfit(where, place, _WANTED[self._shape])
        return True

    def _refuse_absence(self, where: tuple[str, ...], whole: Raw) -> None:
        passed, node = _way(whole, where)
        at = f"{'.'.join(passed)!r}" if passed else "the body"
        raise BodyError(
            f"no records: there is nothing at {'.'.join(where)!r}: {at} is {describe(node)}",
            Shape.ASTRAY if self._empty.takes_absent else Shape.MISSING,
        )

    def _misfit(self, where: tuple[str, ...], found: Raw, wanted: str) -> BodyError:
        if self._shape == LIST:
            shape = Shape.NULL if found == Raw(b"null") else Shape.NOT_A_LIST
        else:
            shape = Shape.NULL if found == Raw(b"null") else Shape.NOT_OF_SHAPE
        text = f"expected {wanted} at {'.'.join(where) or ROOT!r}, found {describe(found)}"
        if first_byte(found) == b"{" and _is_empty_object(found):
            text += '. Where that means that there is none, write empty = ["empty object"]'
        return BodyError(text, shape)


_NO_RECORDS: Final = Raw(b"[]")
_NULL_ROW: Final = Raw(b"null")
_WANTED: Final = {
    LIST: "a list of records",
    "object": "an object",
    "list or object": "a list of records or an object",
    VALUES: "an object with records",
}


def says_nothing_is_there(body: bytes, empty: EmptyForms, total_at: str) -> bool:
    """Any part of the records' path may be missing if the exact total, at ``total_at``, is 0."""
    counted = raw_at(body, total_at) if empty.takes_absent and total_at else None
    return counted is not None and bytes(counted).strip(b'"') == b"0"


def _is_empty_object(node: Raw) -> bool:
    return len(node) < _MAX_EMPTY_BYTES and not bytes(node)[1:-1].strip()


def elements_of(node: Raw) -> list[Raw]:
    return msgspec.json.decode(node, type=list[Raw])


def members_of(node: Raw, where: tuple[str, ...]) -> tuple[dict[str, Raw], list[bytes]]:
    """Return the members of an object, and their keys as they are written. Raises `BodyError` for a key that is there
    twice: one of two records would be lost."""
    members = msgspec.json.decode(node, type=dict[str, Raw])
    keys = _keys_of(bytes(node), list(members.values()))
    if keys is None:
        raise BodyError(
            f"the key {_doubled_key(node)!r} is there twice at {'.'.join(where) or ROOT!r}, and only one of them could "
            "be read",
            Shape.UNPARSED,
        )
    return members, keys


def _keys_of(text: bytes, values: list[Raw]) -> list[bytes] | None:
    """Where the values, in order, fill the object, none of its keys is there twice."""
    if not values:
        return []
    keys: list[bytes] = []
    place = 1
    for value in values:
        key = _KEY.match(text, place)
        if key is None or not text.startswith(bytes(value), key.end()):
            return None
        follows = _NEXT.match(text, key.end() + len(value))
        if follows is None:
            return None
        keys.append(key[1])
        place = follows.end()
    return None if text[place:].strip() else keys


def _doubled_key(node: Raw) -> str:
    # Numbers stay text: Python refuses to read integers of over 4,300 digits.
    pairs: list[tuple[str, Any]] = json.loads(bytes(node), object_pairs_hook=list, parse_int=str, parse_float=str)
    names = [name for name, _ in pairs]
    return next((name for name in names if names.count(name) > 1), "")


def _way(node: Raw, where: tuple[str, ...]) -> tuple[tuple[str, ...], Raw]:
    """Return how far names lead, and the value there."""
    passed: tuple[str, ...] = ()
    for name in where:
        kind = first_byte(node)
        if kind == b"{":
            following = msgspec.json.decode(node, type=dict[str, Raw]).get(name)
        elif kind == b"[" and name.isdigit() and int(name) < len(elements := elements_of(node)):
            following = elements[int(name)]
        else:
            following = None
        if following is None:
            break
        node, passed = following, (*passed, name)
    return passed, node
