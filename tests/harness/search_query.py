"""Queries and sort keys of search servers, as the fake of tests/harness/search_fake.py understands them.

What it does not know is refused, so that a query that means something else is never answered.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Document = dict[str, Any]

PHASE = "search_phase_execution_exception"


class RefusedError(Exception):
    """An answer with an error status, as these servers write it."""

    def __init__(self, status: int, kind: str, reason: str, *, root: str = "") -> None:
        """``root``: what each shard says, where ``kind`` is about all of them."""
        self.status = status
        cause = {"type": root or kind, "reason": reason}
        error: Document = {"root_cause": [cause], "type": kind, "reason": "all shards failed" if root else reason}
        if root:
            error |= {"phase": "query", "grouped": True, "failed_shards": [{"shard": 0, "reason": cause}]}
        self.body: Document = {"error": error, "status": status}
        super().__init__(reason)


@dataclass(frozen=True)
class Row:
    index: str
    id: str
    source: bytes
    shard: int
    place: int
    """What `_shard_doc` sorts by: unique in a point in time, above 2^53."""
    mapping: dict[str, str]

    @property
    def fields(self) -> Document:
        found: Document = json.loads(self.source)
        return found


def matches(row: Row, query: Document) -> bool:
    (kind, asked), *others = query.items()
    if others:
        raise RefusedError(400, "parsing_exception", "a query has one name")
    match kind:
        case "match_all":
            return True
        case "bool":
            if set(asked) - {"filter", "must_not"}:
                raise RefusedError(400, "parsing_exception", f"[bool] query does not support {sorted(asked)}")
            return all(matches(row, each) for each in asked.get("filter", ())) and not any(
                matches(row, each) for each in asked.get("must_not", ())
            )
        case "exists":
            return asked["field"] in row.mapping and row.fields.get(asked["field"]) is not None
        case "term":
            ((name, value),) = asked.items()
            return bool(row.fields.get(name) == value)
        case "range":
            ((name, bounds),) = asked.items()
            return within(row, name, dict(bounds))
        case _:
            raise RefusedError(400, "parsing_exception", f"unknown query [{kind}]")


def within(row: Row, name: str, bounds: Document) -> bool:
    """An unmapped field matches nothing, and says nothing."""
    form, kind, value = bounds.pop("format", ""), row.mapping.get(name), row.fields.get(name)
    if kind is None or value is None:
        return False
    edges = {side: edge_of(edge, form, kind) for side, edge in bounds.items()}
    at = nanoseconds(value, kind) if kind != "long" else value
    if set(edges) - {"gte", "gt", "lt", "lte"}:
        raise RefusedError(400, "parsing_exception", f"[range] query does not support {sorted(edges)}")
    return bool(
        edges.get("gte", at) <= at
        and at <= edges.get("lte", at)
        and ("gt" not in edges or at > edges["gt"])
        and ("lt" not in edges or at < edges["lt"])
    )


def edge_of(edge: Any, form: str, kind: str) -> int:
    """In nanoseconds, but for a number's own field. Without a format it is read by that of the field."""
    if kind == "long":
        return int(edge)
    if isinstance(edge, str) and not edge.isdigit():
        return nanoseconds(edge, "date")
    form = form or ("epoch_second" if kind == "epoch_second" else "epoch_millis")
    if form not in {"epoch_second", "epoch_millis"}:
        raise RefusedError(400, "parse_exception", f"failed to parse date field [{edge}] with format [{form}]")
    return int(edge) * (1_000_000_000 if form == "epoch_second" else 1_000_000)


def nanoseconds(value: Any, kind: str) -> int:
    if isinstance(value, int):
        return value * (1_000_000_000 if kind == "epoch_second" else 1_000_000)
    text, _, fraction = value.rstrip("Z").partition(".")
    whole = int(datetime.fromisoformat(f"{text}+00:00").timestamp())
    return whole * 1_000_000_000 + int(fraction.ljust(9, "0") or 0)


def sort_value(row: Row, key: str) -> Any:
    """Dates are numbers: milliseconds, or nanoseconds of a ``date_nanos``. A keyword above 256 characters has none."""
    if key == "_shard_doc":
        return row.place
    name = key.removesuffix(".keyword")
    value, kind = row.fields.get(name), row.mapping.get(name)
    if kind is None:
        raise RefusedError(
            400, PHASE, f"No mapping found for [{key}] in order to sort on", root="query_shard_exception"
        )
    if kind in {"date", "epoch_second"}:
        return None if value is None else nanoseconds(value, kind) // 1_000_000
    if kind == "date_nanos":
        return None if value is None else nanoseconds(value, kind)
    return None if isinstance(value, str) and len(value) > 256 else value


def order(value: Any) -> tuple[bool, Any]:
    return value is None, 0 if value is None else value
