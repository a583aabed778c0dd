"""Fields in front of a record's own bytes, which follow unchanged (G6)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from haulier.api.errors import Action, ApiError, Shape
from haulier.api.records.slices import Bytes
from haulier.api.records.surrogates import hide
from haulier.errors import ItemError

_SPACE: Final = b" \t\r\n"


def add_fields(records: Sequence[Bytes], fields: Mapping[str, Any], *, first_place: int = 1) -> list[bytes]:
    """``first_place`` of the records in their page is for messages. A `msgspec.Raw` among the values goes in as it is.

    Raises `ItemError` for values that JSON cannot hold, and `ApiError` for a record that is no object, or that has such
    a field itself: readers would not all take the same one.
    """
    if not fields:
        return [bytes(record) for record in records]
    try:
        opening = msgspec.json.encode(dict(fields))[:-1]
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ItemError(f"The fields {', '.join(fields)} cannot be written as JSON: {error}.") from error
    return [*_prepend(records, itertools.repeat(opening), tuple(fields), first_place)]


def add_keyed_fields(
    records: Sequence[Bytes], keys: Sequence[bytes | None], fields_of: Callable[[bytes], Mapping[str, Any]]
) -> list[bytes]:
    """As `add_fields`, with fields that ``fields_of`` makes of each record's key, the JSON text under which it stood.

    Raises `ApiError` for a record without one.
    """
    added = []
    for place, record in enumerate(records, 1):
        key = keys[place - 1] if place <= len(keys) else None
        if key is None:
            raise ApiError(
                f"Record {place:,} of a page stands in a list, so that it has no {{key}}. Leave {{key}} out of `add`: "
                'it is the key of a record under shape = "values", or of the object that `*` in `records` is about.',
                action=Action.RETRY_LATER,
                shape=Shape.RECORD,
            )
        added += add_fields([record], fields_of(key), first_place=place)
    return added


def add_to_each(records: Sequence[Bytes], openings: Sequence[bytes], names: tuple[str, ...]) -> list[bytes]:
    """As `add_fields`, with fields of its own for each record: ``{"_id":"a"``, an object that does not end."""
    return [*_prepend(records, openings, names, 1)]


def _prepend(
    records: Sequence[Bytes], openings: Iterable[bytes], names: tuple[str, ...], first_place: int
) -> Iterator[bytes]:
    texts = [bytes(record) for record in records]
    page = b"".join(texts)
    signs = tuple({sign for name in names for sign in _signs(name)})
    is_doubtful = any(sign in page for sign in signs)
    for place, (text, opening) in enumerate(zip(texts, openings, strict=False), first_place):
        if not text.startswith(b"{"):
            text = text.lstrip(_SPACE)
            if not text.startswith(b"{"):
                raise _refusal(place, "it is no object", names)
        if is_doubtful and any(sign in text for sign in signs):
            _check(text, place, names)
        is_empty = not text.startswith(b'{"') and text[1:].lstrip(_SPACE).startswith(b"}")
        yield (opening if is_empty else opening + b",") + text[1:]


def _signs(name: str) -> Iterator[bytes]:
    """Yield what a record with the field must hold: its quoted name, or an escape that may mean a letter."""
    yield json.dumps(name).encode()
    yield json.dumps(name, ensure_ascii=False).encode()
    yield b"\\u"
    if "/" in name:
        yield b"\\/"


def _check(text: bytes, place: int, names: tuple[str, ...]) -> None:
    try:
        known = _keys_of(text)
    except msgspec.DecodeError as error:
        raise _refusal(place, f"it is not JSON: {error}", names) from error
    for name in names:
        if name in known:
            raise _refusal(place, f"it has a field {name!r} itself", names)


def _keys_of(text: bytes) -> Mapping[str, Raw]:
    try:
        return msgspec.json.decode(text, type=dict[str, Raw])
    except msgspec.DecodeError:
        hidden = hide(text)
        if hidden is None:
            raise
        return msgspec.json.decode(hidden.body, type=dict[str, Raw])


def _refusal(place: int, reason: str, names: tuple[str, ...]) -> ApiError:
    return ApiError(
        f"Record {place:,} of a page cannot be given the field{'s' if len(names) > 1 else ''} "
        f"{', '.join(map(repr, names))}: {reason}. Give it another name in `add`, or leave it out.",
        action=Action.RETRY_LATER,
        shape=Shape.RECORD,
    )
