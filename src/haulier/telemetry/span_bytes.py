"""Spans as OTLP has them on the wire, in protobuf, written by hand.

The SDK makes an object of each attribute, which takes 50 us for a span of 16. A test compares both, message by message.
The format: trace.proto and common.proto of https://github.com/open-telemetry/opentelemetry-proto.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterable
from typing import Protocol

from haulier.telemetry.seam import SpanKind, Value

MAX_TEXT_CHARACTERS = 1_000
"""Of one attribute."""
CACHED_ATTRIBUTES = 2_048
"""Most values come again: sources, streams, outcomes, methods."""
CACHED_CHARACTERS = 100
"""A longer text is of one item alone."""

_KINDS = {SpanKind.INTERNAL: 1, SpanKind.CLIENT: 3, SpanKind.PRODUCER: 4, SpanKind.CONSUMER: 5}
_HAS_IS_REMOTE, _IS_REMOTE = 0x100, 0x200
_ERROR = b"\x7a\x02\x18\x02"
_UNSET = b"\x7a\x00"
_TIMES = struct.Struct("<BQBQ")
_FLAGS = struct.Struct("<I")
_DOUBLE = struct.Struct("<d")
_MOST, _LEAST = 2**63 - 1, -(2**63)


class EndedSpan(Protocol):
    name: str
    kind: SpanKind
    parent_id: int
    """0 without a parent."""
    has_remote_parent: bool
    link: tuple[int, int] | None
    """Trace and span of another process."""
    attributes: dict[str, Value]
    started_at_nanoseconds: int
    ended_at_nanoseconds: int
    is_failed: bool

    @property
    def trace_id(self) -> int: ...

    @property
    def span_id(self) -> int: ...


class SpanBytes:
    """``resource`` and ``scope`` are encoded once; schemas are the SDK's."""

    def __init__(self, resource: bytes, scope: bytes, resource_schema: str, scope_schema: str) -> None:
        self._resource = _field(0x0A, resource)
        self._scope = _field(0x0A, scope)
        self._resource_schema = _field(0x1A, resource_schema.encode()) if resource_schema else b""
        self._scope_schema = _field(0x1A, scope_schema.encode()) if scope_schema else b""

    def request(self, spans: Iterable[EndedSpan]) -> bytes:
        """An `ExportTraceServiceRequest`."""
        body = b"".join([_field(0x12, span_bytes(span)) for span in spans])
        scoped = self._scope + body + self._scope_schema
        return _field(0x0A, self._resource + _field(0x12, scoped) + self._resource_schema)


def span_bytes(span: EndedSpan) -> bytes:
    parts = [b"\x0a\x10", span.trace_id.to_bytes(16, "big"), b"\x12\x08", span.span_id.to_bytes(8, "big")]
    flags = _HAS_IS_REMOTE
    if span.parent_id:
        parts += (b"\x22\x08", span.parent_id.to_bytes(8, "big"))
        if span.has_remote_parent:
            flags |= _IS_REMOTE
    parts.append(_name(span.name))
    parts.append(bytes((0x30, _KINDS[span.kind])))
    parts.append(_TIMES.pack(0x39, span.started_at_nanoseconds, 0x41, span.ended_at_nanoseconds))
    parts += [attribute_bytes(name, value) for name, value in span.attributes.items()]
    if span.link is not None:
        trace_id, span_id = span.link
        linked = b"\x0a\x10" + trace_id.to_bytes(16, "big") + b"\x12\x08" + span_id.to_bytes(8, "big")
        parts.append(_field(0x6A, linked + b"\x35" + _FLAGS.pack(_HAS_IS_REMOTE | _IS_REMOTE)))
    parts.append(_ERROR if span.is_failed else _UNSET)
    parts.append(b"\x85\x01" + _FLAGS.pack(flags))
    return b"".join(parts)


@functools.lru_cache(maxsize=256)
def _name(name: str) -> bytes:
    return _field(0x2A, text_bytes(name))


def attribute_bytes(name: str, value: Value) -> bytes:
    if isinstance(value, str) and len(value) > CACHED_CHARACTERS:
        return _attribute(name, value)
    return _cached_attribute(name, value)


def _attribute(name: str, value: Value) -> bytes:
    return _field(0x4A, _field(0x0A, text_bytes(name)) + _field(0x12, _value(value)))


_cached_attribute = functools.lru_cache(maxsize=CACHED_ATTRIBUTES, typed=True)(_attribute)
"""``typed``: 1, 1.0 and True are equal, and not the same."""


def _value(value: Value) -> bytes:
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int) and _LEAST <= value <= _MOST:
        return b"\x18" + _varint(value & (2**64 - 1))
    if isinstance(value, float):
        return b"\x21" + _DOUBLE.pack(value)
    return _field(0x0A, text_bytes(str(value)))  # A larger whole number would be lost.


def text_bytes(text: str) -> bytes:
    """What every receiver takes: one half of a surrogate pair would lose a whole batch."""
    return text[:MAX_TEXT_CHARACTERS].encode("utf-8", errors="replace")


def _field(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    return bytes((tag,)) + _varint(size) + content


def _varint(number: int) -> bytes:
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
