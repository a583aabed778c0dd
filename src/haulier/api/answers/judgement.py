"""What an answer, or none, means for the request: `judge`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import assert_never

import msgspec

from haulier.api.answers.body_problem import BodyProblem, find_body_problem
from haulier.api.answers.declared_wait import DeclaredWait, find_wait
from haulier.api.answers.graphql_errors import ErrorMeaning, find_errors
from haulier.api.answers.line_failure import find_line_failure, lines_of
from haulier.api.answers.record_failure import find_failure
from haulier.api.body_format import CSV, PLAIN_JSON, BodyFormat
from haulier.api.errors import CAPTIVE_PORTAL_STATUS, GATEWAY_STATUSES, UNSUPPORTED_STATUSES, Action, Fault, Shape
from haulier.api.http.ratelimit_headers import is_exhausted, rate_limits
from haulier.api.http.retry_after import DAY_SECONDS
from haulier.api.http.transport import HEADER_NAME, Response, TransportError
from haulier.api.records.empty_forms import EMPTY_LIST_ONLY, EmptyForms
from haulier.api.records.paths import EACH, ROOT, check_path, each_at, is_blank, parts_of, raw_at
from haulier.api.records.record_finder import LIST
from haulier.api.records.surrogates import hide
from haulier.errors import UsageError

MAX_RETRIES_IN_PLACE = 4
"""While the item is held: about 8 s with full jitter over 0.5 s x 2^n, for a hiccup."""
FEW_RETRIES_IN_PLACE = 2
"""Where another look seldom helps: an item that waits holds a slot."""
DEFAULT_429_WAIT_SECONDS = 1.0
"""Without Retry-After."""
MAX_WAIT_IN_PLACE_SECONDS = 30.0
"""For a longer wait the item is handed back, which frees its slot."""
BY_RULE = ", by a rule of the source"
MAX_SEARCHED_BYTES = 8 * 1024
"""Text far down in a large body may be a record."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """``action`` for the request; a RETRY becomes ``then`` after ``retries`` of them."""

    action: Action
    reason: str = ""
    retries: int = 0
    then: Action = Action.RETRY_LATER
    retry_after_seconds: float | None = None
    is_throttling: bool = False
    shape: Shape = Shape.NONE
    is_by_body: bool = False
    """By a rule that found something in the body."""

    @property
    def final(self) -> Action:
        return self.then if self.action is Action.RETRY else self.action

    @property
    def is_outage(self) -> bool:
        return self.final is Action.OUTAGE


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the user's own before the built-in table. It applies where all its conditions hold."""

    action: Action
    status: int | None = None
    header: str | None = None
    """``Name``: the header is there. ``Name: value``: it has this value, case-insensitively; ``*`` stands for any text.
    Where the header is a list with commas, each value and the whole list are compared."""
    text: str | None = None
    """Text within the first 8 KiB of the body, case-insensitively. Under a 2xx, neither longer bodies are searched nor
    records."""
    at: str | None = None
    """Path in the JSON body with a value that is not null, false, 0 or empty, such as an error object under a 200.
    ``*`` is each member of a list or object (``groups.*.error``), and in a body of lines each line (``*.error``)."""
    status_at: str | None = None
    """Path in the JSON body of the status that is meant. The table judges by it; ``action`` applies where there is
    none."""

    def __post_init__(self) -> None:
        if self.action not in set(Action):
            raise UsageError(f"There is no action {self.action!r}. Write one of: {', '.join(Action)}.")
        object.__setattr__(self, "action", Action(self.action))  # "pause" would be equal to the action, and not be it.
        status: object = self.status
        if status is not None and (not isinstance(status, int) or status < 100):
            raise UsageError(f"The status of a rule is {status!r}; expected a whole number of at least 100.")
        for path in (self.at, self.status_at):
            if path is not None:
                check_path(path)
        if self.status_at is not None and EACH in parts_of(self.status_at):
            raise UsageError(f"`*` in {self.status_at!r} leads to several statuses. Write the path of one.")
        if self.text == "":
            raise UsageError("The text of a rule is empty, so it would apply to every answer.")
        if self.status is None and self.header is None and self.text is None and self.at is None:
            raise UsageError(
                "A rule without a condition would apply to every answer. Give it `status`, `header`, `text` or `at`."
            )
        if self.header is not None:
            name, colon, value = self.header.partition(":")
            if not HEADER_NAME.fullmatch(name.strip()) or (colon and not value.strip()):
                raise UsageError(f"The header of a rule cannot be '{self.header}'. Write 'Name', or 'Name: value'.")


