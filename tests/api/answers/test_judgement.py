"""Each row of the table Failures, walked without a network."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from haulier.api.answers.body_problem import BodyProblem
from haulier.api.answers.judgement import (
    FEW_RETRIES_IN_PLACE,
    MAX_RETRIES_IN_PLACE,
    ExpectedAnswer,
    Judgement,
    Rule,
    judge,
)
from haulier.api.errors import Action, ApiError, Fault
from haulier.api.http.transport import Response, TransportError
from haulier.api.records.empty_forms import EmptyForms
from haulier.errors import ItemError, UsageError

NOW = datetime(2026, 11, 24, tzinfo=UTC)
JSON = b'{"rows":[]}'

OK, RETRY, RETRY_LATER, OUTAGE, PAUSE = Action.OK, Action.RETRY, Action.RETRY_LATER, Action.OUTAGE, Action.PAUSE
AUTH, CONFIG, POISON, SPLIT, RESTART = Action.AUTH, Action.CONFIG, Action.POISON, Action.SPLIT, Action.RESTART
END, ABSENT = Action.END, Action.ABSENT


def response(
    status: int, body: bytes = JSON, content_type: str | None = "application/json", **headers: str
) -> Response:
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    if content_type is not None:
        named["Content-Type"] = content_type
    return Response(status, CIMultiDictProxy(named), body)


def judgement_of(
    outcome: Response | TransportError | BodyProblem, expected: ExpectedAnswer | None = None, *rules: Rule
) -> Judgement:
    return judge(outcome, now=NOW, expected=expected or ExpectedAnswer(), rules=rules)


FAULTS = [
    ("connect refused, no route", Fault.CONNECT, RETRY, FEW_RETRIES_IN_PLACE, OUTAGE),
    ("DNS failure", Fault.DNS, RETRY, FEW_RETRIES_IN_PLACE, OUTAGE),
    ("read time-out", Fault.TIMEOUT, RETRY, 1, OUTAGE),
    ("slow-loris body", Fault.SLOW, RETRY, MAX_RETRIES_IN_PLACE, OUTAGE),
    (
        "reset or EOF in the body, Content-Length mismatch, chunk error, gzip not at end",
        Fault.CUT,
        RETRY,
        MAX_RETRIES_IN_PLACE,
        RETRY_LATER,
    ),
    ("CRC, contradicting headers", Fault.PROTOCOL, RETRY, MAX_RETRIES_IN_PLACE, RETRY_LATER),
    ("TLS verify failure, unknown CA, hostname mismatch", Fault.TLS, CONFIG, 0, CONFIG),
    ("407 of the proxy", Fault.PROXY, CONFIG, 0, CONFIG),
    ("503 of the token's issuer", Fault.ISSUER, RETRY, FEW_RETRIES_IN_PLACE, OUTAGE),
    ("401 of the token's issuer", Fault.AUTH, AUTH, 0, AUTH),
    ("body > max_body", Fault.TOO_LARGE, SPLIT, 0, SPLIT),
    ("redirect to another origin, loop", Fault.REDIRECT, POISON, 0, POISON),
]


@pytest.mark.parametrize(("row", "fault", "action", "tries", "final"), FAULTS, ids=[row[0] for row in FAULTS])
def test_a_fault_is_judged_by_its_row(row: str, fault: Fault, action: Action, tries: int, final: Action) -> None:
    """Failures: a fault without an answer is judged by its kind alone, and its text is the reason."""
    judgement = judgement_of(TransportError(fault, row))
    assert (judgement.action, judgement.retries, judgement.final, judgement.reason) == (action, tries, final, row)


def test_every_fault_has_a_row() -> None:
    """A new kind of fault without an action is a mistake of ours, not a surprise in a run."""
    assert {row[1] for row in FAULTS} == set(Fault)


STATUSES = [
    *[(status, POISON, 0, POISON) for status in (405, 406, 411, 414, 415, 416, 422, 431, 451, 501, 505)],
    *[(status, POISON, 0, POISON) for status in (301, 302, 307, 308, 300, 400, 402, 404, 410, 418, 506)],
    *[(status, RETRY, MAX_RETRIES_IN_PLACE, RETRY_LATER) for status in (421, 423, 424, 425)],
    *[(status, RETRY, MAX_RETRIES_IN_PLACE, OUTAGE) for status in (408, 429, 502, 503, 504, *range(520, 531))],
    *[(status, RETRY, MAX_RETRIES_IN_PLACE, OUTAGE) for status in (500, 530 + 10, 599 - 5)],
    (202, RETRY, MAX_RETRIES_IN_PLACE, RETRY_LATER),
    (204, RETRY_LATER, 0, RETRY_LATER),
    (205, RETRY_LATER, 0, RETRY_LATER),
    (206, OK, 0, OK),
    (304, RETRY, FEW_RETRIES_IN_PLACE, RETRY_LATER),
    (401, AUTH, 0, AUTH),
    (403, POISON, 0, POISON),
    (407, CONFIG, 0, CONFIG),
    (409, RETRY, FEW_RETRIES_IN_PLACE, RETRY_LATER),
    (412, RESTART, 0, RESTART),
    (413, SPLIT, 0, SPLIT),
    (507, OUTAGE, 0, OUTAGE),
    (508, OUTAGE, 0, OUTAGE),
    (511, PAUSE, 0, PAUSE),
]


@pytest.mark.parametrize(("status", "action", "tries", "final"), STATUSES, ids=[str(row[0]) for row in STATUSES])
def test_a_status_is_judged_by_its_row(status: int, action: Action, tries: int, final: Action) -> None:
    """Failures: one row of the table for each status, as a list of records was asked for."""
    judgement = judgement_of(response(status))
    assert (judgement.action, judgement.retries, judgement.final) == (action, tries, final)
    if action is not OK:
        assert str(status) in judgement.reason


def test_no_status_is_without_an_action() -> None:
    """Whatever number a server makes up, the item ends or is tried a limited number of times (G1, G4)."""
    for status in range(100, 1000):
        judgement = judgement_of(response(status, b"", None))
        assert judgement.action is not RETRY or 0 < judgement.retries <= MAX_RETRIES_IN_PLACE, status
        assert judgement.final is not RETRY, status


GOOD_BODIES = [
    (JSON, "application/json"),
    (b' \n[{"id":1}]\n', "application/json; charset=utf-8"),
    (b'{"a":1}', "application/vnd.api+json"),
    (b'{"a":1}', "text/javascript"),
    (b'{"a":1}', "text/plain"),
    (b'{"a":1}', "text/html; charset=UTF-8"),
    (b'{"a":1}', "application/octet-stream"),
    (b'{"a":1}', None),
    (b'{"id":1}\n{"id":2}\n', "application/x-ndjson"),
    (b"42", "application/json"),
    (b"null", "application/json"),
    (b" " * 5_000 + JSON + b" " * 5_000, "application/json"),
]


@pytest.mark.parametrize(("body", "content_type"), GOOD_BODIES)
def test_a_good_status_with_json_is_ok(body: bytes, content_type: str | None) -> None:
    """Failures, `200/206 and all checks pass`: labels that say nothing are looked through, JSON of every kind
    passes."""
    assert judgement_of(response(200, body, content_type)) == Judgement(OK)


DOUBTFUL = [
    (b"", "application/json", "empty", RETRY_LATER),
    (b" \n", "application/json", "empty", RETRY_LATER),
    (b"<html><p>Hello</p></html>", "text/html", "HTML", RETRY_LATER),
    (b"<html><p>Hello</p></html>", "application/json", "HTML", RETRY_LATER),
    (b"<?xml version='1.0'?><a/>", "application/xml", "XML, which is not read", RETRY_LATER),
    (b"id,name\n1,a\n", "text/csv", "text/csv", RETRY_LATER),
    (b"id,name\n1,a\n", "text/plain", "text/plain", RETRY_LATER),
    (b"OK", None, "a body without a media type that is not JSON", RETRY_LATER),
    (b'{"rows":[{"id":1},{"i', "application/json", "stops", RETRY_LATER),
    (b'{"id":1}\n{"id":2', "application/x-ndjson", "stops", RETRY_LATER),
    (b"<html>Scheduled MAINTENANCE</html>", "text/html", "maintenance", OUTAGE),
    (
        b'<form><input type="password"></form>',
        "text/html",
        'write a rule: { status = 200, header = "Content-Type: text/html*", action = "auth" }',
        OUTAGE,
    ),
]


@pytest.mark.parametrize(("body", "content_type", "word", "then"), DOUBTFUL)
def test_a_good_status_without_an_answer_is_no_success(
    body: bytes, content_type: str | None, word: str, then: Action
) -> None:
    """Failures, `200 + non-JSON content type, HTML, empty body`: RETRY x2, then RETRY_LATER; what everybody gets
    counts as an outage (G4)."""
    judgement = judgement_of(response(200, body, content_type))
    assert (judgement.action, judgement.retries, judgement.final) == (RETRY, FEW_RETRIES_IN_PLACE, then)
    assert word in judgement.reason


def test_a_body_that_cannot_be_parsed_is_asked_for_again() -> None:
    """Failures, `body not complete JSON`: RETRY x2, then RETRY_LATER."""
    judgement = judgement_of(BodyProblem("JSON is malformed"))
    assert (judgement.action, judgement.retries, judgement.final, judgement.reason) == (
        RETRY,
        2,
        RETRY_LATER,
        "JSON is malformed",
    )


def test_another_kind_of_content_is_ok_where_it_was_asked_for() -> None:
    """Only who wants JSON is disappointed by a table."""
    assert judgement_of(response(200, b"a,b\n", "text/csv"), ExpectedAnswer(wants_json=False)).action is OK


@pytest.mark.parametrize(("status", "body"), [(204, b""), (205, b""), (200, b"")])
def test_nothing_is_zero_records_only_where_that_was_declared(status: int, body: bytes) -> None:
    """Failures, `204, 205`: OK if the profile allows it, else RETRY_LATER."""
    assert judgement_of(response(status, body), ExpectedAnswer(empty=EmptyForms.of(["no body"]))).action is OK
    assert judgement_of(response(status, body)).final is RETRY_LATER


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_there_is_an_answer_of_an_entity_and_a_mistake_of_a_list(status: int) -> None:
    """Failures, `404, 410`: ABSENT, POISON; a page token that is gone restarts the item."""
    assert judgement_of(response(status), ExpectedAnswer(is_entity=True)).action is ABSENT
    assert judgement_of(response(status)).action is POISON
    walking = judgement_of(response(status), ExpectedAnswer(has_page_token=True)).action
    assert walking is (RESTART if status == 410 else POISON)


@pytest.mark.parametrize(
    ("status", "action", "final"),
    [
        (429, PAUSE, PAUSE),
        (503, PAUSE, PAUSE),
        (500, RETRY, OUTAGE),
        (502, RETRY, OUTAGE),
        (504, RETRY, OUTAGE),
        (409, RETRY, RETRY_LATER),
    ],
)
def test_a_wait_that_is_asked_for_is_kept(status: int, action: Action, final: Action) -> None:
    """Failures, `429`, `503 + Retry-After`: everybody waits; with other statuses this request waits. Never earlier
    (G5)."""
    judgement = judgement_of(response(status, Retry_After="20"))
    assert (judgement.action, judgement.final, judgement.retry_after_seconds) == (action, final, 20)


def test_a_long_wait_does_not_hold_a_slot() -> None:
    """Whoever is asked to wait for longer than half a minute gives the item back at once."""
    judgement = judgement_of(response(502, Retry_After="31"))
    assert (judgement.action, judgement.retry_after_seconds) == (OUTAGE, 31)


THROTTLED = [
    ("retry-after is there", 403, b"{}", {"Retry-After": "9"}, 9),
    ("remaining = 0, by its reset", 403, b"{}", {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"}, 30),
    (
        "remaining = 0, Retry-After wins",
        403,
        b"",
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9", "Retry-After": "4"},
        4,
    ),
    ("the body says secondary limit", 403, b'{"message":"You have exceeded a secondary rate limit."}', {}, None),
    ("Salesforce", 403, b'[{"errorCode":"REQUEST_LIMIT_EXCEEDED"}]', {}, None),
    ("402", 402, b"{}", {"Retry-After": "9"}, 9),
    ("429 by its reset", 429, b"{}", {"RateLimit": '"default";r=0;t=7'}, 7),
    ("429 in the older syntax", 429, b"{}", {"RateLimit": "limit=9, remaining=0, reset=7"}, 7),
    (
        "a broken reset is believed for a day",
        429,
        b"",
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999"},
        86_400,
    ),
    ("Azure's milliseconds", 503, b"{}", {"x-ms-retry-after-ms": "1500"}, 2),
]


@pytest.mark.parametrize(("row", "status", "body", "headers", "wait"), THROTTLED, ids=[row[0] for row in THROTTLED])
def test_throttling_is_known_by_whatever_sign_it_gives(
    row: str, status: int, body: bytes, headers: dict[str, str], wait: float | None
) -> None:
    """Vendors; Failures, `402, 403: throttle predicate`: PAUSE for the time that is said; no poison for being too fast
    (G4, G5)."""
    judgement = judgement_of(response(status, body, **headers))
    assert (judgement.action, judgement.retry_after_seconds) == (PAUSE, wait)


@pytest.mark.parametrize(
    "headers", [{}, {"X-RateLimit-Remaining": "12", "X-RateLimit-Reset": "30"}, {"X-RateLimit-Limit": "0"}]
)
def test_a_403_that_means_it_is_poison(headers: dict[str, str]) -> None:
    """Something is left of every quota: the right is missing, and waiting brings none."""
    assert judgement_of(response(403, b'{"message":"Resource not accessible"}', **headers)).action is POISON


def test_a_429_without_a_word_waits_a_second() -> None:
    """Failures, `429 without header`: in place, not at once."""
    assert judgement_of(response(429)).retry_after_seconds == 1
    assert judgement_of(response(429, Retry_After="soon")).retry_after_seconds == 1


@pytest.mark.parametrize("status", [400, 401, 404, 413])
def test_a_wait_with_an_answer_that_stays_changes_nothing(status: int) -> None:
    """Retry-After cannot make a wrong request right."""
    assert judgement_of(response(status, Retry_After="5")) == judgement_of(response(status))


def test_the_breaker_counts_what_is_the_apis_and_not_the_items() -> None:
    """Connect, time-out, 429 and 5xx are outage-like: an API whose database is down says 500 to everybody. A cut body
    or a 404 is not."""
    outage = [*(TransportError(kind, "") for kind in (Fault.CONNECT, Fault.DNS, Fault.TIMEOUT, Fault.SLOW))]
    assert all(judgement_of(fault).is_outage for fault in outage)
    assert all(judgement_of(response(status)).is_outage for status in (408, 429, 500, 502, 503, 504, 521))
    assert not any(judgement_of(response(status)).is_outage for status in (200, 400, 404, 501))
    assert not judgement_of(TransportError(Fault.CUT, "")).is_outage


PAST_END = b'{"code":"rest_post_invalid_page_number","message":"The page number is too high."}'
RULES = [
    ("400 page past end", response(400, PAST_END), Rule(END, status=400, text="INVALID_PAGE_NUMBER"), END),
    ("400 expired token", response(400, b"token expired"), Rule(RESTART, 400, text="expired"), RESTART),
    ("400 window too large", response(400, b"over 10000 rows"), Rule(SPLIT, 400, text="10000"), SPLIT),
    ("409 version mismatch", response(409), Rule(POISON, status=409), POISON),
    ("404 of one child", response(404), Rule(ABSENT, status=404), ABSENT),
    ("by header", response(403, X_Reason="Plan Limit"), Rule(PAUSE, header="x-reason: plan limit"), PAUSE),
    ("by header's presence", response(500, X_Fatal="1"), Rule(POISON, header="X-Fatal"), POISON),
    (
        "HTML that is right",
        response(200, JSON, "text/html"),
        Rule(OK, status=200, header="content-type: text/html*"),
        OK,
    ),
    ("200 + error predicate", response(200, b'{"error":{"code":7}}'), Rule(RETRY_LATER, at="error"), RETRY_LATER),
    ("200 + error deep", response(200, b'{"a":{"errors":["x"]}}'), Rule(POISON, at="a.errors"), POISON),
    ("200 + error text", response(200, b'{"message":"Try later"}'), Rule(RETRY, 200, text="try later"), RETRY),
]


@pytest.mark.parametrize(("row", "outcome", "rule", "action"), RULES, ids=[row[0] for row in RULES])
def test_a_rule_of_the_source_stands_ahead_of_the_table(
    row: str, outcome: Response, rule: Rule, action: Action
) -> None:
    """Failures: each row can be overridden by status, header or body; the reason says so."""
    judgement = judgement_of(outcome, None, rule)
    assert judgement.action is action
    assert "rule" in judgement.reason
    assert judgement.retries == (MAX_RETRIES_IN_PLACE if action is RETRY else 0)


@pytest.mark.parametrize(
    "rule",
    [
        Rule(POISON, status=400),
        Rule(POISON, status=200, text="absent"),
        Rule(POISON, status=200, header="X-None"),
        Rule(POISON, status=200, header="content-type: html"),
        Rule(POISON, status=200, header="content-type: *html*"),
        Rule(POISON, at="error"),
        Rule(POISON, at="rows"),
        Rule(POISON, at="rows.0.error"),
    ],
)
def test_a_rule_applies_only_where_all_that_it_names_holds(rule: Rule) -> None:
    """An empty list, a null or a missing path is no error object."""
    assert judgement_of(response(200, b'{"rows":[],"error":null}'), None, rule).action is OK


@pytest.mark.parametrize(
    ("header", "value", "applies"),
    [
        ("Content-Length: 0", "0", True),
        ("Content-Length: 0", "1200", False),
        ("Content-Length: 0", "0120", False),
        ("content-length:0", " 0 ", True),
        ("X-More: no", "No", True),
        ("X-More: no", "none", False),
        ("X-More: no*", "none", True),
        ("X-More: *on*", "none", True),
        ("X-More: a*c", "a c", True),
        ("X-More: a*c", "a cd", False),
        ("X-More: a.c", "abc", False),
        ("Cache-Status: stale", "hit, Stale ,other", True),
        ("Cache-Status: stale", "hit, stale; ttl=3", False),
        ("Date: Sun, 06 Nov*", "Sun, 06 Nov 1994 08:49:37 GMT", True),
        ("Content-Range: */0", "items */0", True),
        ("X-More", "", True),
        ("X-Other", "yes", False),
    ],
)
def test_a_header_is_named_with_its_whole_value(header: str, value: str, applies: bool) -> None:
    """A rule's header is a whole value, of a list each value too; a star stands for any text, and nothing else does."""
    name = header.partition(":")[0] if "Other" not in header else "X-More"
    answer = Response(500, CIMultiDictProxy(CIMultiDict({name: value})), JSON)
    assert (judgement_of(answer, None, Rule(END, header=header)).action is END) is applies


