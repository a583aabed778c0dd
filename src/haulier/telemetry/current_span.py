"""The span that is open in the present task, for its log lines."""

from __future__ import annotations

from contextvars import ContextVar, Token

_CURRENT: ContextVar[tuple[int, int] | None] = ContextVar("haulier_span", default=None)


def current_span() -> dict[str, str]:
    """``trace_id`` and ``span_id``, as OpenTelemetry writes them; empty where none is recorded."""
    found = _CURRENT.get()
    return {} if found is None else {"trace_id": f"{found[0]:032x}", "span_id": f"{found[1]:016x}"}


def set_current_span(trace_id: int, span_id: int) -> Token[tuple[int, int] | None]:
    return _CURRENT.set((trace_id, span_id))


def reset_current_span(token: Token[tuple[int, int] | None]) -> None:
    _CURRENT.reset(token)
