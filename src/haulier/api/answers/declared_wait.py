"""A wait that an API tells in a place of its own: another header, another unit, or the body of its refusal."""

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
_NUMBERS: Final = tuple(bytes([sign]) for sign in b"-0123456789")
"""What a number begins with."""


@dataclass(frozen=True, slots=True)
class DeclaredWait:
    """Where the wait stands: in ``header``, or in the JSON body ``at`` a path. Raises `UsageError` for what is neither.

    It is a number of ``unit``, or a moment in any of the forms that `Retry-After` may have.
    """

    header: str = ""
    at: str = ""
    unit: str = "s"

    def __post_init__(self) -> None:
        if bool(self.header) == bool(self.at):
            raise UsageError("A wait is told in a header or in the body: name one of header and at.")
        if self.header and not HEADER_NAME.fullmatch(self.header):
            raise UsageError(f"'{self.header}' is not the name of a header.")
        if self.at:
            check_path(self.at)
        if self.unit not in UNITS:
            raise UsageError(f'The unit of a wait is {self.unit!r}. Write "s" or "ms".')

    @classmethod
    def of(cls, declared: object) -> DeclaredWait:
        """From the keys as a source has them."""
        if not isinstance(declared, Mapping) or not all(isinstance(value, str) for value in declared.values()):
            raise UsageError('retry_after is a table of texts. Write, for example: {"at": "error.retry_in"}.')
        unknown = sorted(set(declared) - set(KEYS))
        if unknown:
            raise UsageError(f"retry_after has no key {unknown[0]!r}. Its keys are: {', '.join(KEYS)}.")
        return cls(**declared)

    def read(self, response: Response, now: datetime) -> RetryAfter:
        """What the answer tells there; nothing where nothing stands there."""
        text = response.headers.get(self.header) if self.header else _text_at(response.body, self.at)
        if text is None:
            return RetryAfter()
        seconds = parse_wait_seconds(text, since_of(response.headers, now), in_milliseconds=self.unit == "ms")
        return RetryAfter(seconds, "" if seconds is not None else text)


def find_wait(response: Response, now: datetime, declared: DeclaredWait | None) -> RetryAfter:
    """How long the answer asks to wait: in the declared place if it can be read there, else in the headers that
    everybody knows."""
    if declared is None:
        return retry_after(response.headers, now)
    told = declared.read(response, now)
    if told.seconds is not None:
        return told
    usual = retry_after(response.headers, now)
    # The declared header may be Retry-After itself, in milliseconds: what stood there is not read twice.
    if declared.header.lower() == "retry-after":
        return told
    return RetryAfter(usual.seconds, told.unreadable or usual.unreadable)


def _text_at(body: bytes, path: str) -> str | None:
    """The number or text that stands there."""
    try:
        found = raw_at(body, path)
    except (msgspec.DecodeError, RecursionError):
        return None
    text = b"" if found is None else bytes(found)
    if text.startswith(b'"'):
        return msgspec.json.decode(text, type=str)
    return text.decode() if text[:1] in _NUMBERS else None
