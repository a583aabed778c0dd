"""What is counted of each delivery of an item. No key, window or run is told apart: their number has no limit."""

from __future__ import annotations

from haulier.api.answers.cause_word import cause_word
from haulier.api.errors import ApiError
from haulier.telemetry import names
from haulier.telemetry.messages import MessageSpans
from haulier.telemetry.seam import Attributes, Value
from haulier.worker.outcome import Done, Poison, Settled

CANCELLED = "cancelled"


def count_item(
    messages: MessageSpans,
    of_item: Attributes,
    word: str,
    seconds: float,
    settled: Settled | None = None,
    error: Exception | None = None,
) -> None:
    """``of_item`` is what its span says; ``word`` is that of its outcome. Without ``settled`` it was cancelled."""
    telemetry = messages.telemetry
    if not telemetry.is_on:
        return
    kind: dict[str, Value] = {names.STREAM: of_item[names.STREAM], names.ITEM_KIND: of_item[names.ITEM_KIND]}
    failed: dict[str, Value] = {} if error is None else {names.ERROR_TYPE: type(error).__name__}
    process = messages.attributes(names.PROCESS)
    telemetry.record(names.PROCESS_DURATION, seconds, {**process, **kind, names.OUTCOME: word, **failed})
    is_adopted = settled is not None and settled.is_adopted
    telemetry.add(names.ITEMS, 1, {**kind, names.OUTCOME: word, names.IS_ADOPTED: is_adopted})
    if settled is None or is_adopted:
        return
    outcome = settled.outcome
    if isinstance(outcome, Done):
        telemetry.add(names.WRITTEN_RECORDS, outcome.receipt.records, kind)
        telemetry.add(names.WRITTEN_BYTES, outcome.receipt.bytes, kind)
    elif isinstance(outcome, Poison):
        if isinstance(error, ApiError) and (cause := cause_word(error.status, error.fault, error.shape)):
            failed[names.ERROR_CAUSE] = cause
        telemetry.add(names.POISON, 1, {**kind, names.POISON_REASON: outcome.reason, **failed})
