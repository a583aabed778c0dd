"""Messages are data (G8): decoded into typed fields of a known class, or refused."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from haulier.errors import BrokenEnvelopeError, UsageError
from haulier.items.ranges import IdRange
from haulier.items.windows import TimeWindow
from haulier.items.workitem import WorkItem, require_usable

Item = TypeVar("Item", bound=WorkItem)


class _ValueRefusedError(Exception):
    """Says where the value is."""


_ALIKE = frozenset({int, str, bool, type(None), IdRange, TimeWindow})
"""Types whose equal values have equal bytes."""

# What msgspec and a class's own __post_init__ raise for a value; ValueError has UnicodeEncodeError (lone surrogates).
_REFUSALS = (_ValueRefusedError, msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError)


def encode_canonical(item: WorkItem) -> bytes:
    """Encode an item from `canonical` as ASCII JSON, in declared order. Equal items have equal bytes."""
    return _ascii(msgspec.json.encode(item))


def canonical(item: Item) -> Item:
    """Return the item as a worker will read it: equal, with the declared types (1 in a float field is 1.0), in UTC.

    Raises `UsageError` for what would not come back equal: another type than the field's, a naive datetime, NaN.
    """
    cls = type(item)
    require_usable(cls)
    try:
        given = settled(item, "")
        found: Item = _decoded(cls, msgspec.json.encode(given))
        if found != given:
            raise _ValueRefusedError(f"{_difference(given, found)} would not be read back equal")
    except _REFUSALS as error:
        raise UsageError(f"Parameters of {cls.__qualname__} cannot be encoded: {error}") from error
    return found


def decode_payload(cls: type[Item], payload: bytes) -> Item:
    """Make datetimes UTC; ignore unknown fields.

    Raises `BrokenEnvelopeError`, with the path of the field (``$.ids.start``), for other types than the declared ones.
    """
    require_usable(cls)
    try:
        item: Item = settled(_decoded(cls, payload), "")
    except _REFUSALS as error:
        raise BrokenEnvelopeError(f"Parameters of kind {cls.kind!r} cannot be read: {error}") from error
    return item


def _decoded(cls: type, payload: bytes) -> Any:
    return _decoder(cls).decode(payload)


@functools.lru_cache(maxsize=4096)
def _decoder(cls: type) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(cls)


def settled(value: Any, path: str) -> Any:
    """Datetimes in UTC, and one zero, at any depth; ``path`` says where, for messages."""
    if type(value) in _ALIKE:
        return value
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise _ValueRefusedError(f"{value.isoformat()} has no time zone (pass tzinfo=UTC) - at `${path}`")
        return value.astimezone(UTC)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _ValueRefusedError(f"{value} is not a number that JSON can write - at `${path}`")
        return value if value else 0.0
    if isinstance(value, tuple):
        return tuple(settled(member, f"{path}[{place}]") for place, member in enumerate(value))
    if not dataclasses.is_dataclass(value):
        return value
    changed = {}
    cls: Any = type(value)
    for name in _names_of(cls):
        before = getattr(value, name)
        after = settled(before, f"{path}.{name}")
        if after is not before:
            changed[name] = after
    return dataclasses.replace(value, **changed) if changed else value  # type: ignore[type-var]


@functools.lru_cache(maxsize=4096)
def _names_of(cls: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


def _difference(item: Any, found: Any) -> str:
    for field in dataclasses.fields(item):
        before, after = getattr(item, field.name), getattr(found, field.name)
        if before != after:
            return f"{before!r} at `$.{field.name}`"
    return repr(item)


def _ascii(body: bytes) -> bytes:
    # Queues that carry XML refuse some characters, such as U+FFFF, which msgspec does not escape.
    if body.isascii():
        return body
    return json.dumps(json.loads(body), ensure_ascii=True, separators=(",", ":")).encode("ascii")