@dataclass(frozen=True, slots=True)
class ExpectedAnswer:
    """Facts about a request on which the meaning of its answer depends."""

    is_entity: bool = False
    """One thing is asked for by its ID: a 404 is an answer. For a list it means a wrong address."""
    has_page_token: bool = False
    """A token, which may expire, continues a list."""
    empty: EmptyForms = EMPTY_LIST_ONLY
    """Answers without records that would otherwise be failures."""
    wants_json: bool = True
    graphql_errors: tuple[str, ...] | None = None
    """For a GraphQL query: codes of errors that do not matter. None: it is no such query."""
    form: BodyFormat = PLAIN_JSON
    records: str = ""
    """Path of the records of a list: where an object that tells a failure would be taken for one of them, or passed
    over, it is a failure, unless a rule says what it is."""
    shape: str = LIST
    records_in: Callable[[bytes], Sequence[bytes]] | None = None
    """The records of a body, in which the text of a rule is no message."""


EXPECTED_PAGE = ExpectedAnswer()


def judge(
    outcome: Response | TransportError | BodyProblem,
    *,
    now: datetime,
    expected: ExpectedAnswer = EXPECTED_PAGE,
    rules: Sequence[Rule] = (),
    wait_at: DeclaredWait | None = None,
) -> Judgement:
    """The decision table. The first of ``rules`` that applies to a response decides alone.

    ``now`` replaces a missing ``Date``; ``wait_at`` adds a place for waits to the usual headers.
    """
    match outcome:
        case TransportError():
            return _with_reason(_FAULTS[outcome.kind], outcome.text)
        case BodyProblem():
            return _by_problem(outcome)
        case Response():
            rule = next((rule for rule in rules if applies(rule, outcome, expected)), None)
            if rule is None and _is_good(outcome.status):
                failed = None if expected.graphql_errors is None else _by_errors(outcome, expected, now, wait_at)
                return failed or _by_body(outcome, expected)
            wait = _wait_of(outcome, now, wait_at)
            status = outcome.status if rule is None else meant_status(rule, outcome)
            if rule is not None and status is None:
                return _by_rule(rule, outcome.status, wait)
            return _by_status(outcome, status or outcome.status, expected, wait)
        case _:
            assert_never(outcome)


_OK = Judgement(Action.OK)
_FAULTS: Mapping[Fault, Judgement] = {
    Fault.CONNECT: Judgement(Action.RETRY, "", FEW_RETRIES_IN_PLACE, Action.OUTAGE),
    Fault.DNS: Judgement(Action.RETRY, "", FEW_RETRIES_IN_PLACE, Action.OUTAGE),
    Fault.TIMEOUT: Judgement(Action.RETRY, "", 1, Action.OUTAGE),
    Fault.SLOW: Judgement(Action.RETRY, "", MAX_RETRIES_IN_PLACE, Action.OUTAGE),
    Fault.CUT: Judgement(Action.RETRY, "", MAX_RETRIES_IN_PLACE, Action.RETRY_LATER),
    Fault.PROTOCOL: Judgement(Action.RETRY, "", MAX_RETRIES_IN_PLACE, Action.RETRY_LATER),
    Fault.ISSUER: Judgement(Action.RETRY, "", FEW_RETRIES_IN_PLACE, Action.OUTAGE),
    Fault.AUTH: Judgement(Action.AUTH),
    Fault.TLS: Judgement(Action.CONFIG),
    Fault.PROXY: Judgement(Action.CONFIG),
    Fault.TOO_LARGE: Judgement(Action.SPLIT),
    Fault.REDIRECT: Judgement(Action.POISON),
}


def _each(statuses: Iterable[int], judgement: Judgement) -> dict[int, Judgement]:
    return dict.fromkeys(statuses, judgement)


_FULL = frozenset({507, 508})
_BUSY = Judgement(Action.RETRY, "", MAX_RETRIES_IN_PLACE, Action.OUTAGE)
_STATUSES: Mapping[int, Judgement] = {
    202: Judgement(Action.RETRY, "", MAX_RETRIES_IN_PLACE, Action.RETRY_LATER),
    304: Judgement(Action.RETRY, "", FEW_RETRIES_IN_PLACE, Action.RETRY_LATER),
    401: Judgement(Action.AUTH),
    407: Judgement(Action.CONFIG),
    408: _BUSY,
    409: Judgement(Action.RETRY, "", FEW_RETRIES_IN_PLACE, Action.RETRY_LATER),
    412: Judgement(Action.RESTART),
    413: Judgement(Action.SPLIT),
    **_each((421, 423, 424, 425), Judgement(Action.RETRY, "", MAX_RETRIES_IN_PLACE, Action.RETRY_LATER)),
    429: replace(_BUSY, retry_after_seconds=DEFAULT_429_WAIT_SECONDS),
    **_each(UNSUPPORTED_STATUSES, Judgement(Action.POISON)),
    **_each(GATEWAY_STATUSES, _BUSY),
    **_each(_FULL, Judgement(Action.OUTAGE)),
    CAPTIVE_PORTAL_STATUS: Judgement(Action.PAUSE),
}
"""Other 2xx are judged by their body, 402, 403, 404 and 410 by the request, other 5xx as 500. The rest is poison."""
_OTHER_5XX = Judgement(Action.RETRY, "", MAX_RETRIES_IN_PLACE, Action.OUTAGE)
"""The API is down, or broken by one record: other requests tell."""
_REFUSING = {402, 403}
_THROTTLE_SIGNS = (
    b"rate limit",
    b"ratelimit",
    b"too many requests",
    b"throttl",
    b"request_limit_exceeded",
    b"abuse detection",
)
TOO_LARGE_SIGNS = (b"response too large", b"responsetoolarge", b"response size exceed")
"""Texts for a too large page, under other statuses than 413."""
_NO_CONTENT = {204, 205}
_PAUSING = {429, 503}
"""With a Retry-After these address all workers."""


