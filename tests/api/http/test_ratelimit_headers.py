"""What APIs say of their limits (tables Waits and Vendors)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from haulier.api.http.ratelimit_headers import NO_RATE_LIMITS, Limit, Policy, RateLimits, rate_limits, reset_seconds

NOW = datetime(2026, 11, 24, 8, 0, 0, tzinfo=UTC)
EPOCH = int(NOW.timestamp())


def read(*pairs: tuple[str, str]) -> RateLimits:
    return rate_limits(CIMultiDictProxy(CIMultiDict(pairs)), NOW)


@pytest.mark.parametrize(
    ("value", "limits"),
    [
        ('"default";r=50;t=30', [Limit("default", 50, 30)]),
        ('"a";r=0;t=30, "b";r=5', [Limit("a", 0, 30), Limit("b", 5)]),
        ('"a" ; r=1 ; t=2;pk=:Zm9vOw==:;note="x;r=9,"', [Limit("a", 1, 2)]),
        ("default;r=7", [Limit("default", 7)]),
        ('"quoted \\"name\\"";r=7', [Limit('quoted \\"name\\"', 7)]),
        ('"no remaining";t=9', []),
        ('"a";r=1.5', []),
        ("limit=100, remaining=50, reset=30", [Limit("default", 50, 30, 100)]),
        ("limit=100,remaining=0,reset=30", [Limit("default", 0, 30, 100)]),
        ("remaining=3", [Limit("default", 3)]),
    ],
)
def test_both_syntaxes_of_ratelimit_are_read(value: str, limits: list[Limit]) -> None:
    """Waits: the draft's list of items, and the older deployed pairs."""
    assert read(("RateLimit", value)).limits == tuple(limits)


@pytest.mark.parametrize(
    ("value", "policies"),
    [
        ('"burst";q=100;w=60,"daily";q=1000;w=86400', [Policy("burst", 100, 60), Policy("daily", 1000, 86400)]),
        ('"bytes";q=5000;qu="content-bytes";w=10', [Policy("bytes", 5000, 10, "content-bytes")]),
        ('"open";q=52;qu="concurrent-requests"', [Policy("open", 52, None, "concurrent-requests")]),
        ("100;w=60", [Policy("policy-0", 100, 60)]),
        ('10;w=1, 50;w=60;comment="fixed"', [Policy("policy-0", 10, 1), Policy("policy-1", 50, 60)]),
        ('"none";w=3', []),
    ],
)
def test_both_syntaxes_of_policies_are_read(value: str, policies: list[Policy]) -> None:
    """Waits: what a budget can be learned from."""
    assert read(("RateLimit-Policy", value)).policies == tuple(policies)


@pytest.mark.parametrize(
    "value",
    [
        "",
        '"default;r=50',
        '"default";r=x',
        '"a";r=-1',
        '"a";r=1,,"b";r=2',
        '"a"r=1',
        '"a";r=1,',
        ";r=1",
        "50",
        "🙂",
        '"a";R=1',
        "a b",
    ],
)
def test_a_field_that_cannot_be_read_is_ignored(value: str) -> None:
    """Waits: malformed fields MUST be ignored, the whole of each: half of a broken list may be the wrong half."""
    assert read(("RateLimit", value)) == NO_RATE_LIMITS
    assert read(("RateLimit-Policy", value)).limits == ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("30", 30),
        ("0", 0),
        ("1.5", 2),
        (str(EPOCH + 90), 90),
        (str(EPOCH - 90), 0),
        (str((EPOCH + 90) * 1000), 90),
        (str((EPOCH + 90) * 10**6), 90),
        (str((EPOCH + 90) * 10**9), 90),
        (f"{EPOCH + 90}.25", 91),
        ("Tue, 24 Nov 2026 08:02:00 GMT", 120),
        ("2026-11-24T08:02:00Z", 120),
        ("2026-11-24T09:02:00.5+01:00", 121),
        ("2026-11-24 08:02:00", None),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_a_reset_is_read_however_it_is_written(value: str, expected: float | None) -> None:
    """Waits, `X-RateLimit-*`: > 1e12 is epoch ms, > 1e9 epoch s, else seconds; texts are dates."""
    assert reset_seconds(value, NOW) == expected
    limits = read(("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", value))
    assert limits.is_exhausted
    assert limits.exhausted_seconds == expected


