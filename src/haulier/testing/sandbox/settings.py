"""The settings of the sandbox as one frozen value, checked when it is made."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any

import msgspec

from haulier.testing.sandbox.setting_groups import (
    MIN_RECORD_BYTES,
    AccessSettings,
    DataSettings,
    FaultSettings,
    LimitSettings,
    PagingSettings,
    SpeedSettings,
)

MAX_BODY_BYTES = 16 * 1024 * 1024
"""Largest body, since it is held in memory and copied once when it is sent."""
MAX_SPAN_SECONDS = 6_976 * 365 * 86_400
"""Longest time from the first record to the last. Python's datetime ends with the year 9999."""
_LAST_START_YEAR = 3000
MAX_COMMENTS = 10_000

GROUPS: tuple[type, ...] = (
    DataSettings, PagingSettings, SpeedSettings, FaultSettings, LimitSettings, AccessSettings
)  # fmt: skip
"""The groups, in the order of the help and of docs/sandbox.md."""

_MAY_BE_NEGATIVE = ("seed", "total_extra", "clock_ahead_seconds")
_AT_LEAST_ONE = ("page_size", "event_step_seconds", "events_per_step", "drift_every_requests", "bucket", "burst_429")
_STATUSES = {"refuse_status": (429, 503), "token_expired_status": (400, 410)}


@dataclass(frozen=True)
class SandboxSettings(AccessSettings, LimitSettings, FaultSettings, SpeedSettings, PagingSettings, DataSettings):
    """The records and faults of a sandbox. Rates are shares of requests, 0.0 to 1.0; 0 or empty turns a fault off.

    Raises ``ValueError`` for a value that cannot work.
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if isinstance(value := getattr(self, field.name), int | float):
                _check_number(field.name, value)
        if not MIN_RECORD_BYTES <= self.record_bytes <= MAX_BODY_BYTES:
            raise ValueError(f"record_bytes is {self.record_bytes}; write {MIN_RECORD_BYTES} to {MAX_BODY_BYTES}.")
        if self.comments_per_post > MAX_COMMENTS:
            raise ValueError(f"comments_per_post is {self.comments_per_post}; write at most {MAX_COMMENTS}.")
        if not _is_time(self.events_start):
            raise ValueError(f"events_start is {self.events_start!r}; write a time such as 2024-01-01T00:00:00Z.")
        if self.records // self.events_per_step * self.event_step_seconds > MAX_SPAN_SECONDS:
            raise ValueError("The last record would change after the year 9000. Lower event_step_seconds or records.")
        is_user_missing = self.auth in ("basic", "digest", "login") and self.token is not None and ":" not in self.token
        for name, need, is_missing in (
            ("gap_ids", "gap_after: set the number of records between two gaps.", self.gap_ids and not self.gap_after),
            (
                "hidden_rows",
                "hidden_after: set the number of records between them.",
                self.hidden_rows and not self.hidden_after,
            ),
            (
                "is_cap_silent",
                "cap_rows: set the number of rows that a query gives.",
                self.is_cap_silent and not self.cap_rows,
            ),
            ("quota", "quota_seconds above 0.", self.quota and not self.quota_seconds),
            (f"auth {self.auth}", "a token of the form USER:PASSWORD.", is_user_missing),
        ):
            if is_missing:
                raise ValueError(f"{name} needs {need}")
        if self.failing_status < 400 or self.failing_status not in list(HTTPStatus):
            raise ValueError(f"failing_status is {self.failing_status}; write an HTTP status from 400 on.")
        if self.outage_status and (self.outage_status < 400 or self.outage_status not in list(HTTPStatus)):
            raise ValueError(f"outage_status is {self.outage_status}; write 0, or an HTTP status from 400 on.")
        for start, end in self.outages:
            if not 0 <= start < end:
                raise ValueError(f"outages has {start:g} to {end:g}; write a start of at least 0, and a later end.")

    @cached_property
    def chance(self) -> float:
        rates = (self.error_rate_429 / self.burst_429, self.error_rate_500, self.error_rate_200)
        return sum((*rates, self.hang_rate, self.cut_rate, self.corrupt_rate))


def _check_number(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}; write a finite number.")
    if value < 0 and name not in _MAY_BE_NEGATIVE:
        raise ValueError(f"{name} is {value}; write 0 or more.")
    if "rate" in name.split("_") and not name.endswith("per_second") and value > 1:
        raise ValueError(f"{name} is {value}; write a share from 0.0 to 1.0.")
    if value < 1 and name in _AT_LEAST_ONE:
        raise ValueError(f"{name} is {value}; write at least 1.")
    if name in _STATUSES and value not in _STATUSES[name]:
        raise ValueError(f"{name} is {value}; write {_STATUSES[name][0]} or {_STATUSES[name][1]}.")


def _is_time(text: str) -> bool:
    try:
        # Python's calendar ends with the year 9999, and the records need room behind the first.
        found = datetime.fromisoformat(text)
    except ValueError:
        return False
    return found.tzinfo is not None and 1970 <= found.year < _LAST_START_YEAR


def change_settings(settings: SandboxSettings, changes: dict[str, Any], *, is_text: bool = False) -> SandboxSettings:
    """Return a copy with ``changes``: values of JSON or, if ``is_text``, text of a command line. ``ValueError`` for a
    bad one."""
    known = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    if unknown := sorted(set(changes) - set(known)):
        raise ValueError(f"Unknown setting: {', '.join(unknown)}. Available: {', '.join(known)}.")
    try:
        return msgspec.convert(known | changes, SandboxSettings, strict=not is_text)
    except msgspec.ValidationError as exc:
        problem, _, path = str(exc).partition(" - at `$.")
        name = path.partition("[")[0].rstrip("`")
        raise ValueError(f"{name} is {changes[name]!r}. {problem}." if name in changes else str(exc)) from exc
