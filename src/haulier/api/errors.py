"""How an API fails: the kinds of failure, and the errors that carry them to the item."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from haulier.errors import ItemError

TIME_OUT_STATUSES = frozenset({504, 524, 598, 599})
"""A proxy gave up waiting for the API. A 408 is about us: it is the API that waited."""
GATEWAY_STATUSES = frozenset({502, 503, 504, 509, *range(520, 531), 598, 599})
"""What stands in front of the API could not get an answer from it."""
UNSUPPORTED_STATUSES = frozenset({501, 505, 506, 510})
"""The API will never serve such a request."""
CAPTIVE_PORTAL_STATUS = 511
"""A network in between wants a person to log in."""
_NOT_OF_THE_API = GATEWAY_STATUSES | UNSUPPORTED_STATUSES | {CAPTIVE_PORTAL_STATUS}


class Action(StrEnum):
    """What to do about the request, or about its item."""

    OK = "ok"
    RETRY = "retry"
    """Repeat the request in place, after a wait."""
    RETRY_LATER = "retry_later"
    """Give the item back with a delay, charged."""
    OUTAGE = "outage"
    """As RETRY_LATER, but charged only while the scope is known to be healthy."""
    PAUSE = "pause"
    """The API asks everybody to wait: pause the scope; uncharged."""
    AUTH = "auth"
    """Our credentials are refused: pause the scope, tell a person; uncharged."""
    CONFIG = "config"
    """TLS, proxy or settings are wrong: pause the scope, tell a person; uncharged."""
    POISON = "poison"
    """It can never succeed as it is asked."""
    SPLIT = "split"
    """Ask for less: divide the item; poison where it cannot be divided."""
    RESTART = "restart"
    """Begin the item again at its first page, once or twice; RETRY_LATER after that."""
    END = "end"
    """There are no more pages; not a failure."""
    ABSENT = "absent"
    """The thing does not exist; an answer, not a failure."""


class Fault(StrEnum):
    """How an exchange failed without an answer that can be judged by its status."""

    CONNECT = "connect"
    """Refused, unreachable, or reset before a byte of the answer came."""
    DNS = "dns"
    TIMEOUT = "timeout"
    """No first byte in time, or not whole by the request's deadline."""
    SLOW = "slow"
    """Bytes came, but fewer a second than was demanded, for half a minute."""
    CUT = "cut"
    """The body ended early, or did not prove its end."""
    TLS = "tls"
    PROXY = "proxy"
    """The proxy refused us; one that cannot be reached is `CONNECT`."""
    PROTOCOL = "protocol"
    """What came is not HTTP as it is written, or says two things at once."""
    TOO_LARGE = "too_large"
    """The body is over `max_body_bytes`, on the wire or decoded."""
    AUTH = "auth"
    """Whoever issues the credentials refuses us; the API itself says so with a 401."""
    REDIRECT = "redirect"
    """It points to another origin, in circles, or nowhere. Nothing was sent there."""


class Shape(StrEnum):
    """What is wrong with the shape of a good answer."""

    NONE = ""
    """Nothing, or nothing that the source could say otherwise."""
    MISSING = "records missing"
    ASTRAY = "records astray"
    """More of their path is missing than what ``absent`` in `empty` allows for."""
    NULL = "records null"
    NOT_A_LIST = "not a list"
    NO_BODY = "no body"
    PAGING = "paging"
    """The answers contradict what the source says of its pages or its total."""
    OTHER = "other"
    """A flag, a total or a cursor is not where, or what, the source says."""
    RECORD = "record"
    """A record is not what the source says of all: it lacks the key, or has a field that is to be added."""
    HTML = "html"
    NOT_JSON = "not json"
    """It is labelled as something else, or as nothing."""
    UNPARSED = "unparsed"
    """It is said to be JSON, and is not. One record may do that to its page."""

    @property
    def may_be_of_data(self) -> bool:
        """Whether one record may be the reason, so that smaller items would come closer to it."""
        return self in _OF_DATA

    @property
    def remedy(self) -> str:
        """What a person should look at, or write."""
        return _REMEDIES.get(self, "")


