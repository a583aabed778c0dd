"""Retry-After as servers write it (table Waits)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from haulier.api.http.retry_after import MAX_WAIT_SECONDS, parse_http_date, retry_after, retry_after_seconds

NOW = datetime(2026, 11, 24, 8, 0, 0, tzinfo=UTC)


def seconds(value: str, **headers: str) -> float | None:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return retry_after_seconds(CIMultiDict({"Retry-After": value, **named}), NOW)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("120", 120),
        (" 120 ", 120),
        ("0", 0),
        ("1.5", 2),
        ("0.001", 1),
        ("1.0", 1),
        (".5", 1),
        ("+3", 3),
        ("-1", 0),
        ("-0.5", 0),
        ("1000000", 1_000_000),
        ("Tue, 24 Nov 2026 08:02:00 GMT", 120),
        ("tue, 24 nov 2026 08:02:00 gmt", 120),
        ("Tuesday, 24-Nov-26 08:02:00 GMT", 120),
        ("Tue Nov 24 08:02:00 2026", 120),
        ("Sun Dec  6 08:00:00 2026", 12 * 86_400),
        ("Tue, 24 Nov 2026 07:59:59 GMT", 0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("2026-11-24T08:02:00Z", 120),
        ("2026-11-24T09:02:00.5+01:00", 121),
    ],
)
def test_what_a_server_may_mean_is_read(value: str, expected: float) -> None:
    """Waits: seconds, fractions rounded up, three formats of dates, negative or past is 0, nothing is capped."""
    assert seconds(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        *("120s", "", "soon", "60, 60", "2026-11-24T08:02:00", "1e3", "nan", "inf", "0x10", "٣", "9" * 400),
        "Tue, 31 Feb 2026 08:00:00 GMT",
        "Tue, 24 Foo 2026 08:02:00 GMT",
        "Tue, 24 Nov 2026 08:02:00 +0100",
    ],
)
def test_garbage_counts_as_missing_and_is_noted(value: str) -> None:
    """Waits: unparseable = treat as missing and note it; never an exception, never zero."""
    found = retry_after(CIMultiDict({"Retry-After": value}), NOW)
    assert (found.seconds, found.unreadable) == (None, value)


def test_no_header_is_no_wait_that_was_asked_for() -> None:
    """None and 0 are different: only the second was said."""
    assert retry_after_seconds(CIMultiDict(), NOW) is None


EPOCH = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (str(EPOCH + 90), 90),
        (str(EPOCH - 90), 0),
        (f"{EPOCH + 90}.25", 91),
        (str((EPOCH + 90) * 10**3), 90),
        (str((EPOCH + 90) * 10**6), 90),
        (str((EPOCH + 90) * 10**9), 90),
        (str(EPOCH + 30 * 86_400), 30 * 86_400),
        ("999999999", MAX_WAIT_SECONDS),
        ("99999999999", MAX_WAIT_SECONDS),
        ("9" * 300, MAX_WAIT_SECONDS),
    ],
)
def test_a_number_that_is_a_moment_is_no_span(value: str, expected: float) -> None:
    """An epoch second, or a part of it, is the time at which to come back: as a span it would be a pause until 2083."""
    assert seconds(value) == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize("skew", [timedelta(hours=-7), timedelta(days=400)])
def test_a_number_that_is_a_moment_is_measured_against_the_answers_own_clock(skew: timedelta) -> None:
    there = NOW + skew
    stamp = there.strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert seconds(str(int(there.timestamp()) + 90), Date=stamp) == 90
    assert retry_after_seconds(CIMultiDict({"retry-after-ms": f"{there.timestamp() * 1000 + 90_000:.0f}"}), there) == 90


@pytest.mark.parametrize("skew", [timedelta(hours=-7), timedelta(0), timedelta(days=400)])
def test_a_date_is_measured_against_the_answers_own_clock(skew: timedelta) -> None:
    """Waits: a server whose clock is wrong, or a machine of ours, changes nothing about the wait."""
    there = NOW + skew
    stamp = "%a, %d %b %Y %H:%M:%S GMT"
    assert seconds((there + timedelta(seconds=90)).strftime(stamp), Date=there.strftime(stamp)) == 90


def test_an_unreadable_date_header_leaves_our_own_clock() -> None:
    """Better a wait by our clock than none."""
    assert seconds("Tue, 24 Nov 2026 08:02:00 GMT", Date="yesterday") == 120


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after-ms": "1500", "Retry-After": "60"}, 2),
        ({"x-ms-retry-after-ms": "250", "Retry-After": "60"}, 1),
        ({"retry-after-ms": "1", "x-ms-retry-after-ms": "90000"}, 1),
        ({"retry-after-ms": "soon", "Retry-After": "60"}, 60),
        ({"X-MS-RETRY-AFTER-MS": "2000"}, 2),
        ({"retry-after-ms": "-5"}, 0),
    ],
)
def test_milliseconds_come_first(headers: dict[str, str], expected: float) -> None:
    """Vendors, Azure services: `retry-after-ms`, `x-ms-retry-after-ms`, then `retry-after`."""
    assert retry_after_seconds(CIMultiDict(headers), NOW) == expected


def test_over_a_day_is_for_a_person() -> None:
    """Waits: > 24 h pauses the source and tells the user."""
    assert not retry_after(CIMultiDict({"Retry-After": "86400"}), NOW).is_for_a_person
    assert retry_after(CIMultiDict({"Retry-After": "86401"}), NOW).is_for_a_person


def test_two_digits_of_a_year_mean_the_near_past_or_future() -> None:
    """RFC 9110 5.6.7: more than 50 years ahead is the past century."""
    assert parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", NOW) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
    assert parse_http_date("Sunday, 06-Nov-30 08:49:37 GMT", NOW) == datetime(2030, 11, 6, 8, 49, 37, tzinfo=UTC)


def test_a_leap_second_is_a_date() -> None:
    """RFC 9110 allows a 60th second; no datetime holds one."""
    assert parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT", NOW) == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)


@given(st.text(max_size=40))
def test_no_text_raises(value: str) -> None:
    """Headers are the API's; whatever they hold, an answer is judged."""
    found = retry_after_seconds(CIMultiDict({"Retry-After": value}), NOW.astimezone(timezone(timedelta(hours=5))))
    assert found is None or found >= 0
