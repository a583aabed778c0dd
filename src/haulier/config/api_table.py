"""`[api]`: the address of the API, credentials, limits and timeouts."""

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
from haulier.config.place import Place
from haulier.config.request_kinds import HeaderPairs, JsonPath
from haulier.config.rules_table import RULES
from haulier.config.value_kinds import (
    Choice,
    Flag,
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


class TimesOfDay:
    """The maximum number of concurrent requests for each time of day, with the zone of these times."""

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
    """A number of requests in a time, such as ``20/s``."""

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
    "The address of the API; the paths of the streams are appended to it.",
    'url = "https://api.example.com"',
    True,
)
AUTH = Field("auth", AUTH_KINDS, "The credentials.", 'auth = { bearer = "${API_TOKEN}" }')
PLAIN_HTTP = Field(
    "plain_http",
    Flag(),
    "Whether credentials may go to another machine over http://, where whoever is on the way reads them.",
    "plain_http = true",
)
IN_FLIGHT = Field(
    "in_flight",
    NumberOr(WholeNumber(), TimesOfDay()),
    "The maximum number of concurrent requests of all workers together, 10,000 at most; fewer are sent where the API "
    'bears less. Or by the time of day: `{ default = 4, "19:00-06:00" = 12, zone = "Europe/London" }`.',
    "in_flight = 4",
)
LIMITS = Field(
    "limits",
    ListOf(RateText()),
    "The API's rate limits, for all workers together; limits in its headers are kept as well.",
    'limits = ["20/s", "5000/h"]',
)
MAX_REQUESTS = Field(
    "max_requests",
    WholeNumber(),
    "The maximum number of requests of a run; the plan is checked against it, and no run sends more.",
    "max_requests = 50000",
)
WAIT_HEADER = Field("header", Text(), "The header with the wait.", 'header = "X-Wait"')
WAIT_AT = Field("at", JsonPath(), "The path of the wait in the body.", 'at = "error.retry_in"')
WAIT_UNIT = Field("unit", Choice(UNITS), "The unit of a number: seconds or milliseconds.", 'unit = "ms"')
WAIT = TableShape(
    "Where the API says how long to wait.", WAIT_HEADER, WAIT_AT, WAIT_UNIT, one_of=(WAIT_HEADER.name, WAIT_AT.name)
)


RETRY_AFTER: Field[dict[str, str]] = Field(
    "retry_after",
    TableOf(WAIT, dict),
    "Where the API says how long to wait, if not in `Retry-After`, or if it is in milliseconds there.",
    'retry_after = { at = "error.retry_in", unit = "ms" }',
)
COST_AVAILABLE = Field(
    "available",
    JsonPath(),
    "The path of what is left.",
    'available = "extensions.cost.throttleStatus.currentlyAvailable"',
    True,
)
COST_NEEDED = Field(
    "needed", JsonPath(), "The path of what the query cost.", 'needed = "extensions.cost.requestedQueryCost"', True
)
COST_RESTORED = Field(
    "restored",
    JsonPath(),
    "The path of what comes back in a second.",
    'restored = "extensions.cost.throttleStatus.restoreRate"',
)
COST_RESET_AT = Field(
    "reset_at", JsonPath(), "The path of the time at which all comes back.", 'reset_at = "data.rateLimit.resetAt"'
)
COST = TableShape(
    "What queries cost, where they are limited by that: paths in the body of an answer.",
    COST_AVAILABLE,
    COST_NEEDED,
    COST_RESTORED,
    COST_RESET_AT,
    one_of=(COST_RESTORED.name, COST_RESET_AT.name),
)
QUERY_COST: Field[dict[str, str]] = Field(
    "cost",
    TableOf(COST, dict),
    "Where an answer tells what queries cost and what is left. Nothing is sent until the next one can be paid for.",
    'cost = { available = "rate.left", needed = "rate.cost", reset_at = "rate.reset" }',
)
CONTACT = Field(
    "contact",
    Text(),
    "A contact for the operators of the API; it is sent in the User-Agent.",
    'contact = "team@example.com"',
)
COOKIES = Field(
    "cookies",
    Choice(("item",)),
    "item: cookies that an answer sets go back with later requests of the same item, for APIs that pin a session by "
    "them. They are shared with no other item. Without it cookies are dropped.",
    'cookies = "item"',
)
TLS = Field("tls", TLS_FILES, TLS_FILES.shape.doc, 'tls = { ca_file = "ca.pem" }')
PROXY = Field(
    "proxy", SecretText(), "The proxy that requests are sent through.", 'proxy = "http://proxy.example.com:3128"'
)
HEADERS = Field("headers", HeaderPairs(), "Headers of every request.", 'headers = { Accept-Language = "en" }')
CONNECT = Field(
    "connect_timeout",
    Seconds(),
    "The maximum time to connect.",
    'connect_timeout = "5s"',
    to="connect_timeout_seconds",
)
FIRST_BYTE = Field(
    "first_byte_timeout",
    Seconds(),
    "The maximum time to the first byte of an answer. After a hundred answers a request without one is "
    "repeated sooner.",
    'first_byte_timeout = "60s"',
    to="first_byte_timeout_seconds",
)
REQUEST = Field(
    "request_timeout",
    Seconds(),
    "The maximum time of a request in all.",
    'request_timeout = "5m"',
    to="request_timeout_seconds",
)
MIN_SPEED = Field(
    "min_bytes_per_second",
    WholeNumber(),
    "A body that is slower for 30 s is given up.",
    "min_bytes_per_second = 1024",
)
MAX_BODY = Field(
    "max_body_bytes",
    WholeNumber(),
    "The size of the largest body that is read, in bytes, on the wire and decoded.",
    "max_body_bytes = 67108864",
)

_SETTING_FIELDS: tuple[Field[Any], ...] = (
    URL,
    PLAIN_HTTP,
    AUTH,
    IN_FLIGHT,
    LIMITS,
    MAX_REQUESTS,
    RETRY_AFTER,
    QUERY_COST,
    CONTACT,
    HEADERS,
    COOKIES,
    TLS,
    PROXY,
    CONNECT,
    FIRST_BYTE,
    REQUEST,
    MIN_SPEED,
    MAX_BODY,
)
API = TableShape("The API that is read.", *_SETTING_FIELDS, RULES)


def read_api(table: TableReader) -> tuple[Api, tuple[Rule, ...]]:
    """The API and its rules. A setting that `Api` refuses is an error at its own key."""
    url = {**table.arguments(URL), **table.arguments(PLAIN_HTTP)}
    settings: dict[str, Any] = {}
    for field in _SETTING_FIELDS:
        setting = table.arguments(field)
        with errors_at(table.place.at(field.name)):
            Api(**{**url, **setting})
        settings |= setting
    with errors_at(table.place):
        return Api(**settings), table.get(RULES, ())


API_TABLE = TableBy(API, Api, read_api)