_OF_DATA = {Shape.NONE, Shape.RECORD, Shape.HTML, Shape.NOT_JSON, Shape.UNPARSED}
_RECORDS = "Check `records` of the stream; where it means that there are no records, write"
_REMEDIES = {
    Shape.MISSING: f'{_RECORDS} empty = ["absent"].',
    Shape.ASTRAY: 'Check `records` of the stream. "absent" in `empty` is about the last key of that path; where more '
    "of it is left out, declare an exact `total`: an answer whose total is 0 has no records.",
    Shape.NULL: f'{_RECORDS} empty = ["null"].',
    Shape.NO_BODY: f'{_RECORDS} empty = ["no body"].',
    Shape.NOT_A_LIST: "Check `records` of the stream, which is the path of a list.",
    Shape.OTHER: "Check `pages` and `total` of the stream.",
    Shape.HTML: "Check `url` and the path of the stream: this is a page for people.",
    Shape.NOT_JSON: "Check `url`, path and headers of the stream: only JSON is read.",
}


class BodyError(ItemError):
    """A body that came whole and cannot be read as what was asked for. The client asks again, and then gives up.

    The text says what was found; it may hold names of keys, and no values.
    """

    def __init__(self, text: str, shape: Shape = Shape.OTHER) -> None:
        self.shape = shape
        super().__init__(text)


class ApiError(ItemError):
    """The API did not give what the item needs. The action says what becomes of the item."""

    restarts: ClassVar[int] = 1
    """Under RESTART: how often the item begins again before that is a failure."""

    def __init__(
        self,
        text: str,
        *,
        action: Action,
        status: int | None = None,
        excerpt: str = "",
        retry_after_seconds: float | None = None,
        fault: Fault | None = None,
        body: bytes = b"",
        shape: Shape = Shape.NONE,
        reason: str = "",
    ) -> None:
        self.action = action
        self.status = status
        self.excerpt = excerpt
        """The beginning of the body, capped and redacted."""
        self.retry_after_seconds = retry_after_seconds
        self.fault = fault
        """Why there was no answer at all."""
        self.body = body
        """Of an answer under a good status that could not be read: its first 64 KiB, redacted, to be kept."""
        self.shape = shape
        """How the answer differs from what the source says of it."""
        self.reason = reason
        """What happened, in a few words without secrets: the text says more."""
        super().__init__(text)

    @property
    def is_time_out(self) -> bool:
        """Whether the API, or a proxy that waited for it, did not answer in time."""
        return self.fault is Fault.TIMEOUT or self.status in TIME_OUT_STATUSES

    @property
    def may_be_of_item(self) -> bool:
        """Whether what was asked may be the reason. A gateway's 502, a refusal or a lost connection says nothing of
        it."""
        return self.action is not Action.OUTAGE or self.is_time_out or is_stumble(self.status)


class PagingError(ApiError):
    """The answers contradict what the source says of its pages or its total. No part of the item would do better, so it
    is never divided. Most begin again once, since a circle or a gap may come from one wrong answer."""

    def __init__(self, text: str, *, action: Action = Action.RESTART) -> None:
        super().__init__(text, action=action, shape=Shape.PAGING)


class MovedError(ApiError):
    """The list moved while the item was read by counting, so that what came proves nothing. That is nobody's mistake: a
    quieter moment helps, and so does a shorter walk, so that it divides as other failures do."""

    restarts: ClassVar[int] = 2

    def __init__(self, text: str) -> None:
        super().__init__(text, action=Action.RESTART)


def is_stumble(status: int | None) -> bool:
    """Whether a status says that the API itself failed over a request: a 500, and what is like it."""
    return status is not None and 500 <= status < 600 and status not in _NOT_OF_THE_API
