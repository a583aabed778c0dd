"""The spans of messages: sent, processed, settled."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from haulier.telemetry.names import (
    BATCH_COUNT,
    CONSUMED_MESSAGES,
    DESTINATION,
    ENQUEUE,
    MESSAGING_SYSTEM,
    OPERATION_NAME,
    OPERATION_TYPE,
    PROCESS,
    RECEIVE,
    RUN_ID,
    SEND,
    SENT_MESSAGES,
    SETTLE,
)
from haulier.telemetry.seam import NO_TELEMETRY, Attributes, SpanKind, Telemetry, TraceSpan, Value, no_span


@dataclass(frozen=True)
class MessageSpans:
    telemetry: Telemetry
    system: str = ""
    queue: str = ""

    def enqueue(self, run_id: str) -> contextlib.AbstractContextManager[TraceSpan]:
        return self.telemetry.span(ENQUEUE, SpanKind.INTERNAL, {RUN_ID: run_id}, is_root=True)

    def send(self, run_id: str, messages: int) -> contextlib.AbstractContextManager[TraceSpan]:
        """Its `TraceSpan.context` goes into the messages."""
        if not self.telemetry.is_on:
            return no_span()
        return self._sending(run_id, messages)

    @contextlib.contextmanager
    def _sending(self, run_id: str, messages: int) -> Iterator[TraceSpan]:
        attributes = self._attributes(SEND, run_id) | {BATCH_COUNT: messages}
        with self.telemetry.span(f"{SEND} {self.queue}", SpanKind.PRODUCER, attributes) as span:
            yield span
        self.telemetry.add(SENT_MESSAGES, messages, self.attributes(SEND))

    def note_taken(self, messages: int) -> None:
        """They were leased off the queue."""
        if messages and self.telemetry.is_on:
            self.telemetry.add(CONSUMED_MESSAGES, messages, self.attributes(RECEIVE))

    def process(self, run_id: str, link: str, attributes: Attributes) -> contextlib.AbstractContextManager[TraceSpan]:
        """A trace of its own. ``link`` is what the message bears of the span under which it was sent."""
        of_item = self._attributes(PROCESS, run_id) | dict(attributes)
        return self.telemetry.span(f"{PROCESS} {self.queue}", SpanKind.CONSUMER, of_item, link=link, is_root=True)

    def settle(self, run_id: str, parent: str, messages: int) -> contextlib.AbstractContextManager[TraceSpan]:
        """``parent`` is the context of the span that processed the message; without it none is recorded."""
        if not parent:
            return no_span()
        attributes = self._attributes(SETTLE, run_id) | {BATCH_COUNT: messages}
        return self.telemetry.span(f"{SETTLE} {self.queue}", SpanKind.CLIENT, attributes, parent=parent)

    def attributes(self, operation: str) -> dict[str, Value]:
        """Those that metrics bear too."""
        return {MESSAGING_SYSTEM: self.system, DESTINATION: self.queue, OPERATION_NAME: operation}

    def _attributes(self, operation: str, run_id: str) -> dict[str, Value]:
        return {**self.attributes(operation), OPERATION_TYPE: operation, RUN_ID: run_id}


NO_MESSAGE_SPANS = MessageSpans(NO_TELEMETRY)