def _by_status(response: Response, status: int, expected: ExpectedAnswer, wait: float | None) -> Judgement:
    reason = f"status {status}" if status == response.status else f"status {response.status}, which means {status}"
    if response.status == 304:
        reason += ", which says that nothing has changed, though that was not asked: a cache in between may answer so"
    if _is_good(status):
        return _by_body(response, expected)
    if status >= 400 and status not in _PAUSING and any(sign in _head(response) for sign in TOO_LARGE_SIGNS):
        return Judgement(Action.SPLIT, f"{reason}, as the answer would be too large")
    if status in _PAUSING and wait is not None:
        return Judgement(Action.PAUSE, reason, retry_after_seconds=wait, is_throttling=True)
    if status in _REFUSING and _is_throttling(response, wait):
        return Judgement(
            Action.PAUSE, f"{reason}, which is throttling here", retry_after_seconds=wait, is_throttling=True
        )
    if status == response.status and status in expected.empty.statuses:
        return _OK
    if status in {404, 410} and expected.is_entity:
        return Judgement(Action.ABSENT, reason)
    if status == 410 and expected.has_page_token:
        return Judgement(Action.RESTART, reason)
    known = _STATUSES.get(status) or (_OTHER_5XX if 500 <= status < 600 else Judgement(Action.POISON))
    return _with_wait(_with_reason(known, reason), wait)


def _is_good(status: int) -> bool:
    return 200 <= status < 300 and status not in _STATUSES


def _wait_of(response: Response, now: datetime, wait_at: DeclaredWait | None) -> float | None:
    """Waits of rate limit headers are believed up to a day: docs/apis/answers.md#how-long-to-wait."""
    wait = find_wait(response, now, wait_at).seconds
    if wait is None and response.status in {*_REFUSING, 429}:
        wait = rate_limits(response.headers, now).exhausted_seconds
        return None if wait is None else min(wait, DAY_SECONDS)
    return wait


def _is_throttling(response: Response, wait: float | None) -> bool:
    """Also a 403, as with GitHub and Salesforce: docs/apis/answers.md#throttling-with-status-403."""
    if wait is not None or is_exhausted(response.headers):
        return True
    return any(sign in _head(response) for sign in _THROTTLE_SIGNS)


def _head(response: Response) -> bytes:
    return response.body[:MAX_SEARCHED_BYTES].lower()


def _by_errors(
    response: Response, expected: ExpectedAnswer, now: datetime, wait_at: DeclaredWait | None
) -> Judgement | None:
    failure = find_errors(response.body, expected.graphql_errors or ())
    if failure is None:
        return None
    reason = f"status {response.status}, but {failure.reason}"
    if failure.meaning is ErrorMeaning.THROTTLED:
        wait = find_wait(response, now, wait_at).seconds
        if wait is None:
            wait = rate_limits(response.headers, now).exhausted_seconds
        return _with_wait(Judgement(Action.PAUSE, reason, is_throttling=True), wait)
    return _with_reason(_FAILURES[failure.meaning], reason)


_FAILURES: Mapping[ErrorMeaning, Judgement] = {
    ErrorMeaning.REFUSED: Judgement(Action.AUTH),
    ErrorMeaning.WRONG: Judgement(Action.POISON),
    ErrorMeaning.UNKNOWN: Judgement(Action.RETRY, "", FEW_RETRIES_IN_PLACE, Action.RETRY_LATER),
}


def _by_body(response: Response, expected: ExpectedAnswer) -> Judgement:
    if expected.empty.takes_answer(response.status, response.body):
        return _OK
    if response.status in _NO_CONTENT:
        return Judgement(Action.RETRY_LATER, f"status {response.status}, which has no content", shape=Shape.NO_BODY)
    problem = find_body_problem(response, expected.form) if expected.wants_json else None
    problem = problem or _find_failure(response.body, expected)
    return _OK if problem is None else _by_problem(problem)


