"""What the sandbox API holds and how badly it behaves: one frozen value, checked when it is made."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec

# Below this the fixed fields of a record would not fit, and a size would no longer be exact.
MIN_RECORD_BYTES = 200
# One body is held in memory, and copied once when it is sent.
MAX_BODY_BYTES = 16 * 1024 * 1024
# Python's datetime ends with the year 9999, and records start in 2024.
MAX_SPAN_SECONDS = 6_976 * 365 * 86_400


@dataclass(frozen=True)
class SandboxSettings:
    """The sandbox's records and faults. Rates are shares of requests, 0.0 to 1.0; 0 or empty switches a fault off.

    Raises ``ValueError`` for a value that could not work. `change_settings` makes a changed copy from parsed JSON.
    """

    # What is served. Equal seed, records, record_bytes and gaps: equal bytes, on every machine.
    seed: int = 1
    records: int = 10_000
    record_bytes: int = MIN_RECORD_BYTES
    gap_after: int = 0  # after each so many records, ...
    gap_ids: int = 0  # ... so many ids are missing
    is_awkward: bool = False  # legal JSON that re-encoding breaks: line ends, an integer over 64 bits, a key twice
    event_step_seconds: int = 60  # changed_at moves on by so much ...
    events_per_step: int = 1  # ... after so many records

    # How it is served.
    page_size: int = 100  # most records in a page; a greater limit is lowered without a word, as real APIs do
    gzip: bool = False  # for clients that accept it
    token: str | None = None  # the bearer token that every request must carry
    latency_seconds: float = 0.0
    jitter_seconds: float = 0.0  # up to so much more, evenly
    first_page_seconds: float = 0.0  # more for a page without cursor or offset, as for a query not cached yet
    straggler_rate: float = 0.0  # answers that take five times as long
    knee: int = 0  # above so many in flight, latency grows in proportion

    # Faults by chance, drawn from the seed in the order of arrival; at most one a request.
    error_rate_500: float = 0.0
    error_rate_429: float = 0.0
    error_rate_200: float = 0.0  # status 200 with {"error": ...}
    cut_rate: float = 0.0  # half the body, then the connection closes
    hang_rate: float = 0.0  # no answer until the client leaves, or hang_seconds
    hang_seconds: float = 3600.0

    # Faults by load and by time.
    retry_after_seconds: int = 1  # goes with every 429 and refusal; 0: no such header
    early_grace_seconds: float = 0.05  # requests already under way when a pause was told are not early
    refuse_above: int = 0  # requests in flight above this are refused at once
    refuse_status: int = 429  # or 503
    outages: tuple[tuple[float, float], ...] = ()  # (from, to) in seconds since the start
    is_down: bool = False  # an outage until this is changed
    outage_status: int = 503  # 0: the connection is closed without an answer

    # Faults that stand in the data.
    unreadable_ids: tuple[int, ...] = ()  # a page with such a record is not valid JSON
    failing_ids: tuple[int, ...] = ()  # a page with such a record is always a 500
    total_extra: int = 0  # added to every total: a promise that is not kept
    is_cursor_stuck: bool = False  # every page but the last is followed by the first page again

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if isinstance(value := getattr(self, field.name), int | float):
                if value < 0 and field.name not in ("seed", "total_extra"):
                    raise ValueError(f"{field.name} is {value}; it cannot be negative.")
                if "rate" in field.name.split("_") and value > 1:
                    raise ValueError(f"{field.name} is {value}; a rate is a share between 0.0 and 1.0.")
        if not MIN_RECORD_BYTES <= self.record_bytes <= MAX_BODY_BYTES:
            raise ValueError(f"record_bytes is {self.record_bytes}; write {MIN_RECORD_BYTES} to {MAX_BODY_BYTES}.")
        for name in ("page_size", "event_step_seconds", "events_per_step"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1.")
        if self.records // self.events_per_step * self.event_step_seconds > MAX_SPAN_SECONDS:
            raise ValueError("The last record would change after the year 9000: lower event_step_seconds.")
        if self.gap_ids and not self.gap_after:
            raise ValueError("gap_ids needs gap_after: the records between two gaps.")
        if self.refuse_status not in (429, 503):
            raise ValueError(f"refuse_status is {self.refuse_status}; write 429 or 503.")
        if self.outage_status and (self.outage_status < 400 or self.outage_status not in list(HTTPStatus)):
            raise ValueError(f"outage_status is {self.outage_status}; write 0, or an HTTP status from 400 on.")


def change_settings(settings: SandboxSettings, changes: dict[str, Any], *, is_text: bool = False) -> SandboxSettings:
    """A copy with ``changes`` as JSON or, if ``is_text``, a command line has them. ``ValueError`` for a bad one."""
    known = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    if unknown := sorted(set(changes) - set(known)):
        raise ValueError(f"No such setting: {', '.join(unknown)}. There are: {', '.join(known)}.")
    try:
        return msgspec.convert(known | changes, SandboxSettings, strict=not is_text)
    except msgspec.ValidationError as exc:
        raise ValueError(str(exc)) from exc
