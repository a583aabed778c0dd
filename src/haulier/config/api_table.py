"""`[api]`: where the API is, who we are to it, and how long we wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haulier.api.answers.declared_wait import UNITS
from haulier.api.answers.judgement import Rule
from haulier.api.limits.budget import parse_rate
from haulier.api.limits.schedule import parse_schedule
from haulier.api.settings import Api
from haulier.config.auth_table import AUTH_KINDS, TLS_FILES, read_tls
from haulier.config.fields import Field, TableReader, TableShape
from haulier.config.kinds import Choice, Duration, ListOf, NumberOr, SecretText, TableOf, Text, WholeNumber, errors_at
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


def read_wait(table: TableReader) -> Mapping[str, str]:
    return {field.name: table.need(field) for field in WAIT.fields if field in table}


RETRY_AFTER = Field(
    "retry_after",
    TableOf(WAIT, read_wait),
    "Where the API says how long to wait, where it is not in `Retry-After`, or in milliseconds there.",
    'retry_after = { at = "error.retry_in", unit = "ms" }',
)
CONTACT = Field(
    "contact", Text(), "Who the API's people can write to; it stands in the User-Agent.", 'contact = "team@example.com"'
)
TLS = Field("tls", TableOf(TLS_FILES, read_tls), TLS_FILES.doc, 'tls = { ca_file = "ca.pem" }')
PROXY = Field("proxy", SecretText(), "The proxy that is asked instead.", 'proxy = "http://proxy.example.com:3128"')
HEADERS = Field("headers", HeaderPairs(), "Headers of every request.", 'headers = { Accept-Language = "en" }')
CONNECT = Field("connect_timeout", Duration(), "How long a connection may take; 5s.", 'connect_timeout = "5s"')
FIRST_BYTE = Field(
    "first_byte_timeout",
    Duration(),
    "How long the API may think about a page; 60s. After a hundred answers a silent one is asked for again before.",
    'first_byte_timeout = "60s"',
)
REQUEST = Field("request_timeout", Duration(), "How long a request may take in all; 5m.", 'request_timeout = "5m"')
MIN_SPEED = Field(
    "min_bytes_per_second",
    WholeNumber(),
    "A body that stays slower for 30 s is given up.",
    "min_bytes_per_second = 1024",
)
MAX_BODY = Field("max_body_bytes", WholeNumber(), "The largest body that is read.", "max_body_bytes = 67108864")

API = TableShape(
    "The API that is read.",
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
    RULES,
)


_SETTINGS: tuple[tuple[str, Field[Any], str], ...] = (
    ("auth", AUTH, ""),
    ("in_flight", IN_FLIGHT, ""),
    ("limits", LIMITS, ""),
    ("max_requests", MAX_REQUESTS, ""),
    ("retry_after", RETRY_AFTER, ""),
    ("contact", CONTACT, ""),
    ("headers", HEADERS, ""),
    ("tls", TLS, ""),
    ("proxy", PROXY, ""),
    ("connect_timeout_seconds", CONNECT, "seconds"),
    ("first_byte_timeout_seconds", FIRST_BYTE, "seconds"),
    ("request_timeout_seconds", REQUEST, "seconds"),
    ("min_bytes_per_second", MIN_SPEED, ""),
    ("max_body_bytes", MAX_BODY, ""),
)
"""What `Api` calls a setting, the key that it stands under, and the unit that `Api` wants."""


def read_api(table: TableReader) -> tuple[Api, tuple[Rule, ...]]:
    """The API and its rules. What its settings refuse is said with the key that it stands under."""
    url = table.need(URL)
    _checked(table.place.at("url"), url, {})
    given: dict[str, Any] = {}
    for name, field, unit in _SETTINGS:
        if field not in table:
            continue
        value = table.need(field)
        given[name] = value.total_seconds() if unit == "seconds" else value
        _checked(table.place.at(field.name), url, {name: given[name]})
    return _checked(table.place, url, given), table.get(RULES, ())


def _checked(place: Place, url: str, given: dict[str, Any]) -> Api:
    with errors_at(place):
        return Api(url, **given)


API_TABLE = TableOf(API, read_api)