def _find_failure(body: bytes, expected: ExpectedAnswer) -> BodyProblem | None:
    if not expected.records or expected.graphql_errors is not None:
        return None
    if not expected.form.has_lines:
        return find_failure(body, expected.records, expected.shape)
    return find_line_failure(body) if expected.records == ROOT and expected.form.kind != CSV else None


def _by_problem(problem: BodyProblem) -> Judgement:
    then = Action.OUTAGE if problem.is_outage else Action.RETRY_LATER
    return Judgement(Action.RETRY, problem.reason, FEW_RETRIES_IN_PLACE, then, shape=problem.shape)


def _with_reason(judgement: Judgement, reason: str) -> Judgement:
    return replace(judgement, reason=reason)


def _with_wait(judgement: Judgement, wait: float | None) -> Judgement:
    if wait is None or judgement.action not in {Action.RETRY, Action.RETRY_LATER, Action.PAUSE}:
        return judgement
    if wait > DAY_SECONDS:
        # Handing the item back for days would let the run stand still without a word.
        return replace(judgement, action=Action.PAUSE, retries=0, retry_after_seconds=wait)
    if judgement.action is Action.RETRY and wait > MAX_WAIT_IN_PLACE_SECONDS:
        judgement = replace(judgement, action=judgement.then, retries=0)
    return replace(judgement, retry_after_seconds=wait)


def _by_rule(rule: Rule, status: int, wait: float | None) -> Judgement:
    is_by_body = rule.at is not None or rule.text is not None
    judgement = Judgement(rule.action, f"status {status}{BY_RULE}", is_by_body=is_by_body)
    if rule.action is Action.RETRY:
        judgement = replace(judgement, retries=MAX_RETRIES_IN_PLACE)
    return _with_wait(judgement, wait)


def applies(rule: Rule, response: Response, expected: ExpectedAnswer = EXPECTED_PAGE) -> bool:
    """Whether all conditions of the rule hold."""
    if rule.status is not None and rule.status != response.status:
        return False
    if rule.header is not None:
        name, value = _header_of(rule.header)
        lines = response.headers.getall(name, ())
        if not any(
            value is None or value.fullmatch(part.strip()) for line in lines for part in (line, *line.split(","))
        ):
            return False
    if rule.text is not None and not _contains_text(response, rule.text, expected):
        return False
    return rule.at is None or _has_value(response.body, rule.at, expected)


@lru_cache(maxsize=256)
def _header_of(header: str) -> tuple[str, re.Pattern[str] | None]:
    name, colon, value = header.partition(":")
    pattern = ".*".join(re.escape(part) for part in value.strip().split("*"))
    return name.strip(), re.compile(pattern, re.IGNORECASE | re.DOTALL) if colon else None


def _contains_text(response: Response, text: str, expected: ExpectedAnswer) -> bool:
    body = response.body
    is_good = 200 <= response.status < 300
    if is_good and len(body) > MAX_SEARCHED_BYTES:
        return False
    count = _count(body[:MAX_SEARCHED_BYTES], text)
    if count and is_good and expected.records_in is not None:
        count -= sum(_count(record, text) for record in expected.records_in(body))
    return count > 0


def _count(body: bytes, text: str) -> int:
    return body.decode("utf-8", errors="replace").lower().count(text.lower())


def _has_value(body: bytes, path: str, expected: ExpectedAnswer) -> bool:
    each, _, rest = path.partition(".")
    if each == EACH and expected.form.has_lines:
        name = rest.rpartition(".")[2].encode()
        return any(
            _has_value(line, rest or ROOT, EXPECTED_PAGE)
            for line in lines_of(body)
            if name in line or b"\\u" in line  # Few lines have it, and each is a pass of its own.
        )
    try:
        return any(not is_blank(found) for found in each_at(body, path))
    except (msgspec.DecodeError, RecursionError):
        hidden = hide(body)
        return hidden is not None and hidden.body != body and _has_value(hidden.body, path, expected)


def _value_at(body: bytes, path: str) -> bytes | None:
    try:
        found = raw_at(body, path)
    except msgspec.DecodeError:
        return None
    return None if found is None else bytes(found)


def meant_status(rule: Rule, response: Response) -> int | None:
    """What stands at the rule's `status_at`. None where its action counts."""
    if rule.status_at is None:
        return None
    text = (_value_at(response.body, rule.status_at) or b"").strip(b'"')
    return int(text) if len(text) == 3 and text.isdigit() and text[:1] in {b"4", b"5"} else None
