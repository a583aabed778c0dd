"""What a source declares about its API: where it is, who we are to it, and how long we wait."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from urllib.parse import urlsplit

from haulier.api.answers.declared_wait import DeclaredWait
from haulier.api.http.redactor import is_telling
from haulier.api.http.transport import HEADER_NAME
from haulier.api.identity.auth import Auth, Secret
from haulier.api.identity.tls import Tls
from haulier.api.limits.budget import Rate, parse_rate
from haulier.api.limits.schedule import Schedule, parse_schedule
from haulier.errors import UsageError

_RESERVED_HEADERS = {
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "accept-encoding",
    "te",
    "upgrade",
    "expect",
    "trailer",
}


@dataclass(frozen=True, slots=True)
class Api:
    """An API as its user declares it. Raises `UsageError` for what cannot work, before any request is sent."""

    url: str
    """Base address; relative paths are put behind it, and credentials go to its origin alone."""
    _: KW_ONLY
    auth: Auth | None = None
    in_flight: int | Mapping[str, object] = 4
    """Requests of the whole fleet at once; haulier finds out for itself whether the API bears less. Low, since the API
    belongs to somebody else. By the time of day: ``{"default": 4, "19:00-06:00": 12, "zone": "Europe/London"}``."""
    limits: tuple[str, ...] = ()
    """The API's own limits of requests in a time, as ``("20/s", "5000/h", "190/10s")``, for the whole fleet. What it
    says of them in headers counts besides."""
    max_requests: int | None = None
    """The most that a run may send, over all its workers and for as long as it is open."""
    retry_after: Mapping[str, str] | None = None
    """Where the API says how long to wait, if not in ``Retry-After``: ``{"at": "error.retry_in", "unit": "ms"}`` in the
    body, ``{"header": "X-Wait"}`` in another header. The unit is ``s`` or ``ms``."""
    contact: str = ""
    """Address or URL of a person; it stands in the User-Agent, so that the API's people can write instead of block."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Sent with every request to the API's own origin. Hidden in repr: people put keys there."""
    tls: Tls | None = None
    proxy: str | Secret | None = field(default=None, repr=False)
    """``http://[user:password@]host:port``. None is taken from the environment: what is not declared is not used."""
    connect_timeout_seconds: float = 5.0
    first_byte_timeout_seconds: float = 60.0
    """From the request sent to the first byte of the answer; what an API may think about one page. One that is
    silent for much longer than 99 of 100 others is asked again earlier, twice at most; then it may think so long."""
    request_timeout_seconds: float = 300.0
    """For one request with its redirects, from the connection to the last byte."""
    min_bytes_per_second: int = 1024
    """A body that stays below it for 30 seconds is given up: read time-outs alone never end one byte a second."""
    max_body_bytes: int = 64 * 1024 * 1024
    """On the wire and decoded. Every request in flight may hold this much memory; also the end of a gzip bomb."""

    def __post_init__(self) -> None:
        _check_url(self.url)
        _check_header("contact", self.contact)
        has_secrets = self.auth is not None or any(is_telling(name) for name, _ in self.headers)
        if self.proxy is not None and has_secrets and urlsplit(self.url).scheme == "http":
            raise UsageError(
                "Through a proxy an API at http:// would show our credentials to it. Use its https:// address."
            )
        for name, value in self.headers:
            if not HEADER_NAME.fullmatch(name):
                raise UsageError(f"'{name}' is not the name of a header.")
            if name.lower() in _RESERVED_HEADERS:
                raise UsageError(f"The header {name} is haulier's own to set. Remove it from the API's headers.")
            _check_header(f"header {name}", value)
        if isinstance(self.in_flight, Mapping):
            parse_schedule(self.in_flight)
        for text in self.limits:
            parse_rate(text)
        if self.retry_after is not None:
            DeclaredWait.of(self.retry_after)
        for name in ("in_flight", "max_requests", "min_bytes_per_second", "max_body_bytes"):
            value = getattr(self, name)
            if (name == "max_requests" and value is None) or isinstance(value, Mapping):
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UsageError(f"{name} is {value!r}; it must be a whole number from 1 up.")
        for name in ("connect_timeout_seconds", "first_byte_timeout_seconds", "request_timeout_seconds"):
            seconds = getattr(self, name)
            if not isinstance(seconds, int | float) or not math.isfinite(seconds) or seconds <= 0:
                raise UsageError(f"{name} is {seconds!r}; it must be a number of seconds above 0.")

    @property
    def schedule(self) -> int | Schedule:
        """Most requests in flight, at all times or by the time of day."""
        return parse_schedule(self.in_flight) if isinstance(self.in_flight, Mapping) else self.in_flight

    @property
    def highest_in_flight(self) -> int:
        """Most requests in flight at any time of day."""
        schedule = self.schedule
        return schedule.highest if isinstance(schedule, Schedule) else schedule

    @property
    def wait_at(self) -> DeclaredWait | None:
        """Where the API tells of a wait, read."""
        return None if self.retry_after is None else DeclaredWait.of(self.retry_after)

    @property
    def rates(self) -> tuple[Rate, ...]:
        """The limits, read."""
        return tuple(parse_rate(text) for text in self.limits)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise UsageError("The API's url cannot be read. Write it like https://api.example.com/v1.") from None
    if parts.username is not None or parts.password is not None:
        # The address is not repeated here: it holds the password.
        raise UsageError("The API's url holds a user name or password. Take it out, and declare it as auth instead.")
    if parts.scheme not in {"http", "https"} or not host or not url.isprintable() or " " in url:
        raise UsageError(f"'{url}' is not an address of an API. Write it like https://api.example.com/v1.")
    if parts.query or parts.fragment:
        raise UsageError(
            f"The API's url has a query or fragment ({parts.path}?...). Declare query parameters where they are used."
        )


def _check_header(what: str, value: str) -> None:
    if not value.isascii() or (value and not value.isprintable()) or value != value.strip():
        raise UsageError(f"The {what} has a line end, an outer space or a character that no header may carry.")
