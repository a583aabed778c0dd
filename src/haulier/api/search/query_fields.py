"""Fields that a query needs: one that no index has makes it find nothing, and no server says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_OF_ONE_FIELD: Final = frozenset(
    {
        "term", "terms", "terms_set", "range", "prefix", "wildcard", "regexp", "fuzzy",
        "match", "match_phrase", "match_phrase_prefix", "match_bool_prefix",
    }
)  # fmt: skip
"""Clauses ``{ term = { FIELD = ... } }``."""
_BESIDE: Final = frozenset({"boost", "_name", "case_insensitive"})
_INNER: Final = {
    "constant_score": ("filter",),
    "nested": ("query",),
    "function_score": ("query",),
    "script_score": ("query",),
    "boosting": ("positive",),
    "dis_max": ("queries",),
}
"""Parts of clauses that documents must match."""
_PLAIN_TYPES: Final = frozenset(
    {
        "object", "nested", "text", "match_only_text", "keyword", "constant_keyword", "wildcard", "boolean", "ip",
        "date", "date_nanos", "byte", "short", "integer", "long", "unsigned_long", "float", "half_float", "double",
        "scaled_float", "unmapped",
    }
)  # fmt: skip
"""Below them are no fields but those that are mapped. Those below others, such as ``flattened``, may not be told."""


def needed_fields(query: Any) -> list[str]:
    """Those of whose clauses it is certain. What must not match may name what no document has; names of the server's
    own, patterns, scripts and texts of queries are left out."""
    found = dict.fromkeys(_fields(query))
    return [name for name in found if not name.startswith("_") and not set(name) & set("*{#,")]


def asked_names(fields: Sequence[str]) -> list[str]:
    """What the server is asked for to tell whether it has these: an object may be told by what is below it."""
    names = [name for field in fields for name in (field, f"{field}.*", *_parents(field))]
    return list(dict.fromkeys(names))


def missing_field(fields: Sequence[str], types: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The first that no index has. ``types``: what the server tells of `asked_names`, by field, then by type."""
    mapped = {name: set(found) - {"unmapped"} for name, found in types.items()}
    return next((field for field in fields if not _is_known(field, mapped)), None)


def _is_known(field: str, mapped: Mapping[str, set[str]]) -> bool:
    return (
        any(kinds and (name == field or name.startswith(f"{field}.")) for name, kinds in mapped.items())
        or any(mapped.get(parent, set()) - _PLAIN_TYPES for parent in _parents(field))
    )  # fmt: skip


def _parents(field: str) -> Iterator[str]:
    parts = field.split(".")
    return (".".join(parts[:length]) for length in range(1, len(parts)))


def _fields(query: Any) -> Iterator[str]:
    if isinstance(query, list | tuple):
        for each in query:
            yield from _fields(each)
    if not isinstance(query, Mapping) or len(query) != 1:
        return
    ((kind, asked),) = query.items()
    if not isinstance(asked, Mapping):
        return
    if kind == "exists":
        yield from (name for name in (asked.get("field"),) if isinstance(name, str))
    elif kind == "bool":
        parts = ["filter", "must"]
        if not any(asked.get(part) for part in parts) or asked.get("minimum_should_match"):
            parts.append("should")
        for part in parts:
            yield from _fields(asked.get(part))
    elif kind in _OF_ONE_FIELD:
        names = [name for name in asked if name not in _BESIDE]
        if len(names) == 1:
            yield str(names[0])
    else:
        for part in _INNER.get(kind, ()):
            yield from _fields(asked.get(part))
