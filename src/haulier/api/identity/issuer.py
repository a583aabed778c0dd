"""Who issues access tokens: the answer of a token endpoint or a login, and the words of its refusals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from haulier.api.errors import Fault
from haulier.api.http.login_page import is_login_page
from haulier.api.http.redactor import Redactor
from haulier.api.http.retry_after import DAY_SECONDS, parse_moment, retry_after_seconds, since_of
from haulier.api.http.transport import HEADER_NAME, Response, TransportError
from haulier.api.identity.auth import header_value
from haulier.api.records.paths import check_path, find
from haulier.clock import Clock
from haulier.errors import UsageError

EXPIRY_FORMATS: Final = ("s", "ms", "iso", "epoch_seconds", "epoch_milliseconds")
"""Seconds or milliseconds from now; the moment as RFC 3339 writes it, or since 1970."""

UNREADABLE_SECONDS: Final = 15.0
"""Wait behind an answer that cannot be read."""

_SHOWN_CHARACTERS = 200
_BUSY: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Issued:
    """``life_seconds`` is infinite where the issuer names no end."""

    value: str = field(repr=False)
    life_seconds: float


class Issuer(Protocol):
    async def issue(self) -> Issued:
        """Raises `TransportError`; `IssuerBusyError` where the issuer asks to be left alone for a while."""
        ...


class RefusedError(TransportError):
    """The issuer refuses what it was sent, and would do so again; many lock an account after a few wrong logins."""

    def __init__(self, text: str) -> None:
        super().__init__(Fault.AUTH, text)


class IssuerBusyError(TransportError):
    """It is not asked again for a while."""

    def __init__(self, text: str, wait_seconds: float) -> None:
        self.wait_seconds = wait_seconds
        super().__init__(Fault.ISSUER, text)


@dataclass(frozen=True, slots=True)
class CarriedToken:
    """What all kinds of issued tokens declare alike."""

    _: KW_ONLY
    expires: Mapping[str, str] | None = None
    """Place of the token's end in the answer, if it is not ``expires_in`` in seconds: ``{"at": "data.ttl", "format":
    "ms"}``. Formats: ``s``, ``ms``, ``iso``, ``epoch_seconds``, ``epoch_milliseconds``."""
    header: str = "Authorization"
    """The header with the token."""
    prefix: str = "Bearer"
    """The word before the token."""

    def check_carrying(self) -> None:
        """Raises `UsageError`."""
        if not HEADER_NAME.fullmatch(self.header):
            raise UsageError(f"'{self.header}' is not a valid header name. Write one such as X-Auth-Token.")
        if self.expires is None:
            return
        unknown = self.expires.keys() - {"at", "format"}
        if unknown or "at" not in self.expires or self.expires.get("format", "s") not in EXPIRY_FORMATS:
            raise UsageError(
                'expires names where the token\'s end stands, such as {"at": "data.ttl", "format": "ms"}. '
                f"Formats are {', '.join(EXPIRY_FORMATS)}."
            )
        check_path(self.expires["at"])


class TokenAnswer:
    """Reads the answers of an issuer."""

    def __init__(
        self,
        token_of: Callable[[Response], str],
        expires: Mapping[str, str] | None,
        clock: Clock,
        redactor: Redactor,
        good: frozenset[int] = frozenset({200, 201}),
    ) -> None:
        self._token_of = token_of
        self._expires = expires
        self._clock = clock
        self._redactor = redactor
        self._good = good

    def read(self, answer: Response) -> Issued:
        if answer.status not in self._good:
            raise refusal(answer, self._clock, self._redactor)
        try:
            value = header_value(self._token_of(answer), "access token")
        except msgspec.DecodeError as exc:
            if is_login_page(answer.body):
                raise RefusedError(
                    f"it answered {answer.status} with a login page in place of an access token"
                ) from exc
            # A page, mostly; what was sent may be refused by it. An account is locked after a few wrong logins.
            text = f"it answered {answer.status} without an access token, and not in JSON"
            raise IssuerBusyError(text, UNREADABLE_SECONDS) from exc
        except (LookupError, UsageError) as exc:
            said = f": {exc}" if isinstance(exc, LookupError) else ""
            words = " ".join(filter(None, refused_words(answer)))[:_SHOWN_CHARACTERS]
            text = f"it answered {answer.status} without an access token{said}{f' ({words})' if words else ''}"
            raise RefusedError(self._redactor.redact(text)) from exc
        self._redactor.add_renewed(value)
        return Issued(value, self._life_seconds(answer))

    def _life_seconds(self, answer: Response) -> float:
        if self._expires is None:
            return _usual_life_seconds(answer)
        at, form = self._expires["at"], self._expires.get("format", "s")
        now = self._clock.now()
        try:
            life = _life_seconds(find(msgspec.json.decode(answer.body), at), form, since_of(answer.headers, now), now)
        except (msgspec.DecodeError, LookupError) as exc:
            raise RefusedError(f"it does not say at '{at}' (`expires`) when the access token ends") from exc
        except ValueError as exc:
            raise RefusedError(
                f"what it says at '{at}' (`expires`) is no end of an access token in the format '{form}'"
            ) from exc
        return life


def text_at(path: str) -> Callable[[Response], str]:
    """Reads text of a JSON answer. Raises `LookupError`."""

    def read(answer: Response) -> str:
        found = find(msgspec.json.decode(answer.body), path)
        if not isinstance(found, str):
            raise LookupError(f"at {path!r} stands no text")
        return found

    return read


def refusal(answer: Response, clock: Clock, redactor: Redactor) -> TransportError:
    """What an answer without a token means."""
    if answer.status in _BUSY or answer.status >= 500:
        wait = retry_after_seconds(answer.headers, clock.now())
        if wait is not None and wait > DAY_SECONDS:
            return RefusedError(f"it answered {answer.status} and asks to wait for more than a day")
        return IssuerBusyError(f"it answered {answer.status}", wait or 0.0)
    words = redactor.redact(" ".join(filter(None, refused_words(answer))))
    return RefusedError(f"it refused with {answer.status} {words[:_SHOWN_CHARACTERS]}".rstrip())


class _Refused(msgspec.Struct):
    error: str = ""
    error_description: str = ""
    message: Any = None


def refused_words(answer: Response) -> tuple[str, str]:
    """``error`` and ``error_description`` of RFC 6749 5.2, or the ``message`` of many a login; empty where
    the answer says none."""
    try:
        said = msgspec.json.decode(answer.body, type=_Refused)
    except msgspec.DecodeError:
        return "", ""
    return said.error, said.error_description or (said.message if isinstance(said.message, str) else "")


class _Ending(msgspec.Struct):
    expires_in: float | str | None = None


def _usual_life_seconds(answer: Response) -> float:
    """RFC 6749 5.1. What cannot be read is not the end."""
    try:
        said = msgspec.json.decode(answer.body, type=_Ending).expires_in
        life = math.inf if said is None else float(said)
    except (msgspec.DecodeError, ValueError):
        return math.inf
    return life if life > 0 else math.inf


def _life_seconds(said: Any, form: str, since: datetime, now: datetime) -> float:
    """Raises `ValueError`. A moment counts from ``since``, the issuer's own time."""
    if form == "iso":
        moment = parse_moment(said, now) if isinstance(said, str) else None
        if moment is None:
            raise ValueError(form)
        return _above_zero((moment - since).total_seconds())
    if isinstance(said, bool) or not isinstance(said, int | float | str):
        raise ValueError(form)
    number = float(said)
    if form in {"ms", "epoch_milliseconds"}:
        number /= 1000
    return _above_zero(number - since.timestamp() if form.startswith("epoch") else number)


def _above_zero(seconds: float) -> float:
    if not 0 < seconds < math.inf:
        raise ValueError(seconds)
    return seconds