def test_a_reset_is_measured_against_the_answers_own_clock() -> None:
    """A skewed clock, ours or theirs, moves no reset."""
    there = NOW - timedelta(hours=5)
    date = there.strftime("%a, %d %b %Y %H:%M:%S GMT")
    reset = str(int(there.timestamp()) + 60)
    assert read(("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", reset), ("Date", date)).exhausted_seconds == 60


@pytest.mark.parametrize(
    ("pairs", "limits"),
    [
        ([("X-RateLimit-Limit", "60"), ("X-RateLimit-Remaining", "59")], [Limit("default", 59, None, 60)]),
        ([("X-Rate-Limit-Remaining", "1")], [Limit("default", 1)]),
        ([("RateLimit-Limit", "100, 100;w=60"), ("RateLimit-Reset", "5")], [Limit("default", None, 5, 100)]),
        (
            [("X-HubSpot-RateLimit-Daily-Remaining", "9"), ("X-HubSpot-RateLimit-Remaining", "0")],
            [Limit("daily", 9), Limit("default", 0)],
        ),
        ([("X-RateLimit-Remaining-Minute", "4"), ("X-RateLimit-Limit-Minute", "5")], [Limit("minute", 4, None, 5)]),
        ([("X-RateLimit-Remaining", "many"), ("X-RateLimit-Resource", "core")], []),
    ],
)
def test_vendors_variants_are_read_by_what_they_share(pairs: list[tuple[str, str]], limits: list[Limit]) -> None:
    """Vendors, `X-RateLimit-* variants (generic parser)`: each bucket for itself."""
    assert read(*pairs).limits == tuple(limits)


@pytest.mark.parametrize("value", [f'"a";r=0;t={EPOCH + 90}', f"limit=9, remaining=0, reset={EPOCH + 90}"])
def test_a_moment_in_place_of_a_span_is_read_in_both_syntaxes(value: str) -> None:
    """The draft says seconds; who sends an epoch second does not ask for half a century."""
    assert read(("RateLimit", value)).exhausted_seconds == 90


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("X-RateLimit-Reset-After", "12.5", 13),
        ("X-RateLimit-Reset-In", "12", 12),
        ("X-RateLimit-Reset-Ms", "12500", 13),
        ("X-RateLimit-Reset-After-Ms", "12500", 13),
        ("X-RateLimit-Reset-Milliseconds", str((EPOCH + 90) * 1000), 90),
        ("X-RateLimit-Reset-Time", "2026-11-24T08:02:00Z", 120),
        ("X-RateLimit-Reset-At", str(EPOCH + 90), 90),
    ],
)
def test_a_word_behind_reset_says_how_it_is_written(name: str, value: str, expected: float) -> None:
    """It names no other bucket: the reset belongs to what is left."""
    assert read(("X-RateLimit-Remaining", "0"), (name, value)).exhausted_seconds == expected


def test_the_longest_wait_of_what_is_used_up_counts() -> None:
    """Two buckets are empty: the request after the first refill would be refused by the second."""
    assert read(("RateLimit", '"a";r=0;t=3, "b";r=0;t=30, "c";r=1;t=300')).exhausted_seconds == 30
    assert not read(("RateLimit", '"c";r=1;t=300')).is_exhausted


@pytest.mark.parametrize(("age", "expected"), [("0", True), ("12", False), ("x", False)])
def test_an_answer_from_a_cache_says_nothing_about_now(age: str, expected: bool) -> None:
    """Waits: ignore on cached answers."""
    assert bool(read(("RateLimit", '"a";r=1'), ("Age", age)).limits) is expected


@pytest.mark.timeout(10)
def test_no_header_keeps_us_busy() -> None:
    """G9: a header made to defeat a pattern is read or ignored in no time."""
    for value in ('"a"' + "; " * 4_000 + '"', '"' + "\\" * 8_000, "a" * 8_000 + ";", '"a";r=1' * 1_000, ";" * 8_000):
        read(("RateLimit", value), ("RateLimit-Policy", value), ("X-RateLimit-Reset", value))


@given(
    st.text(max_size=60), st.sampled_from(["RateLimit", "RateLimit-Policy", "X-RateLimit-Reset", "RateLimit-Remaining"])
)
def test_no_text_raises(value: str, name: str) -> None:
    """Headers are the API's; whatever they hold, an answer is judged."""
    read((name, value))
