"""Waits that an API announces in another header or unit, or in the body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from haulier.api.http.retry_after import RetryAfter, parse_wait_seconds, retry_after, since_of
from haulier.api.http.transport import HEADER_NAME, Response
from haulier.api.records.paths import check_path, raw_at
from haulier.errors import UsageError

KEYS: Final = ("header", "at", "unit")
UNITS: Final = ("s", "ms")
_NUMBER_STARTS: Final = tuple(bytes([sign]) for sign in b"-0123456789")


@dataclass(frozen=True, slots=True)
class DeclaredWait:
    """Place of a wait: in ``header``, or in the JSON body ``at`` a path. Raises `UsageError`.

    Its value is a number of ``unit``, or a moment as in `Retry-After`.
    """

    header: str = ""
    at: str = ""
    unit: str = "s"

    def __post_init__(self) -> None:
        if bool(self.header) == bool(self.at):
            raise UsageError("A wait stands either in a header or in the body. Give `header` or `at`, and not both.")
        if self.header and not HEADER_NAME.fullmatch(self.header):
            raise UsageError(f"'{self.header}' is not a valid header name. Write one such as X-Retry-In.")
        if self.at:
            check_path(self.at)
        if self.unit not in UNITS:
            raise UsageError(f'The unit of a wait cannot be {self.unit!r}. Write "s" or "ms".')

    @classmethod
    def of(cls, declared: object) -> DeclaredWait:
        if not isinstance(declared, Mapping) or not all(isinstance(value, str) for value in declared.values()):
            raise UsageError('retry_after must be a table of texts. Write, for example: {"at": "error.retry_in"}.')
        unknown = sorted(set(declared) - set(KEYS))
        if unknown:
            raise UsageError(f"retry_after has no key {unknown[0]!r}. Its keys are: {', '.join(KEYS)}.")
        return cls(**declared)

    def read(self, response: Response, now: datetime) -> RetryAfter:
        text = response.headers.get(self.header) if self.header else _text_at(response.body, self.at)
        if text is None:
            return RetryAfter()
        seconds = parse_wait_seconds(text, since_of(response.headers, now), in_milliseconds=self.unit == "ms")
        return RetryAfter(seconds, "" if seconds is not None else text)


def find_wait(response: Response, now: datetime, declared: DeclaredWait | None) -> RetryAfter:
    """The usual headers count where the declared place has none."""
    if declared is None:
        return retry_after(response.headers, now)
    declared_wait = declared.read(response, now)
    if declared_wait.seconds is not None:
        return declared_wait
    usual = retry_after(response.headers, now)
    # The declared header may be Retry-After itself, in milliseconds: what stood there is not read twice.
    if declared.header.lower() == "retry-after":
        return declared_wait
    return RetryAfter(usual.seconds, declared_wait.unreadable or usual.unreadable)


def _text_at(body: bytes, path: str) -> str | None:
    try:
        found = raw_at(body, path)
    except (msgspec.DecodeError, RecursionError):
        return None
    text = b"" if found is None else bytes(found)
    if text.startswith(b'"'):
        return msgspec.json.decode(text, type=str)
    return text.decode() if text[:1] in _NUMBER_STARTS else None
