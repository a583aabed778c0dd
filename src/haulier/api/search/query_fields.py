"""Fields that a query needs: one that no index has makes it find nothing, and no server says so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Parts of which so many must match. What each of them needs."""

    least: int
    parts: tuple[tuple[Need, ...], ...]


Need = str | Alternatives
"""A field, or some parts of a query."""


def needs_of(query: Any) -> tuple[Need, ...]:
    """Those of whose clauses it is certain. What must not match may name what no document has; names of the server's
    own, patterns, scripts and texts of queries are left out."""
    return tuple(_needs(query))


def fields_of(needs: Iterable[Need]) -> list[str]:
    return list(dict.fromkeys(_names(needs)))


def asked_names(fields: Sequence[str]) -> list[str]:
    """What the server is asked for to tell whether it has these: an object may be told by what is below it."""
    names = [name for field in fields for name in (field, f"{field}.*", *_parents(field))]
    return list(dict.fromkeys(names))


def missing_field(needs: Iterable[Need], types: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The first that no index has, so that nothing would be found. ``types``: what the server tells of `asked_names`,
    by field, then by type."""
    mapped = {name: set(found) - {"unmapped"} for name, found in types.items()}
    return next(_missing(needs, mapped), None)


def _missing(needs: Iterable[Need], mapped: Mapping[str, set[str]]) -> Iterator[str]:
    for need in needs:
        if isinstance(need, str):
            if not _is_known(need, mapped):
                yield need
            continue
        lacking = [name for part in need.parts for name in [next(_missing(part, mapped), None)] if name is not None]
        if len(need.parts) - len(lacking) < need.least:
            yield from lacking[:1]


def _is_known(field: str, mapped: Mapping[str, set[str]]) -> bool:
    return (
        any(kinds and (name == field or name.startswith(f"{field}.")) for name, kinds in mapped.items())
        or any(mapped.get(parent, set()) - _PLAIN_TYPES for parent in _parents(field))
    )  # fmt: skip


def _parents(field: str) -> Iterator[str]:
    parts = field.split(".")
    return (".".join(parts[:length]) for length in range(1, len(parts)))


def _names(needs: Iterable[Need]) -> Iterator[str]:
    for need in needs:
        if isinstance(need, str):
            yield need
        else:
            for part in need.parts:
                yield from _names(part)


def _needs(query: Any) -> Iterator[Need]:
    if isinstance(query, list | tuple):
        for each in query:
            yield from _needs(each)
    if not isinstance(query, Mapping) or len(query) != 1:
        return
    ((kind, asked),) = query.items()
    if not isinstance(asked, Mapping):
        return
    if kind == "bool":
        for part in ("filter", "must"):
            yield from _needs(asked.get(part))
        yield from _one_of(asked.get("should"), _least(asked))
    elif kind == "dis_max":
        yield from _one_of(asked.get("queries"), 1)
    elif kind == "exists":
        yield from filter(_is_certain, [asked.get("field")])
    elif kind in _OF_ONE_FIELD:
        names = [name for name in asked if name not in _BESIDE]
        if len(names) == 1:
            yield from filter(_is_certain, names)
    else:
        for part in _INNER.get(kind, ()):
            yield from _needs(asked.get(part))


def _one_of(clauses: Any, least: int) -> Iterator[Alternatives]:
    parts = clauses if isinstance(clauses, list | tuple) else [clauses]
    if least:
        yield Alternatives(least, tuple(map(needs_of, parts)))


def _least(asked: Mapping[str, Any]) -> int:
    """So many clauses of ``should`` must match, or more: shares and what depends on their number are not counted."""
    told = asked.get("minimum_should_match")
    if told is None:
        return 0 if asked.get("filter") or asked.get("must") else 1
    text = str(told).strip()
    return int(text) if text.isdecimal() else 0


def _is_certain(name: Any) -> bool:
    return isinstance(name, str) and not name.startswith("_") and not set(name) & set("*{#,")
