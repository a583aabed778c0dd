"""The sandbox's settings by what they are about: a class a group, a line a setting, each with what it does.

`haulier sandbox --help` and docs/sandbox.md are made of these: the first line of a class is its heading.
"""

# `setting` makes a field as dataclasses.field does, which ruff cannot know.
# ruff: noqa: RUF009

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeVar

# Below this the fixed fields of a record would not fit, and a size would no longer be exact.
MIN_RECORD_BYTES = 200

KneeMode = Literal["queue", "thrash", "refuse"]
EmptyAs = Literal["list", "null", "absent", "object", "204", "404"]
DriftKind = Literal["none", "insert", "delete"]
LinkQuotes = Literal["double", "single", "none"]
ODataVersion = Literal["4.0", "4.01", "3.0"]
QuotaHeaders = Literal["none", "ratelimit", "x-ratelimit"]
WaitForm = Literal["seconds", "date", "epoch", "epoch_ms", "ms", "body"]
AuthKind = Literal["bearer", "basic", "header", "query", "oauth2"]
CorruptionKind = Literal[
    "length_short", "length_long", "gzip_cut", "gzip_crc", "chunked_cut", "json_stops", "html", "bom", "nan"
]

_Value = TypeVar("_Value")


def setting(default: _Value, meaning: str) -> _Value:
    """A field of a group, with what it does in words for whoever sets it."""
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True)
class DataSettings:
    """Data: what is served. Equal settings, equal bytes, on every machine."""

    seed: int = setting(1, "Records and faults are drawn from it.")
    records: int = setting(10_000, "How many records there are.")
    record_bytes: int = setting(MIN_RECORD_BYTES, f"The size of a record; {MIN_RECORD_BYTES} or more.")
    gap_after: int = setting(0, "After each so many records, ...")
    gap_ids: int = setting(0, "... so many ids are missing.")
    is_awkward: bool = setting(
        False, "Legal JSON that re-encoding breaks: line ends, an integer over 64 bits, a key twice."
    )
    event_step_seconds: int = setting(60, "changed_at moves on by so much ...")
    events_per_step: int = setting(1, "... after so many records.")
    posts: int = setting(100, "How many posts there are; they have comments.")
    comments_per_post: int = setting(5, "Comments of a post, on average; some have none.")
    is_post_left_out: bool = setting(False, "Comments do not say whose they are, and are numbered from 1 in each post.")
    comments_missing_every: int = setting(0, "The comments of each so many-th post are a 404; 0: of none.")
    gzip: bool = setting(False, "Answers are compressed for clients that accept it.")


@dataclass(frozen=True)
class PagingSettings:
    """Paging: how lists are given out, and what is wrong with them."""

    page_size: int = setting(100, "Most records in a page; a greater limit is lowered without a word, as real APIs do.")
    max_limit_413: int = setting(0, "A limit above this is a 413 instead; 0: never.")
    cap_rows: int = setting(0, "A query over more rows is a 400 with RESULT_WINDOW_TOO_LARGE; 0: never.")
    is_cap_silent: bool = setting(False, "Such a query gives its first cap_rows rows instead, and the true total.")
    total_cap: int = setting(
        0,
        "Totals end at this number, as those of search servers do; where there is an offset, `relation` stands beside "
        "them: eq, or gte where there are more. 0: they do not end.",
    )
    token_ttl_seconds: float = setting(0.0, "A cursor or token that is older, or unknown, is refused; 0: never.")
    token_expired_status: int = setting(400, "The status of that: 400 or 410.")
    is_sort_unstable: bool = setting(
        False,
        "Records of equal changed_at stand in another order on each page of /events by offset: some come twice, others "
        "never, and the total fits. It takes events_per_step above 1.",
    )
    drift: DriftKind = setting(
        "none",
        "Rows appear (insert) or vanish (delete) before the place of a walk: offsets repeat or skip rows, totals move. "
        "With insert, each tenth row is missing at first.",
    )
    drift_every_requests: int = setting(1, "So often: after each so many-th page that is not a last one.")
    drift_rows: int = setting(0, "So many rows in all, then the list stands still; 0: it never does.")
    hidden_after: int = setting(0, "After each so many records, ...")
    hidden_rows: int = setting(
        0,
        "... so many are left out of their page once it was cut, as are rows that a user may not see. Offsets and "
        "totals count them.",
    )
    total_extra: int = setting(0, "Added to every total and count: a promise that is not kept; may be negative.")
    empty_as: EmptyAs = setting(
        "list",
        "What a page without records looks like: an empty list; null or an empty object in its place; nothing in its "
        "place (absent); or no page at all, by status 204 or 404. A root array stays a list where it would be absent.",
    )
    is_end_in_header: bool = setting(
        False, "The last page of a list by cursor says so by X-Last-Page: true; its cursor leads to itself."
    )
    is_cursor_stuck: bool = setting(False, "Every page but the last is followed by the first page again.")
    is_token_repeated: bool = setting(False, "The last page of /items and /items_token holds its own token again.")
    link_quotes: LinkQuotes = setting("double", "How /items_link writes rel: in quotes of this kind, or in none.")
    is_link_endless: bool = setting(
        False, 'The last page of /items_link has a next link too, with results="false" (the others: "true").'
    )
    is_filter_dropped: bool = setting(False, "The links of /items_link lack from_id and to_id.")
    odata_version: ODataVersion = setting(
        "4.0", "How /odata/items calls its link and count: @odata.nextLink, @nextLink (4.01), odata.nextLink (3.0)."
    )
    is_expand_cut: bool = setting(
        False, "Each record of /odata/items holds a list that the server has cut, with a next link of its own."
    )


