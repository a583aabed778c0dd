"""The shape of a stream's records: which paths they have, with values of which types. A sample tells it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

MAX_DEPTH: Final = 8
"""Values below are not looked into."""
MAX_KEYS: Final = 300
"""Of one object. One that has more, in all records of the sample together, is a map: its keys are data, and are
counted as ``*``."""
MAX_PATHS: Final = 500
MAX_NODES: Final = 50_000
"""Maps in maps: about 20 MB."""
_KEY_CHARACTERS: Final = 64

_PLAIN = re.compile(rf"[A-Za-z0-9_@$-]{{1,{_KEY_CHARACTERS}}}")
_TYPES: Final[dict[type, str]] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "text",
    dict: "object",
    list: "list",
}


class StreamShape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of the records that were looked at."""

    records: int = 0
    paths: dict[str, dict[str, int]] = {}
    """Dotted, with ``[]`` for the members of a list and ``*`` for the keys of a map; ``.`` is the record. To each the
    types of its values, with the number of records that had one."""
    is_cut: bool = False
    """There were more than `MAX_PATHS`."""


class ShapeSketch:
    """What is seen of the records so far. Memory is bounded by `MAX_KEYS` and `MAX_DEPTH`, never by the records."""

    def __init__(self) -> None:
        self.records = 0
        self._root = _Node()
        self._nodes = 0

    def add(self, record: bytes) -> None:
        """A record that cannot be decoded, such as one with 1e400, is passed over."""
        try:
            value = msgspec.json.decode(record)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        self.records += 1
        self._note(self._root, value, 1)

    def shape(self) -> StreamShape:
        paths = dict(sorted(self._root.paths("")))
        kept = sorted(paths, key=lambda path: (-sum(paths[path].values()), path))[:MAX_PATHS]
        return StreamShape(
            records=self.records,
            paths={path: paths[path] for path in sorted(kept)},
            is_cut=len(paths) > MAX_PATHS or self._nodes >= MAX_NODES,
        )

    def _note(self, node: _Node, value: Any, depth: int) -> None:
        node.count(_TYPES[type(value)], self.records)
        if depth > MAX_DEPTH:
            return
        if isinstance(value, list):
            for member in value:
                self._note_below(node, "[]", member, depth)
        elif isinstance(value, dict):
            if len(value) > MAX_KEYS:
                node.become_map()
            for key, member in value.items():
                self._note_below(node, _segment(key), member, depth)

    def _note_below(self, node: _Node, segment: str, value: Any, depth: int) -> None:
        if node.is_map and segment != "[]":
            segment = "*"
        below = node.children.get(segment)
        if below is None:
            if self._nodes >= MAX_NODES:
                return
            self._nodes += 1
            below = node.children[segment] = _Node()
            if len(node.children) > MAX_KEYS:
                node.become_map()
                below = node.children["*"]
        self._note(below, value, depth + 1)


class _Node:
    __slots__ = ("_last", "children", "is_map", "types")

    def __init__(self) -> None:
        self.types: dict[str, int] = {}
        self.children: dict[str, _Node] = {}
        self.is_map = False
        self._last: dict[str, int] = {}

    def count(self, kind: str, record: int) -> None:
        """Each record once."""
        if self._last.get(kind) != record:
            self._last[kind] = record
            self.types[kind] = self.types.get(kind, 0) + 1

    def become_map(self) -> None:
        if not self.is_map:
            self.is_map = True
            members = self.children.pop("[]", None)
            whole = _Node()
            for child in self.children.values():
                whole.take(child)
            self.children = {"*": whole} | ({} if members is None else {"[]": members})

    def take(self, other: _Node) -> None:
        """Counts of one record in both are added up, so that they are upper bounds."""
        for kind, count in other.types.items():
            self.types[kind] = self.types.get(kind, 0) + count
            self._last[kind] = max(self._last.get(kind, 0), other._last[kind])
        for segment, child in other.children.items():
            self.children.setdefault(segment, _Node()).take(child)
        self.is_map |= other.is_map

    def paths(self, prefix: str) -> Iterator[tuple[str, dict[str, int]]]:
        yield prefix or ".", self.types
        for segment, child in self.children.items():
            joined = f"{prefix}{segment}" if segment == "[]" or not prefix else f"{prefix}.{segment}"
            yield from child.paths(joined)


def _segment(key: str) -> str:
    """A key as it stands in a path: one with a dot, a sign or a control character is quoted, a long one is cut."""
    if _PLAIN.fullmatch(key):
        return key
    return json.dumps(key if len(key) <= _KEY_CHARACTERS else f"{key[:_KEY_CHARACTERS]}...")
