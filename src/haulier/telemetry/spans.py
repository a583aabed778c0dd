"""Spans of this process, as light as they can be: an item of 20 KB takes 1 ms, and has four of them.

The SDK samples, queues, batches and sends them, by its own variables. Its span objects are not used: to open, fill and
encode one of 16 attributes took 80 us.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextvars import Token
from dataclasses import dataclass
from types import TracebackType

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from haulier.clock import Clock, wall_seconds
from haulier.telemetry.current_span import CURRENT, SpanIds
from haulier.telemetry.losses import Losses
from haulier.telemetry.names import ERROR_TYPE, RUN_ID
from haulier.telemetry.seam import Attributes, SpanKind, Value
from haulier.telemetry.sender import SAMPLED
from haulier.telemetry.span_bytes import MAX_TEXT_CHARACTERS, EndedSpan

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(frozen=True)
class Tracing:
    """What all spans of a process have in common."""

    sampler: Sampler
    ids: RandomIdGenerator
    clock: Clock
    losses: Losses
    send: Callable[[EndedSpan], None]
    """Takes a span that has ended. It neither waits nor raises."""

    def span(
        self, name: str, kind: SpanKind, attributes: Attributes, link: str, parent: str, *, is_root: bool
    ) -> OpenSpan | NotRecorded:
        above = None if is_root else ids_of(parent) if parent else CURRENT.get()
        if above is None:
            trace_id = self.ids.generate_trace_id()
            is_sampled = self._is_sampled(trace_id, name)
        else:
            trace_id, is_sampled = above.trace_id, above.is_sampled
        own = bounded(attributes)
        if above is not None and above.run_id:
            own.setdefault(RUN_ID, above.run_id)
        ids = SpanIds(trace_id, self.ids.generate_span_id(), is_sampled, str(own.get(RUN_ID, "")))
        if not is_sampled:
            return NotRecorded(ids)
        linked = ids_of(link) if link else None
        return OpenSpan(self, name, kind, own, ids, above, bool(parent), linked)

    def _is_sampled(self, trace_id: int, name: str) -> bool:
        try:
            return self.sampler.should_sample(Context(), trace_id, name).decision is Decision.RECORD_AND_SAMPLE
        except Exception as error:  # noqa: BLE001 - one of another package may not stop the work
            self.losses.note_sampler_failure(error)
            return False


class OpenSpan:
    """A span of this task while its block lasts."""

    __slots__ = (
        "_began_at", "_foreign", "_token", "_tracing", "attributes", "ended_at_nanoseconds", "has_remote_parent",
        "ids", "is_failed", "kind", "link", "name", "parent_id", "started_at_nanoseconds",
    )  # fmt: skip

    def __init__(
        self,
        tracing: Tracing,
        name: str,
        kind: SpanKind,
        attributes: dict[str, Value],
        ids: SpanIds,
        above: SpanIds | None,
        has_remote_parent: bool,
        linked: SpanIds | None,
    ) -> None:
        self._tracing = tracing
        self.name = name
        self.kind = kind
        self.attributes = attributes
        self.ids = ids
        self.parent_id = 0 if above is None else above.span_id
        self.has_remote_parent = has_remote_parent
        self.link = None if linked is None else (linked.trace_id, linked.span_id)
        self.is_failed = False
        self.started_at_nanoseconds = self.ended_at_nanoseconds = 0

    def __enter__(self) -> OpenSpan:
        clock = self._tracing.clock
        self._token = CURRENT.set(self.ids)
        self._foreign = _open_foreign(self.ids) if self.kind is SpanKind.CONSUMER else None
        self.started_at_nanoseconds = int(wall_seconds(clock) * 1e9)
        self._began_at = clock.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        lasted = self._tracing.clock.monotonic() - self._began_at
        self.ended_at_nanoseconds = self.started_at_nanoseconds + int(lasted * 1e9)
        if error is not None:
            self.fail(error)
        if self._foreign is not None:
            otel_context.detach(self._foreign)
        CURRENT.reset(self._token)
        self._tracing.losses.note_ended()
        self._tracing.send(self)

    def set(self, attributes: Attributes) -> None:
        self.attributes.update(bounded(attributes))

    def fail(self, error: BaseException | str) -> None:
        if self.is_failed:
            return  # What failed first says more than what came of it.
        self.attributes[ERROR_TYPE] = error if isinstance(error, str) else type(cause_of(error)).__name__
        self.is_failed = True

    @property
    def context(self) -> str:
        return f"00-{self.ids.trace_id:032x}-{self.ids.span_id:016x}-{SAMPLED:02x}"

    @property
    def trace_id(self) -> int:
        return self.ids.trace_id

    @property
    def span_id(self) -> int:
        return self.ids.span_id


class NotRecorded:
    """A span that the sampler left out, with all below it."""

    __slots__ = ("_ids", "_token")
    context = ""

    def __init__(self, ids: SpanIds) -> None:
        self._ids = ids
        self._token: Token[SpanIds | None] | None = None

    def __enter__(self) -> NotRecorded:
        self._token = CURRENT.set(self._ids)
        return self

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            CURRENT.reset(self._token)

    def set(self, attributes: Attributes) -> None:
        pass

    def fail(self, error: BaseException | str) -> None:
        pass


def bounded(attributes: Attributes) -> dict[str, Value]:
    """Cut before it waits in the queue, whose spans are counted and not weighed."""
    return {
        name: value[:MAX_TEXT_CHARACTERS] if isinstance(value, str) else value for name, value in attributes.items()
    }


def cause_of(error: BaseException) -> BaseException:
    """A group of one is its member."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def ids_of(traceparent: str) -> SpanIds | None:
    """None for what is no `traceparent`: a message may come from anybody."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None:
        return None
    ids = SpanIds(int(found[1], 16), int(found[2], 16), bool(int(found[3], 16) & TraceFlags.SAMPLED))
    return ids if ids.trace_id and ids.span_id else None


def _open_foreign(ids: SpanIds) -> Token[Context]:
    """Let spans that a processor makes by itself, with OpenTelemetry's own API, stand below its item's."""
    context = SpanContext(ids.trace_id, ids.span_id, is_remote=False, trace_flags=SAMPLED)
    return otel_context.attach(set_span_in_context(NonRecordingSpan(context)))