@dataclass(frozen=True)
class SpeedSettings:
    """Speed: how long an answer takes."""

    latency_seconds: float = setting(0.0, "From the request to its answer.")
    jitter_seconds: float = setting(0.0, "Up to so much more, evenly.")
    latency_sigma: float = setting(
        0.0, "A long tail: latency is multiplied by a lognormal draw of this sigma and median 1."
    )
    first_page_seconds: float = setting(
        0.0, "More for a page without cursor or offset, as for a query that is not cached yet."
    )
    straggler_rate: float = setting(0.0, "The share of answers that take five times as long.")
    knee: int = setting(0, "So many requests can be served side by side; 0: any number.")
    knee_mode: KneeMode = setting(
        "queue",
        "With more in flight: the others wait in line (queue); all take (n/knee)^1.5 times as long, so that fewer get "
        "through (thrash); or the others are refused, without Retry-After (refuse).",
    )


@dataclass(frozen=True)
class FaultSettings:
    """Faults: by chance (rates are shares of requests, 0.0 to 1.0; at most one a request), by time, and in the data."""

    error_rate_500: float = setting(0.0, "Status 500.")
    error_rate_429: float = setting(0.0, "Status 429, with Retry-After.")
    burst_429: int = setting(1, "Such a 429 is the first of so many in a row: the rate counts them all.")
    error_rate_200: float = setting(0.0, 'Status 200 with {"error": ...}.')
    cut_rate: float = setting(0.0, "Half the body, then the connection closes.")
    corrupt_rate: float = setting(0.0, "A body that is wrong in one of corrupt_kinds, in turn.")
    corrupt_kinds: tuple[CorruptionKind, ...] = setting(
        (),
        "Content-Length too small (length_short) or too large (length_long); half of a gzip stream whose length agrees "
        "(gzip_cut); its checksum wrong (gzip_crc); no last chunk (chunked_cut); JSON that stops (json_stops); a page "
        "of HTML (html); a BOM before the JSON (bom); NaN in a record (nan). None named: all of them.",
    )
    hang_rate: float = setting(0.0, "No answer until the client leaves, or ...")
    hang_seconds: float = setting(3600.0, "... after so long, when the connection is closed.")
    outages: tuple[tuple[float, float], ...] = setting((), "From and to of each, in seconds since the start.")
    is_down: bool = setting(False, "An outage until this is changed.")
    outage_status: int = setting(503, "The answer in an outage; 0: the connection is closed without one.")
    unreadable_ids: tuple[int, ...] = setting((), "A page with such a record is not valid JSON.")
    failing_ids: tuple[int, ...] = setting((), "A page with such a record is always a 500.")


@dataclass(frozen=True)
class LimitSettings:
    """Limits: what the API lets through. Requests before the end of a pause that it asked for are counted as early."""

    quota: int = setting(0, "Requests in a window; then 429, with Retry-After to the window's end. 0: no quota.")
    quota_seconds: float = setting(60.0, "The length of a window; the first begins with the sandbox.")
    quota_headers: QuotaHeaders = setting(
        "none",
        "How each answer tells the quota: RateLimit and RateLimit-Policy (ratelimit), or X-RateLimit-Limit, -Remaining "
        "and -Reset, in seconds since 1970 (x-ratelimit).",
    )
    rate_per_second: float = setting(0.0, "A bucket that so many requests a second flow into, ...")
    bucket: int = setting(1, "... and that holds so many; when it is empty, 429 with retry_after_seconds.")
    refuse_above: int = setting(0, "With more requests in flight, the others are refused with retry_after_seconds.")
    refuse_status: int = setting(429, "The status of refusals by load: 429 or 503.")
    retry_after_seconds: int = setting(1, "Goes with every 429 and refusal; 0: no such header, not even for a quota.")
    wait_form: WaitForm = setting(
        "seconds",
        "How it tells the wait: Retry-After in seconds, as a date, in seconds (epoch) or milliseconds (epoch_ms) since "
        "1970, or in milliseconds (ms); or retry_in in the body, in seconds (body).",
    )
    early_grace_seconds: float = setting(0.05, "Requests already under way when a pause was told are not early.")


@dataclass(frozen=True)
class AccessSettings:
    """Access: who may ask."""

    token: str | None = setting(
        None,
        "The secret that every request must carry: a token or key; USER:PASSWORD for basic; the client secret for "
        "oauth2.",
    )
    auth: AuthKind = setting(
        "bearer",
        "How it is carried: Authorization: Bearer; basic; the header X-Api-Key (header); the parameter api_key "
        "(query); a token from POST /oauth2/token by client credentials (oauth2).",
    )
    client_id: str = setting("sandbox", "Who asks for a token (oauth2).")
    access_token_seconds: float = setting(3600.0, "How long an issued token is good (oauth2).")
    access_token_answers: int = setting(0, "After so many answers an issued token is revoked (oauth2); 0: never.")
    is_one_access_token: bool = setting(False, "Each new token revokes the older ones (oauth2).")
