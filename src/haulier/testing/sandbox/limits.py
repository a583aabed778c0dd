"""The rate limits of the sandbox: a quota in fixed windows, a token bucket, and the headers that report them."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from email.utils import format_datetime

import msgspec

from haulier.testing.sandbox.setting_groups import WaitForm
from haulier.testing.sandbox.settings import SandboxSettings
from haulier.testing.sandbox.wire import Answer

_FIELDS = (
    "quota", "quota_seconds", "quota_headers", "rate_per_second", "bucket", "retry_after_seconds"
)  # fmt: skip

_ROUNDING_TOKENS = 1e-9
"""Tokens that may be missing, so that a client at the exact moment is not refused for the last bit of a float."""


class Limits:
    """The quota and the token bucket of one sandbox. The first window begins at ``start``."""

    def __init__(self, settings: SandboxSettings, start: float) -> None:
        self._settings = settings
        self._start = start
        self._window = 0
        self._taken = 0
        self._level = float(settings.bucket)
        self._level_at = start

    def is_for(self, settings: SandboxSettings) -> bool:
        """Whether these settings have the same limits. If not, a fresh quota and a full bucket are needed."""
        return all(getattr(settings, name) == getattr(self._settings, name) for name in _FIELDS)

    def take(self, now: float) -> int | None:
        """Count a request and return None, or refuse it: return the whole seconds to wait. Refusals cost no quota."""
        settings = self._settings
        self._move_to(now)
        if settings.quota and self._taken >= settings.quota:
            is_told = settings.retry_after_seconds or settings.quota_headers != "none"
            return math.ceil(self.resets_in_seconds(now)) if is_told else 0
        if settings.rate_per_second:
            if self._level < 1 - _ROUNDING_TOKENS:
                return settings.retry_after_seconds
            self._level -= 1
        self._taken += 1
        return None

    def remaining(self, now: float) -> int | None:
        self._move_to(now)
        return max(0, self._settings.quota - self._taken) if self._settings.quota else None

    def resets_in_seconds(self, now: float) -> float:
        return self._start + (self._window + 1) * self._settings.quota_seconds - now

    def headers(self, now: float, moment: datetime) -> bytes:
        quota, remaining = self._settings.quota, self.remaining(now) or 0
        seconds = math.ceil(self.resets_in_seconds(now))
        if self._settings.quota_headers == "ratelimit":
            policy = b'RateLimit-Policy: "default";q=%d;w=%d\r\n' % (quota, math.ceil(self._settings.quota_seconds))
            return policy + b'RateLimit: "default";r=%d;t=%d\r\n' % (remaining, seconds)
        if self._settings.quota_headers == "x-ratelimit":
            reset = math.ceil(moment.timestamp() + self.resets_in_seconds(now))
            names = b"X-RateLimit-Limit: %d\r\nX-RateLimit-Remaining: %d\r\nX-RateLimit-Reset: %d\r\n"
            return names % (quota, remaining, reset)
        return b""

    def _move_to(self, now: float) -> None:
        settings = self._settings
        window = int((now - self._start) // settings.quota_seconds) if settings.quota else 0
        if window != self._window:
            self._window, self._taken = window, 0
        if settings.rate_per_second:
            flowed = (now - self._level_at) * settings.rate_per_second
            self._level, self._level_at = min(float(settings.bucket), self._level + flowed), now


def make_refusal(status: int, wait_seconds: int, form: WaitForm, moment: datetime) -> Answer:
    """Make a refusal that names the wait in this form; 0 seconds: without a wait."""
    said: dict[str, object] = {"error": "Too many requests."}
    if not wait_seconds:
        return Answer(status, msgspec.json.encode(said))
    if form == "body":
        return Answer(status, msgspec.json.encode(said | {"retry_in": wait_seconds}))
    until = moment + timedelta(seconds=wait_seconds)
    told = {
        "seconds": str(wait_seconds),
        "date": format_datetime(until + timedelta(seconds=1), usegmt=True),
        "epoch": str(math.ceil(until.timestamp())),
        "epoch_ms": str(math.ceil(until.timestamp() * 1000)),
        "ms": str(wait_seconds * 1000),
    }
    return Answer(status, msgspec.json.encode(said), headers=((b"Retry-After", told[form].encode()),))
