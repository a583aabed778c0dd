"""Values set and found at dotted paths of a JSON body: `page.after`, and `search_after.0` for a place in a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haulier.errors import UsageError


def with_value(node: Any, path: str, value: Any) -> Any:
    """Return a copy with ``value`` at a path, and with the objects and lists on the way.

    Digits are a place in a list: one that is there, or the next one. Where nothing is, `0` begins a list. In an object
    they are a key. Texts and numbers on the way are replaced. Raises `UsageError` for no place of a list.
    """
    return _with_value(node, path.split("."), value, path)


def value_at(node: Any, path: str) -> Any:
    """Return None where nothing is."""
    for key in path.split("."):
        if isinstance(node, Mapping):
            node = node.get(key)
        elif _is_list(node) and key.isdigit() and int(key) < len(node):
            node = node[int(key)]
        else:
            return None
    return node


def _with_value(node: Any, keys: list[str], value: Any, path: str) -> Any:
    if not keys:
        return value
    key, rest = keys[0], keys[1:]
    if not isinstance(node, Mapping) and not _is_list(node):
        node = [] if key == "0" and node is None else {}
    if isinstance(node, Mapping):
        return {**node, key: _with_value(node.get(key), rest, value, path)}
    place = int(key) if key.isdigit() else len(node) + 1
    if place > len(node):
        raise UsageError(
            f"The body has a list of {len(node)} on the way to {path!r}, in which {key!r} is no place. Write an object "
            f"there, or a number from 0 to {len(node)} in the path."
        )
    old = node[place] if place < len(node) else None
    return [*node[:place], _with_value(old, rest, value, path), *node[place + 1 :]]


def _is_list(node: Any) -> bool:
    return isinstance(node, list | tuple)
