"""Kinds of failure of an API."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from haulier.errors import ItemError

TIME_OUT_STATUSES = frozenset({504, 524, 598, 599})
"""A proxy gave up waiting. (With a 408 the API gave up waiting for us.)"""
GATEWAY_STATUSES = frozenset({502, 503, 504, 509, *range(520, 531), 598, 599})
"""A gateway got no answer from the API."""
UNSUPPORTED_STATUSES = frozenset({501, 505, 506, 510})
"""The API never serves such requests."""
CAPTIVE_PORTAL_STATUS = 511
"""A network on the way wants a person to log in (RFC 6585 6)."""
_NOT_OF_THE_API = GATEWAY_STATUSES | UNSUPPORTED_STATUSES | {CAPTIVE_PORTAL_STATUS}


class Action(StrEnum):
    """What to do about a request, or about its item."""

    OK = "ok"
    """The answer is good."""
    RETRY = "retry"
    """Wait, and repeat the request while the item is held."""
    RETRY_LATER = "retry_later"
    """Hand the item back with a delay; counts as an attempt."""
    OUTAGE = "outage"
    """RETRY_LATER, counted as an attempt only while the API answers others."""
    PAUSE = "pause"
    """The API asks all clients to wait: pause all requests; no attempt is counted."""
    AUTH = "auth"
    """The credentials are refused: PAUSE, and tell a person."""
    CONFIG = "config"
    """TLS, proxy or settings are wrong: PAUSE, and tell a person."""
    POISON = "poison"
    """The request can never succeed: set the item aside."""
    SPLIT = "split"
    """Ask for less: divide the item, or else poison it."""
    RESTART = "restart"
    """Begin the item again at its first page, `ApiError.restarts` times; then RETRY_LATER."""
    END = "end"
    """The list has no more pages; no failure."""
    ABSENT = "absent"
    """The thing does not exist; no failure."""


class Fault(StrEnum):
    """Why there is no answer whose status can be judged."""

    CONNECT = "connect"
    """Refused, unreachable, or reset before the first byte of the answer."""
    DNS = "dns"
    """The name of the host is not known."""
    TIMEOUT = "timeout"
    """No first byte in time, or not complete by the request's deadline."""
    SLOW = "slow"
    """Slower than `Api.min_bytes_per_second` for 30 s."""
    CUT = "cut"
    """The body ended early, or nothing shows that it is complete."""
    TLS = "tls"
    """A certificate is refused, or no encrypted connection comes about."""
    PROXY = "proxy"
    """The proxy refuses us. (`CONNECT`: it cannot be reached.)"""
    PROTOCOL = "protocol"
    """Malformed or contradictory HTTP."""
    TOO_LARGE = "too_large"
    """The body exceeds `Api.max_body_bytes`, on the wire or decoded."""
    AUTH = "auth"
    """The issuer of the credentials refuses us. (The API itself does so with a 401.)"""
    ISSUER = "issuer"
    """The issuer of the credentials gives none at present. Nothing was sent to the API, and no item is charged."""
    REDIRECT = "redirect"
    """A redirect to another origin, in a circle, or nowhere. Nothing was sent there."""


class Shape(StrEnum):
    """How an answer differs from what the source declares."""

    NONE = ""
    """None that the source could declare."""
    MISSING = "records missing"
    """Nothing is at `records`."""
    ASTRAY = "records astray"
    """More than the last key of their path is missing; ``absent`` in `empty` does not cover it."""
    NULL = "records null"
    """There is null at `records`."""
    NOT_A_LIST = "not a list"
    """Something else than a list is at `records`."""
    NOT_OF_SHAPE = "not of its shape"
    """Something else than what `shape` says is at `records`."""
    CHARSET = "charset"
    """The charset in `Content-Type` is not known, or contradicts the body."""
    NOT_CSV = "not csv"
    """The answer is JSON, where CSV is declared."""
    CUT_LINE = "cut line"
    """The last line has no end."""
    TABLE = "table"
    """The columns of CSV have no names, or equal ones, or others than on the first page."""
    HEADER_ONLY = "header only"
    """One line that may be the names of columns, or a message."""
    NO_BODY = "no body"
    """The answer is empty."""
    PAGING = "paging"
    """The answers contradict `pages` or `total`."""
    COUNT = "other count"
    """The records are not as many as the API promised."""
    JOB_END = "job end"
    """A job did not end as `job` says, or its result is not there, or has another number of records."""
    OTHER = "other"
    """A flag, total or cursor is missing or of another type."""
    JOB = "job"
    """An answer about a job lacks what `job` names."""
    RECORD = "record"
    """A record lacks its key, or already has a field that the source adds."""
    VALUES = "values"
    """Records are of other values than one request asked for, or of fewer."""
    HTML = "html"
    """The answer is a page for people."""
    NOT_JSON = "not json"
    """Labelled as something else, or not at all."""
    UNPARSED = "unparsed"
    """Labelled JSON and malformed; one bad record can do that to its page."""

    @property
    def may_be_of_data(self) -> bool:
        """Whether one record may be the cause, so that dividing isolates it."""
        return self in _OF_DATA

    @property
    def remedy(self) -> str:
        """Advice for the person who writes the source."""
        return _REMEDIES.get(self, "")


