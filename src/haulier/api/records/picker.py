"""Picks elements and values out of a body, in one pass.

The paths become a type of msgspec's, in which everything is optional and raw. All else is checked, not decoded: 800
MB/s, where decoding and encoding again reaches 170 and changes the bytes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, cast

import msgspec
from msgspec import UNSET, Raw, UnsetType

from haulier.api.records.paths import ROOT, Reading, readings

_MAX_READINGS: Final = 16
"""Five parts of a path. Others are walked step by step."""
_MAX_INDEX: Final = 20
"""Each element before it costs a field."""

_Tree = dict[str, Any]
"""Keys to subtrees, or to the type of a value."""


class Picker:
    def __init__(self, list_path: str, paths: tuple[str, ...]) -> None:
        tree: _Tree = {}
        self._list_chains: list[tuple[str, ...]] = []
        self._chains: dict[str, list[tuple[str, ...]]] = {}
        self._decoder: msgspec.json.Decoder[Any] | None = None
        if list_path == ROOT:
            self._decoder = msgspec.json.Decoder(list[Raw])
        elif _plant(tree, list_path, list[Raw]):
            planted = [path for path in paths if _plant(tree, path, Raw)]
            self._decoder = msgspec.json.Decoder(_struct(tree))
            self._list_chains = [_chain(tree, reading) for reading in readings(list_path)]
            self._chains = {path: [_chain(tree, reading) for reading in readings(path)] for path in planted}

    def pick(self, body: bytes) -> tuple[list[Raw], dict[str, Raw | None]] | None:
        """Return the elements, and the values at paths that fit the same pass; None for another shape."""
        if self._decoder is None:
            return None
        try:
            top = self._decoder.decode(body)
        except msgspec.ValidationError:
            return None
        if not self._list_chains:
            return cast("list[Raw]", top), {}
        elements = _follow(top, self._list_chains)
        if elements is None:
            return None
        return elements, {path: _follow(top, chains) for path, chains in self._chains.items()}


class ValuePicker:
    def __init__(self, paths: tuple[str, ...]) -> None:
        tree: _Tree = {}
        self._chains: list[list[tuple[str, ...]]] = []
        self._decoder: msgspec.json.Decoder[Any] | None = None
        if ROOT not in paths and all(_plant(tree, path, Raw) for path in paths):
            self._decoder = msgspec.json.Decoder(_struct(tree))
            self._chains = [[_chain(tree, reading) for reading in readings(path)] for path in paths]

    def pick(self, record: bytes | bytearray | memoryview) -> list[Raw | None] | None:
        """None for another shape, or for what is not plain JSON."""
        if self._decoder is None:
            return None
        try:
            top = self._decoder.decode(record)
        except (msgspec.DecodeError, RecursionError):
            return None
        return [_follow(top, chains) for chains in self._chains]


@lru_cache(maxsize=256)
def picker(list_path: str, paths: tuple[str, ...]) -> Picker:
    """Making its types costs more than reading a page, so it is cached."""
    return Picker(list_path, paths)


def _plant(tree: _Tree, path: str, leaf: Any) -> bool:
    """False where the path does not fit."""
    found = readings(path)
    if len(found) > _MAX_READINGS or not all(_fits(tree, reading) for reading in found):
        return False
    for reading in found:
        node = tree
        for key in reading[:-1]:
            node = node.setdefault(key, {})
        node[reading[-1]] = leaf
    return True


def _fits(tree: _Tree, reading: Reading) -> bool:
    """No value is inside another, and no node both list and object."""
    node: Any = tree
    for key in reading:
        if not isinstance(node, dict) or (node and key.isdigit() != _is_list(node)):
            return False
        if key not in node:
            return all(map(_is_nameable, reading))
        node = node[key]
    return node is Raw


def _is_nameable(key: str) -> bool:
    """msgspec takes no field name that JSON would have to escape."""
    return int(key) <= _MAX_INDEX if key.isdigit() else key.isprintable() and '"' not in key and "\\" not in key


def _is_list(node: _Tree) -> bool:
    return all(key.isdigit() for key in node)


def _struct(tree: _Tree) -> type[msgspec.Struct]:
    keys = [str(index) for index in range(max(map(int, tree)) + 1)] if _is_list(tree) else list(tree)
    fields: list[tuple[str, Any, Any]] = []
    for number, key in enumerate(keys):
        child = tree.get(key, Raw)
        # An object on the way may be null or absent (an API's way to say that there is no next page).
        kind: Any = _struct(child) | None if isinstance(child, dict) else child
        fields.append((f"f{number}", kind | UnsetType, UNSET))
    if _is_list(tree):
        return msgspec.defstruct("List", fields, array_like=True)
    return msgspec.defstruct("Object", fields, rename={f"f{number}": key for number, key in enumerate(keys)})


def _chain(tree: _Tree, reading: Reading) -> tuple[str, ...]:
    """Attributes that lead to a value."""
    chain = []
    for key in reading:
        chain.append(f"f{int(key)}" if _is_list(tree) else f"f{list(tree).index(key)}")
        tree = tree[key]
    return tuple(chain)


def _follow(top: Any, chains: list[tuple[str, ...]]) -> Any:
    for chain in chains:
        node = top
        for name in chain:
            node = getattr(node, name)
            if node is None or node is UNSET:
                break
        else:
            return node
    return None
