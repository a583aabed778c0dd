"""What the span of an item says: what it was, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from haulier.api.answers.cause_word import cause_word
from haulier.api.errors import ApiError
from haulier.api.http.redactor import Redactor
from haulier.errors import UnknownKindError
from haulier.items.feed_start import shown_parameters
from haulier.items.registry import Registry
from haulier.queues.envelope import Envelope
from haulier.telemetry import names
from haulier.telemetry.seam import Attributes, TraceSpan, Value
from haulier.worker.item_count import CANCELLED
from haulier.worker.outcome import Done, Empty, GiveUp, Lost, Outcome, Poison, Release, Retry, Split

TEXT_CHARACTERS = 1_000


def of_item(envelope: Envelope, registry: Registry, deliveries: int) -> Attributes:
    """What its message tells."""
    try:
        stream = registry.get(envelope.kind).stream
    except UnknownKindError:
        stream = ""
    return {
        names.ITEM_KEY: envelope.key,
        names.ITEM_KIND: envelope.kind,
        names.STREAM: stream,
        names.ATTEMPT: deliveries,
        names.FAILURES: envelope.failures,
        names.REDRIVES: envelope.redrives,
    }


def note_parameters(span: TraceSpan, envelope: Envelope, redactor: Redactor) -> None:
    """Its window, range or values: what it asked for."""
    span.set({names.ITEM_PARAMETERS: redactor.excerpt(shown_parameters(bytes(envelope.payload)), TEXT_CHARACTERS)})


def note_outcome(span: TraceSpan, outcome: Outcome, error: Exception | None, redact: Callable[[str], str]) -> str:
    """Returns the outcome in a word."""
    found: dict[str, Value] = {}
    match outcome:
        case Done(receipt):
            found = {
                names.OUTCOME: "done",
                names.RECORDS: receipt.records,
                names.BYTES: receipt.bytes,
                names.REQUESTS: receipt.requests,
            }
        case Empty(requests):
            found = {names.OUTCOME: "empty", names.RECORDS: 0, names.BYTES: 0, names.REQUESTS: requests}
        case Split(children):
            found = {names.OUTCOME: "split", names.CHILDREN: len(children)}
        case Poison(reason):
            found = {names.OUTCOME: "poison", names.POISON_REASON: reason}
        case Retry(delay_seconds):
            found = {names.OUTCOME: "retry", names.DELAY_SECONDS: delay_seconds}
        case Release(delay_seconds):
            found = {names.OUTCOME: "release", names.DELAY_SECONDS: delay_seconds}
        case GiveUp(delay_seconds):
            found = {names.OUTCOME: "give_up", names.DELAY_SECONDS: delay_seconds}
        case Lost():
            found = {names.OUTCOME: "lost"}
        case _:
            assert_never(outcome)
    if error is not None:
        span.fail(error)
        found[names.ERROR_TEXT] = redact(str(error))[:TEXT_CHARACTERS]
        if isinstance(error, ApiError) and (word := cause_word(error.status, error.fault, error.shape)):
            found[names.ERROR_CAUSE] = word
    span.set(found)
    return str(found[names.OUTCOME])


def note_cancelled(span: TraceSpan) -> None:
    """It was handed back: the worker drains, or its run was closed."""
    span.set({names.OUTCOME: CANCELLED})