_OF_DATA = {
    Shape.NONE,
    Shape.COUNT,
    Shape.JOB_END,
    Shape.RECORD,
    Shape.VALUES,
    Shape.HTML,
    Shape.NOT_JSON,
    Shape.UNPARSED,
}
_RECORDS = "Check `records` of the stream; where it means that there are no records, write"
_REMEDIES = {
    Shape.MISSING: f'{_RECORDS} empty = ["absent"].',
    Shape.ASTRAY: 'Check `records` of the stream. "absent" in `empty` is about the last key of that path; where more '
    "of it is left out, declare an exact `total`: an answer whose total is 0 has no records.",
    Shape.NULL: f'{_RECORDS} empty = ["null"].',
    Shape.NO_BODY: f'{_RECORDS} empty = ["no body"].',
    Shape.NOT_A_LIST: "Check `records` of the stream, which is the path of a list; where it leads to one record, or to "
    "an object of records by their IDs, write `shape`.",
    Shape.CHARSET: 'Write the charset that the API really uses in `format`, beside its `kind`: charset = "utf-8".',
    Shape.CUT_LINE: "If the API leaves out the end of the last line, write may_lack_newline = true in `format`.",
    Shape.TABLE: "Check `format` of the stream: the first line of CSV names its columns, each once.",
    Shape.HEADER_ONLY: 'If it is a table, write empty = ["header only"].',
    Shape.NOT_OF_SHAPE: "Check `records` and `shape` of the stream.",
    Shape.OTHER: "Check `pages` and `total` of the stream.",
    Shape.JOB: "Check `job` of the stream.",
    Shape.HTML: "Check `url` and the path of the stream: this is a page for people.",
    Shape.NOT_JSON: "Check `url`, path and headers of the stream; what is not JSON is declared by `format`.",
}


class BodyError(ItemError):
    """A complete body that cannot be read as what was asked for. The client repeats the request twice, then gives up.
    The text may name keys, and must hold no values.

    To do: compare `records`, `pages` and `total` of the stream with an answer, which `haulier try SOURCE` shows.
    """

    def __init__(self, text: str, shape: Shape = Shape.OTHER, *, is_outage: bool = False) -> None:
        """``is_outage``: a part of the API is down, and says so under a good status."""
        self.shape = shape
        self.is_outage = is_outage
        super().__init__(text)


class ApiError(ItemError):
    """The API did not give what the item needs; ``action`` says what becomes of the item.

    To do: it depends on the action.
    """

    restarts: ClassVar[int] = 1
    """Times that the item begins again under RESTART before it fails."""
    action: Action
    status: int | None
    """The HTTP status; None where there was no answer."""
    excerpt: str
    """The first 2,048 characters of the body, redacted."""
    retry_after_seconds: float | None
    """The wait that the API asked for, or haulier's own where a pause named none."""
    fault: Fault | None
    """Set where there was no answer at all."""
    body: bytes
    """The first 64 KiB of an unreadable answer, redacted."""
    shape: Shape
    reason: str
    """What happened, in a few words without secrets."""
    likeness: tuple[str, ...]
    """Words of which one is shared by failures of one cause; none where the shape says enough."""

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
        likeness: tuple[str, ...] = (),
    ) -> None:
        self.action = action
        self.status = status
        self.excerpt = excerpt
        self.retry_after_seconds = retry_after_seconds
        self.fault = fault
        self.body = body
        self.shape = shape
        self.reason = reason
        self.likeness = likeness
        super().__init__(text)

    @property
    def is_time_out(self) -> bool:
        """Whether the API, or a proxy in front of it, did not answer in time."""
        return self.fault is Fault.TIMEOUT or self.status in TIME_OUT_STATUSES

    @property
    def may_be_of_item(self) -> bool:
        """Whether the item may be the cause. A gateway's 502 or a lost connection says nothing about it."""
        return self.action is not Action.OUTAGE or self.is_time_out or is_stumble(self.status)


class PagingError(ApiError):
    """The answers contradict `pages` or `total` of the source. The item is never divided, since its children would fail
    alike. Most begin again once: a circle or a gap may come from one wrong answer.

    To do: correct what the text names; `haulier try SOURCE --pages 2` shows how two pages follow each other.
    """

    def __init__(self, text: str, *, action: Action = Action.RESTART) -> None:
        super().__init__(text, action=action, shape=Shape.PAGING)


class MovedError(ApiError):
    """The list changed while its pages were counted, so the records prove nothing. A shorter list helps, so the item
    may be divided.

    To do: plan smaller items, sort by a key that never moves, or declare `may_move`.
    """

    restarts: ClassVar[int] = 2

    def __init__(self, text: str) -> None:
        super().__init__(text, action=Action.RESTART)


def is_stumble(status: int | None) -> bool:
    """Whether the API itself failed over the request: a 500, or an unlisted 5xx."""
    return status is not None and 500 <= status < 600 and status not in _NOT_OF_THE_API
