"""`[api]`: where the API is, who we are to it, and how long we wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haulier.api.answers.declared_wait import UNITS
from haulier.api.answers.judgement import Rule
from haulier.api.limits.budget import parse_rate
from haulier.api.limits.schedule import parse_schedule
from haulier.api.settings import Api
from haulier.config.auth_table import AUTH_KINDS, TLS_FILES
from haulier.config.fields import Field, TableReader, TableShape
from haulier.config.kinds import (
    Choice,
    ListOf,
    NumberOr,
    Seconds,
    SecretText,
    TableBy,
    TableOf,
    Text,
    WholeNumber,
    errors_at,
)
from haulier.config.place import Place
from haulier.config.request_kinds import HeaderPairs, JsonPath
from haulier.config.rules_table import RULES


class TimesOfDay:
    """A cap for each time of day, with the zone whose clocks tell it."""

    def read(self, value: Any, place: Place, example: str) -> Mapping[str, object]:
        with errors_at(place):
            parse_schedule(value)
        return dict(value)

    def schema(self) -> dict[str, Any]:
        count = {"type": "integer", "minimum": 1}
        return {
            "type": "object",
            "properties": {"default": count, "zone": {"type": "string"}},
            "required": ["default", "zone"],
            "patternProperties": {r"^\d\d:\d\d-\d\d:\d\d$": count},
            "additionalProperties": False,
        }


class RateText:
    """Requests in a time."""

    def read(self, value: Any, place: Place, example: str) -> str:
        text = Text().read(value, place, example)
        with errors_at(place):
            parse_rate(text)
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^[0-9]+/[0-9]*(s|m|h|d)$"}


URL = Field(
    "url",
    Text(),
    "Where the API is; the paths of the streams are put behind it.",
    'url = "https://api.example.com"',
    True,
)
AUTH = Field("auth", AUTH_KINDS, "Who we are to the API.", 'auth = { bearer = "${API_TOKEN}" }')
IN_FLIGHT = Field(
    "in_flight",
    NumberOr(WholeNumber(), TimesOfDay()),
    "Most requests at once, of all workers together; fewer where the API bears less. Or by the time of day: "
    '`{ default = 4, "19:00-06:00" = 12, zone = "Europe/London" }`.',
    "in_flight = 4",
)
LIMITS = Field(
    "limits",
    ListOf(RateText()),
    "The API's limits of requests in a time, for all workers together; what its headers say counts besides.",
    'limits = ["20/s", "5000/h"]',
)
MAX_REQUESTS = Field(
    "max_requests",
    WholeNumber(),
    "The most that a run may send; checked against the plan, and kept.",
    "max_requests = 50000",
)
WAIT_HEADER = Field("header", Text(), "The header that tells it.", 'header = "X-Wait"')
WAIT_AT = Field("at", JsonPath(), "The path at which it stands in the body.", 'at = "error.retry_in"')
WAIT_UNIT = Field("unit", Choice(UNITS), "What a number counts: seconds, or milliseconds.", 'unit = "ms"')
WAIT = TableShape(
    "Where the API says how long to wait.", WAIT_HEADER, WAIT_AT, WAIT_UNIT, one_of=(WAIT_HEADER.name, WAIT_AT.name)
)


RETRY_AFTER: Field[dict[str, str]] = Field(
    "retry_after",
    TableOf(WAIT, dict),
    "Where the API says how long to wait, where it is not in `Retry-After`, or in milliseconds there.",
    'retry_after = { at = "error.retry_in", unit = "ms" }',
)
CONTACT = Field(
    "contact", Text(), "Who the API's people can write to; it stands in the User-Agent.", 'contact = "team@example.com"'
)
TLS = Field("tls", TLS_FILES, TLS_FILES.shape.doc, 'tls = { ca_file = "ca.pem" }')
PROXY = Field("proxy", SecretText(), "The proxy that is asked instead.", 'proxy = "http://proxy.example.com:3128"')
HEADERS = Field("headers", HeaderPairs(), "Headers of every request.", 'headers = { Accept-Language = "en" }')
CONNECT = Field(
    "connect_timeout",
    Seconds(),
    "How long a connection may take; 5s.",
    'connect_timeout = "5s"',
    to="connect_timeout_seconds",
)
FIRST_BYTE = Field(
    "first_byte_timeout",
    Seconds(),
    "How long the API may think about a page; 60s. After a hundred answers a silent one is asked for again before.",
    'first_byte_timeout = "60s"',
    to="first_byte_timeout_seconds",
)
REQUEST = Field(
    "request_timeout",
    Seconds(),
    "How long a request may take in all; 5m.",
    'request_timeout = "5m"',
    to="request_timeout_seconds",
)
MIN_SPEED = Field(
    "min_bytes_per_second",
    WholeNumber(),
    "A body that stays slower for 30 s is given up.",
    "min_bytes_per_second = 1024",
)
MAX_BODY = Field("max_body_bytes", WholeNumber(), "The largest body that is read.", "max_body_bytes = 67108864")

_SETTINGS: tuple[Field[Any], ...] = (
    URL,
    AUTH,
    IN_FLIGHT,
    LIMITS,
    MAX_REQUESTS,
    RETRY_AFTER,
    CONTACT,
    HEADERS,
    TLS,
    PROXY,
    CONNECT,
    FIRST_BYTE,
    REQUEST,
    MIN_SPEED,
    MAX_BODY,
)
API = TableShape("The API that is read.", *_SETTINGS, RULES)


def read_api(table: TableReader) -> tuple[Api, tuple[Rule, ...]]:
    """The API and its rules. A setting that `Api` refuses by itself is an error at its own key."""
    url = table.arguments(URL)
    settings: dict[str, Any] = {}
    for field in _SETTINGS:
        setting = table.arguments(field)
        with errors_at(table.place.at(field.name)):
            Api(**{**url, **setting})
        settings |= setting
    with errors_at(table.place):
        return Api(**settings), table.get(RULES, ())


API_TABLE = TableBy(API, Api, read_api)
