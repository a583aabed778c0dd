"""Settings of an API."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from haulier.api.answers.declared_wait import DeclaredWait
from haulier.api.http.redactor import is_telling
from haulier.api.http.transport import HEADER_NAME
from haulier.api.http.urls import LOOPBACK_HOSTS
from haulier.api.identity.auth import Auth, Secret
from haulier.api.identity.tls import Tls
from haulier.api.limits.budget import Rate, parse_rate
from haulier.api.limits.query_cost import QueryCost
from haulier.api.limits.schedule import MAX_IN_FLIGHT, Schedule, parse_schedule
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
    """An API as a source declares it. Raises `UsageError` for values that cannot work, before any request."""

    url: str
    """Base address. Paths are appended to it; credentials are sent to its origin alone."""
    _: KW_ONLY
    auth: Auth | None = None
    plain_http: bool = False
    """Credentials may go to another machine over ``http://``, where whoever is on the way reads them."""
    in_flight: int | Mapping[str, object] = 4
    """Most requests of all workers at once, 10,000 at most; haulier lowers it where the API bears less. By time of day:
    ``{"default": 4, "19:00-06:00": 12, "zone": "Europe/London"}``."""
    limits: tuple[str, ...] = ()
    """The API's own rate limits for all workers together: ``("20/s", "5000/h", "190/10s")``. Limits in its headers are
    kept too."""
    max_requests: int | None = None
    """Most requests that a run may send, over all its workers and for as long as it is open."""
    retry_after: Mapping[str, str] | None = None
    """Place of the wait that the API asks for, if not ``Retry-After``: ``{"at": "error.retry_in", "unit": "ms"}`` in
    the body, ``{"header": "X-Wait"}`` in another header. Units: ``s``, ``ms``."""
    cost: Mapping[str, str] | None = None
    """Paths in each answer's body of what queries cost, where they are limited by that: ``{"available": "cost.left",
    "needed": "cost.of_this", "restored": "cost.a_second"}``; or ``reset_at``, a time, in place of ``restored``."""
    contact: str = ""
    """E-mail address or URL for the User-Agent, so that the API's operators can write before they block."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Sent with every request, to the API's origin alone. Hidden in repr, since they may hold keys."""
    cookies: Literal["", "item"] = ""
    """ "item": cookies that an answer sets go back with later requests of the same item, for APIs that pin a session by
    them. Without it they are dropped."""
    tls: Tls | None = None
    proxy: str | Secret | None = field(default=None, repr=False)
    """``http://[user:password@]host:port``. Environment variables for proxies are ignored."""
    connect_timeout_seconds: float = 5.0
    first_byte_timeout_seconds: float = 60.0
    """From the request to the first byte of its answer. A request that is silent for much longer than 99 of 100 others
    is sent again earlier, twice at most."""
    request_timeout_seconds: float = 300.0
    """With redirects, from connecting to the last byte."""
    min_bytes_per_second: int = 1024
    """A body slower than this for 30 s is given up. (One byte a second passes any read time-out.)"""
    max_body_bytes: int = 64 * 1024 * 1024
    """On the wire and decoded, against gzip bombs. Each request in flight may use this much memory."""

    def __post_init__(self) -> None:
        _check_url(self.url)
        _check_header("contact", self.contact)
        has_secrets = self.auth is not None or any(is_telling(name) for name, _ in self.headers)
        if self.proxy is not None and has_secrets and urlsplit(self.url).scheme == "http":
            raise UsageError(
                "A proxy would read the credentials on their way to an API at http://. Use the API's https:// address."
            )
        parts = urlsplit(self.url)
        if has_secrets and parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS and not self.plain_http:
            raise UsageError(
                f"Credentials for {parts.hostname} would go over http://, where whoever is on the way reads them. "
                "Write its https:// address; or plain_http = true, if nobody is, as in a private network."
            )
        for name, value in self.headers:
            if not HEADER_NAME.fullmatch(name):
                raise UsageError(f"'{name}' is not a valid header name. Write one such as X-Tenant.")
            if name.lower() in _RESERVED_HEADERS:
                raise UsageError(f"The header {name} is set by haulier itself. Remove it from the API's headers.")
            _check_header(f"header {name}", value)
        if isinstance(self.in_flight, Mapping):
            parse_schedule(self.in_flight)
        for text in self.limits:
            parse_rate(text)
        if self.cookies not in ("", "item"):
            raise UsageError(f"cookies is {self.cookies!r}; write 'item', or leave it out.")
        if self.retry_after is not None:
            DeclaredWait.of(self.retry_after)
        if self.cost is not None:
            QueryCost.of(self.cost)
        for name in ("in_flight", "max_requests", "min_bytes_per_second", "max_body_bytes"):
            value = getattr(self, name)
            if (name == "max_requests" and value is None) or isinstance(value, Mapping):
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UsageError(f"{name} must be a whole number of at least 1, not {value!r}.")
        if isinstance(self.in_flight, int) and self.in_flight > MAX_IN_FLIGHT:
            raise UsageError(f"in_flight must be a whole number of at most {MAX_IN_FLIGHT:,}, not {self.in_flight!r}.")
        for name in ("connect_timeout_seconds", "first_byte_timeout_seconds", "request_timeout_seconds"):
            seconds = getattr(self, name)
            if not isinstance(seconds, int | float) or not math.isfinite(seconds) or seconds <= 0:
                raise UsageError(f"{name} must be a number of seconds above 0, not {seconds!r}.")

    @property
    def schedule(self) -> int | Schedule:
        """`in_flight`, parsed."""
        return parse_schedule(self.in_flight) if isinstance(self.in_flight, Mapping) else self.in_flight

    @property
    def highest_in_flight(self) -> int:
        """Most requests in flight at any time of day."""
        schedule = self.schedule
        return schedule.highest if isinstance(schedule, Schedule) else schedule

    @property
    def wait_at(self) -> DeclaredWait | None:
        """`retry_after`, parsed."""
        return None if self.retry_after is None else DeclaredWait.of(self.retry_after)

    @property
    def cost_at(self) -> QueryCost | None:
        """`cost`, parsed."""
        return None if self.cost is None else QueryCost.of(self.cost)

    @property
    def rates(self) -> tuple[Rate, ...]:
        """`limits`, parsed."""
        return tuple(parse_rate(text) for text in self.limits)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise UsageError("The API's url cannot be read. Write it like https://api.example.com/v1.") from None
    if parts.username is not None or parts.password is not None:
        # The address is not repeated here: it holds the password.
        raise UsageError("The API's url holds a user name or password. Remove it and declare it as auth instead.")
    if parts.scheme not in {"http", "https"} or not host or not url.isprintable() or " " in url:
        raise UsageError(f"'{url}' is not an address of an API. Write it like https://api.example.com/v1.")
    if parts.query or parts.fragment:
        raise UsageError(
            f"The API's url has a query or fragment ({parts.path}?...). Put query parameters into the streams."
        )


def _check_header(what: str, value: str) -> None:
    if not value.isascii() or (value and not value.isprintable()) or value != value.strip():
        raise UsageError(
            f"The {what} has a line end, a space at an end, or a character that is not allowed in headers. Remove it."
        )
