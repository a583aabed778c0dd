"""The seam of telemetry. It can neither stop nor slow the work: no method raises, waits or sends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Protocol

Value = str | bool | int | float
Attributes = Mapping[str, Value]
NO_ATTRIBUTES: Attributes = MappingProxyType({})
Reading = tuple[float, Attributes]


class SpanKind(Enum):
    INTERNAL = "internal"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class TraceSpan(Protocol):
    def set(self, attributes: Attributes) -> None: ...

    def fail(self, error: BaseException | str) -> None:
        """Mark the span as failed, by the name of the error's class, or by a word for what failed. An error's text may
        hold what is secret (G7)."""
        ...

    @property
    def context(self) -> str:
        """The W3C ``traceparent`` of this span; empty where none is recorded."""
        ...


class Telemetry(Protocol):
    @property
    def is_on(self) -> bool: ...

    def span(
        self,
        name: str,
        kind: SpanKind,
        attributes: Attributes = NO_ATTRIBUTES,
        *,
        link: str = "",
        parent: str = "",
        is_root: bool = False,
    ) -> contextlib.AbstractContextManager[TraceSpan]:
        """Open a span below the one that is open in this task, or, as ``is_root``, in a trace of its own.

        An exception that leaves it, a cancellation too, fails it. ``link`` is the `TraceSpan.context` of another one,
        and ``parent`` that of one to open it below, which may have ended.
        """
        ...

    def add(self, name: str, amount: float, attributes: Attributes = NO_ATTRIBUTES) -> None:
        """Count. Attributes of few values: no key, path or window is one (at most 2,000 sets are kept apart)."""
        ...

    def record(self, name: str, value: float, attributes: Attributes = NO_ATTRIBUTES) -> None:
        """Put a value into a histogram."""
        ...

    def observe(self, name: str, read: Callable[[], Iterable[Reading]]) -> None:
        """Read a gauge whenever metrics are sent. ``read`` is called in another thread and asks nobody. A second one of
        a name is read as well: of equal attributes the last value counts."""
        ...


class NoSpan:
    context = ""

    def set(self, attributes: Attributes) -> None:
        pass

    def fail(self, error: BaseException | str) -> None:
        pass


_NO_SPAN: contextlib.AbstractContextManager[TraceSpan] = contextlib.nullcontext(NoSpan())


def no_span() -> contextlib.AbstractContextManager[TraceSpan]:
    """Record nothing while the block lasts."""
    return _NO_SPAN


class NoTelemetry:
    """Telemetry that is off."""

    is_on = False

    def span(
        self,
        name: str,
        kind: SpanKind,
        attributes: Attributes = NO_ATTRIBUTES,
        *,
        link: str = "",
        parent: str = "",
        is_root: bool = False,
    ) -> contextlib.AbstractContextManager[TraceSpan]:
        return no_span()

    def add(self, name: str, amount: float, attributes: Attributes = NO_ATTRIBUTES) -> None:
        pass

    def record(self, name: str, value: float, attributes: Attributes = NO_ATTRIBUTES) -> None:
        pass

    def observe(self, name: str, read: Callable[[], Iterable[Reading]]) -> None:
        pass


NO_TELEMETRY: Telemetry = NoTelemetry()
