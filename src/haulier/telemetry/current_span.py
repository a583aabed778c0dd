"""The span that is open in the present task, for those below it and for log lines."""

from __future__ import annotations

from contextvars import ContextVar
from typing import NamedTuple


class SpanIds(NamedTuple):
    trace_id: int
    span_id: int
    is_sampled: bool
    """If not, nothing of its trace is recorded."""
    run_id: str = ""
    """What is opened below it is of the same run, where it does not say so itself."""


CURRENT: ContextVar[SpanIds | None] = ContextVar("haulier_span", default=None)


def current_span() -> dict[str, str]:
    """``trace_id`` and ``span_id``, as OpenTelemetry writes them; empty where none is recorded."""
    found = CURRENT.get()
    if found is None or not found.is_sampled:
        return {}
    return {"trace_id": f"{found.trace_id:032x}", "span_id": f"{found.span_id:016x}"}
