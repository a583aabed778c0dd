"""The part of a recipe that shapes records, as canonical bytes: a resumed run must have the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import msgspec

from haulier.api.body_format import PLAIN_JSON, BodyFormat, codec_of
from haulier.api.http.urls import Encoded
from haulier.api.records.empty_forms import EMPTY_LIST_ONLY
from haulier.api.records.record_finder import LIST
from haulier.sources.prefixes import Prefixes
from haulier.sources.recipe import StreamRecipe

# What decides which records an item holds, and how. How many items there are, and what is asked beside, may change
# while a run is open: its plan is sealed, and stays as it was.
_STREAM = ("name", "method", "path", "query", "json", "headers", "records", "pages")
_DIVISION = ("query", "bounds", "are_numbers", "feed", "begin")


def fingerprint(mode: str, streams: Iterable[StreamRecipe], known: Mapping[str, StreamRecipe]) -> bytes:
    """Equal bytes for recipes that make equal records of equal items; the order of the streams does not matter.

    ``known`` are all streams of the source, since a parent's recipe shapes its children's records.
    """
    shapes = [_shape(stream, mode, known) for stream in streams]
    return msgspec.json.encode([mode, sorted(shapes, key=msgspec.json.encode)], order="deterministic")


def shape_of(stream: StreamRecipe, mode: str) -> list[Any]:
    """Likewise of a stream without a parent."""
    return _shape(stream, mode, {})


def _shape(stream: StreamRecipe, mode: str, known: Mapping[str, StreamRecipe]) -> list[Any]:
    shape = {name: canonical(getattr(stream, name)) for name in _STREAM}
    if stream.search is not None:
        shape["search"] = canonical(stream.search)
    if stream.add:
        shape["add"] = canonical(stream.add)
    if stream.shape != LIST:
        shape["shape"] = stream.shape
    if stream.skip:
        shape["skip"] = canonical(stream.skip)
    if stream.form is not None:
        shape["form"] = canonical(stream.form)
    if not _is_plain(stream.format):
        shape["format"] = canonical(stream.format)
    if stream.job is not None:
        shape["job"] = canonical(stream.job)
    if stream.empty != EMPTY_LIST_ONLY:
        shape["empty"] = ["Empty", canonical(stream.empty)[1]]  # The name that its class had in older fingerprints.
    if stream.link_origin or stream.link_base:
        shape["links"] = [stream.link_origin, stream.link_base]
    join = getattr(stream.parent or stream.enumeration(mode), "join", None)
    if join is not None:
        shape["join"] = canonical(join)
    if stream.parent is not None:
        return [shape, "ParentRecipe", _shape(known[stream.parent.stream], mode, known)]
    division = stream.enumeration(mode)
    if division is None:
        return [shape]
    names = [name for name in _DIVISION if hasattr(division, name)]
    written = getattr(division, "written", None)
    told = {"written": canonical(written)} if written is not None and not written.are_numbers else {}
    values = getattr(division, "values", None)
    if isinstance(values, Prefixes):
        told["prefixes"] = canonical(values)
    return [shape, type(division).__name__, {name: canonical(getattr(division, name)) for name in names} | told]


def _is_plain(form: BodyFormat) -> bool:
    """JSON is UTF-8 without being declared so."""
    return form == PLAIN_JSON or (form.kind == "json" and codec_of(form.charset or "utf-8") == "utf-8")


def canonical(value: Any) -> Any:
    """Write a value as JSON, with the names of its classes.

    Fields at their default are left out, so that a field that a later version adds does not refuse open runs. So are
    fields whose metadata says that they shape no records.
    """
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case timedelta():
            return value.total_seconds()
        case Enum():
            return value.value
        case Mapping():
            return {str(key): canonical(member) for key, member in value.items()}
        case list() | tuple():
            return [canonical(member) for member in value]
        case set() | frozenset():
            return sorted((canonical(member) for member in value), key=msgspec.json.encode)
        case Encoded():
            return {"encoded": str(value)}
        case None | bool() | int() | float() | str():
            return value
        case _:
            return _canonical_instance(value)


def _canonical_instance(value: Any) -> Any:
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        # A paginator of the user's own: its class, and what it was made with.
        return [type(value).__qualname__, canonical(getattr(value, "__dict__", {}))]
    fields = {}
    for field in dataclasses.fields(value):
        member = getattr(value, field.name)
        if field.metadata.get("shapes_records", True) and not _is_default(field, member):
            fields[field.name] = canonical(member)
    return [type(value).__qualname__, fields]


def _is_default(field: dataclasses.Field[Any], member: Any) -> bool:
    if field.default is not dataclasses.MISSING:
        return bool(member == field.default) or member in field.metadata.get("like_default", ())
    return field.default_factory is not dataclasses.MISSING and bool(member == field.default_factory())