@pytest.mark.parametrize("header", ["X-More = yes", "X-More:", ": yes", "X More: yes", ""])
def test_a_header_that_can_never_match_is_refused(header: str) -> None:
    """What is no name of a header would be a rule that never applies."""
    with pytest.raises(UsageError, match="The header of a rule cannot be"):
        Rule(END, header=header)


def test_the_first_rule_that_applies_decides() -> None:
    """Rules are read in the order in which they stand in the source file."""
    rules = (Rule(END, status=404), Rule(SPLIT, status=400), Rule(POISON, status=400))
    assert judgement_of(response(400), None, *rules).action is SPLIT


def test_an_error_under_a_good_status_is_judged_by_the_status_it_names() -> None:
    """Failures, `200 + error predicate`: map the code as if it were a status; else the rule's own action."""
    rule = Rule(RETRY_LATER, at="error", status_at="error.code")
    assert judgement_of(response(200, b'{"error":{"code":503}}', Retry_After="3"), None, rule).action is PAUSE
    assert judgement_of(response(200, b'{"error":{"code":"401"}}'), None, rule).action is AUTH
    assert "means 401" in judgement_of(response(200, b'{"error":{"code":"401"}}'), None, rule).reason
    assert judgement_of(response(200, b'{"error":{"code":77}}'), None, rule).action is RETRY_LATER
    assert judgement_of(response(200, b'{"error":{"code":200}}'), None, rule).action is RETRY_LATER


def test_a_records_own_words_do_not_trigger_a_rule() -> None:
    """Under a 2xx only a small body can be an error; a page of records that happens to hold the text is data."""
    page = b'{"rows":[' + b'"try later",' * 1_000 + b'""]}'
    assert judgement_of(response(200, page), None, Rule(RETRY_LATER, text="try later")).action is OK


def test_a_pause_by_rule_keeps_the_wait_that_was_asked_for() -> None:
    """GitHub-style 403 and the like: the rule says what it is, the header how long."""
    assert judgement_of(response(403, Retry_After="9"), None, Rule(PAUSE, status=403)).retry_after_seconds == 9


def test_a_rule_without_a_condition_is_refused() -> None:
    """It would hide every answer of the API."""
    with pytest.raises(UsageError, match="without a condition would apply to every answer"):
        Rule(OK)


def test_an_api_error_carries_facts() -> None:
    """What becomes of an item is decided by attributes, never by an error's text."""
    error = ApiError("no", action=RETRY_LATER, status=500, excerpt="x", retry_after_seconds=2)
    assert isinstance(error, ItemError)
    assert (error.action, error.status, error.excerpt, error.retry_after_seconds) == (RETRY_LATER, 500, "x", 2)
