"""The settings of the sandbox, one class for each group, and what each setting does.

`haulier sandbox --help` and docs/sandbox.md are generated from them; a class's docstring is its heading.
"""

# `setting` makes a field as dataclasses.field does, which ruff cannot know.
# ruff: noqa: RUF009

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeVar

MIN_RECORD_BYTES = 200
"""Smallest size of a record. The fixed fields need it; below it, sizes would no longer be exact."""

KneeMode = Literal["queue", "thrash", "refuse"]
EmptyAs = Literal["list", "null", "absent", "object", "204", "404"]
DriftKind = Literal["none", "insert", "delete"]
LinkQuotes = Literal["double", "single", "none"]
ODataVersion = Literal["4.0", "4.01", "3.0", "2.0"]
QuotaHeaders = Literal["none", "ratelimit", "x-ratelimit"]
WaitForm = Literal["seconds", "date", "epoch", "epoch_ms", "ms", "body"]
AuthKind = Literal["bearer", "basic", "digest", "header", "query", "oauth2", "refresh", "login", "path"]
CorruptionKind = Literal[
    "length_short", "length_long", "gzip_cut", "gzip_crc", "chunked_cut", "json_stops", "html", "bom", "nan"
]

_Value = TypeVar("_Value")


def setting(default: _Value, meaning: str) -> _Value:
    """Declare a setting with its default and the sentence that users read about it."""
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True)
class DataSettings:
    """Data: the records that are served. Equal settings give equal bytes on every machine."""

    seed: int = setting(1, "The seed of the records and of the random faults.")
    records: int = setting(10_000, "The number of records.")
    record_bytes: int = setting(MIN_RECORD_BYTES, f"The size of each record; at least {MIN_RECORD_BYTES}.")
    gap_after: int = setting(0, "The ids have a gap after every gap_after records; 0: no gaps.")
    gap_ids: int = setting(0, "The number of ids that are missing in each gap.")
    is_awkward: bool = setting(
        False,
        "Records are legal JSON that changes when it is encoded again: line ends, an integer over 64 bits, a duplicate "
        "key.",
    )
    events_start: str = setting("2024-01-01T00:00:00Z", "The changed_at of the first record.")
    event_step_seconds: int = setting(60, "The seconds between two successive values of changed_at.")
    events_per_step: int = setting(1, "The number of records that share one value of changed_at.")
    is_live: bool = setting(
        False, "Records whose changed_at is still to come are not there yet: they appear as time goes by."
    )
    posts: int = setting(100, "The number of posts, which have comments.")
    comments_per_post: int = setting(5, "The average number of comments of a post; some posts have none.")
    is_post_left_out: bool = setting(
        False, "Comments do not contain the id of their post, and their ids start at 1 in each post."
    )
    comments_missing_every: int = setting(
        0, "The comments of each post whose id is a multiple of this are answered with status 404; 0: never."
    )
    gzip: bool = setting(False, "Answers are compressed for clients that accept gzip.")


@dataclass(frozen=True)
class PagingSettings:
    """Paging: how lists are divided into pages, and what is wrong with the pages."""

    page_size: int = setting(100, "The most records in a page. A greater limit is lowered silently, as real APIs do.")
    max_limit_413: int = setting(0, "A limit above this number is refused with status 413; 0: never.")
    cap_rows: int = setting(
        0, "A query with more rows than this is refused with status 400 and RESULT_WINDOW_TOO_LARGE; 0: never."
    )
    is_cap_silent: bool = setting(
        False, "A query above cap_rows is not refused: it gives its first cap_rows rows, and the true total."
    )
    total_cap: int = setting(
        0,
        "The greatest total that is reported, as search servers cap it. Lists by offset then have the key `relation`: "
        "eq, or gte where there are more rows. 0: no cap.",
    )
    token_ttl_seconds: float = setting(0.0, "A cursor or page token that is older, or unknown, is refused; 0: never.")
    token_expired_status: int = setting(400, "The status of an answer to an expired token: 400 or 410.")
    is_sort_unstable: bool = setting(
        False,
        "Records with the same changed_at change their order from page to page of /events by offset: some come twice, "
        "others never, and the total is right. Needs events_per_step above 1.",
    )
    drift: DriftKind = setting(
        "none",
        "While a client pages, rows appear (insert) or vanish (delete) before its place: offsets repeat or skip rows, "
        "and totals change. With insert, every tenth row is missing at first.",
    )
    drift_every_requests: int = setting(
        1, "The number of pages for which one row appears or vanishes; last pages do not count."
    )
    drift_rows: int = setting(0, "The number of rows that appear or vanish before the list stops changing; 0: no end.")
    hidden_after: int = setting(0, "Rows are hidden after every hidden_after records; 0: no row is hidden.")
    hidden_rows: int = setting(
        0,
        "The number of rows hidden each time, as rows that a user may not see. They are removed after the page was "
        "cut; offsets and totals count them.",
    )
    total_extra: int = setting(0, "A number added to every total and count, so that it is wrong; may be negative.")
    empty_as: EmptyAs = setting(
        "list",
        "How a page without records looks: an empty list (list); null or an empty object instead of the list; no such "
        "key (absent); or an answer with status 204 or 404. For absent, a list that is the whole body stays a list.",
    )
    is_end_in_header: bool = setting(
        False, "The last page of a list by cursor has the header X-Last-Page: true, and a cursor that leads to itself."
    )
    is_cursor_stuck: bool = setting(False, "The cursor of every page but the last leads to the first page.")
    is_token_repeated: bool = setting(False, "The last page of /items and /items_token repeats its own token.")
    link_quotes: LinkQuotes = setting("double", "The quotes around rel in the links of /items_link.")
    is_link_endless: bool = setting(
        False, 'The last page of /items_link has a next link too, with results="false"; the others have "true".'
    )
    is_filter_dropped: bool = setting(False, "The links of /items_link lack from_id and to_id.")
    link_host: str = setting(
        "",
        "Scheme and host in the links of /items_link, /items_links and /items_next_url, such as http://inner:8080; "
        "empty: as the client wrote them.",
    )
    odata_version: ODataVersion = setting(
        "4.0",
        "The version of OData, which names the link of /odata/items: @odata.nextLink (4.0), @nextLink (4.01), "
        "odata.nextLink (3.0) or d.__next (2.0, with the records at d.results); the count likewise.",
    )
    is_expand_cut: bool = setting(
        False, "Each record of /odata/items contains a list that the server has cut, with a next link of its own."
    )


@dataclass(frozen=True)
class SpeedSettings:
    """Speed: how long an answer takes."""

    latency_seconds: float = setting(0.0, "The time from a request to its answer.")
    jitter_seconds: float = setting(0.0, "A random time added to the latency, evenly distributed from 0 to this.")
    latency_sigma: float = setting(
        0.0, "Gives latency a long tail: it is multiplied by a lognormal draw with this sigma and median 1."
    )
    first_page_seconds: float = setting(
        0.0, "A time added for a page without cursor or offset, as for a query that is not cached yet."
    )
    clock_ahead_seconds: float = setting(
        0.0, "The time by which the API's clock is ahead of this machine's; may be negative. HEAD shows it in Date."
    )
    straggler_rate: float = setting(0.0, "The share of answers that take five times as long.")
    knee: int = setting(0, "The number of requests that the API can serve at the same time; 0: no limit.")
    knee_mode: KneeMode = setting(
        "queue",
        "What happens to more requests than that: the others wait in line (queue); all of the n in flight take "
        "(n/knee)^1.5 times as long, so that throughput falls (thrash); or the others are refused without Retry-After "
        "(refuse).",
    )


@dataclass(frozen=True)
class FaultSettings:
    """Faults: at random (a rate is a share of requests, 0.0 to 1.0; one fault a request), by time, and in the data."""

    error_rate_500: float = setting(0.0, "The share of requests answered with status 500.")
    error_rate_429: float = setting(0.0, "The share of requests answered with status 429 and Retry-After.")
    burst_429: int = setting(1, "The number of such 429s that come in a row; error_rate_429 counts all of them.")
    error_rate_200: float = setting(0.0, 'The share of requests answered with status 200 and {"error": ...}.')
    cut_rate: float = setting(0.0, "The share of answers whose connection closes after half of the body.")
    corrupt_rate: float = setting(0.0, "The share of answers whose body is wrong, in each of corrupt_kinds in turn.")
    corrupt_kinds: tuple[CorruptionKind, ...] = setting(
        (),
        "The ways in which a body is wrong: Content-Length too small (length_short) or too large (length_long); half "
        "of a gzip stream whose length agrees (gzip_cut); a wrong gzip checksum (gzip_crc); no last chunk "
        "(chunked_cut); JSON that stops (json_stops); a page of HTML (html); a BOM before the JSON (bom); NaN in a "
        "record (nan). If none is named: all of them.",
    )
    hang_rate: float = setting(0.0, "The share of requests that get no answer.")
    hang_seconds: float = setting(
        3600.0, "The time after which the connection of a request without answer is closed, if the client still waits."
    )
    outages: tuple[tuple[float, float], ...] = setting(
        (), "The start and end of each outage, in seconds since the sandbox started."
    )
    is_down: bool = setting(False, "The API is down until this setting is changed.")
    outage_status: int = setting(503, "The status of answers in an outage; 0: the connection closes without an answer.")
    unreadable_ids: tuple[int, ...] = setting((), "A page that contains one of these records is not valid JSON.")
    failing_ids: tuple[int, ...] = setting(
        (), "A page that contains one of these records is always answered with failing_status."
    )
    failing_status: int = setting(500, "The status of answers for failing_ids.")


@dataclass(frozen=True)
class LimitSettings:
    """Limits: how many requests the API allows. Requests during a pause that it asked for are counted as early."""

    quota: int = setting(
        0,
        "The number of requests allowed in a window; the others are answered with status 429, and Retry-After until "
        "the window ends. 0: no quota.",
    )
    quota_seconds: float = setting(60.0, "The length of a window; the first one starts with the sandbox.")
    quota_headers: QuotaHeaders = setting(
        "none",
        "The headers in which each answer reports the quota: RateLimit and RateLimit-Policy (ratelimit); or "
        "X-RateLimit-Limit, -Remaining and -Reset, in seconds since 1970 (x-ratelimit).",
    )
    rate_per_second: float = setting(
        0.0, "The rate at which a token bucket refills; each request takes one token. 0: no bucket."
    )
    bucket: int = setting(
        1, "The number of tokens that the bucket holds. When it is empty: status 429, with retry_after_seconds."
    )
    refuse_above: int = setting(
        0, "With more requests than this in flight, the others are refused with retry_after_seconds; 0: never."
    )
    refuse_status: int = setting(429, "The status of an answer that refuses a request for load: 429 or 503.")
    retry_after_seconds: int = setting(
        1, "The wait that 429s and refusals ask for; 0: no answer names a wait, not even for the quota."
    )
    wait_form: WaitForm = setting(
        "seconds",
        "How an answer names the wait: in Retry-After in seconds (seconds), as a date (date), in seconds (epoch) or "
        "milliseconds (epoch_ms) since 1970, or in milliseconds (ms); or as retry_in in the body, in seconds (body).",
    )
    early_grace_seconds: float = setting(
        0.05, "Requests that arrive within this time after a pause was asked for do not count as early."
    )


@dataclass(frozen=True)
class AccessSettings:
    """Access: the credentials that the API requires."""

    token: str | None = setting(
        None,
        "The secret that every request must carry: a token or key; USER:PASSWORD for basic, digest and login; the "
        "client secret for oauth2; the first refresh token for refresh. Without one, anybody may ask.",
    )
    auth: AuthKind = setting(
        "bearer",
        "How a request carries the secret: as Authorization: Bearer (bearer), Basic (basic) or Digest (digest); in the "
        "header X-Api-Key (header); in the parameter api_key (query); in front of every path (path); as a token from "
        "POST /oauth2/token, by client credentials (oauth2) or by a refresh token that is good once (refresh): an old "
        "one ends the grant; or as a session from POST /session (login), by its token or its cookie SID.",
    )
    client_id: str = setting("sandbox", "The client id that may fetch access tokens (oauth2, refresh).")
    access_token_seconds: float = setting(3600.0, "The lifetime of an access token (oauth2, refresh, login).")
    access_token_answers: int = setting(
        0, "The number of answers after which an access token is revoked (oauth2, refresh, login); 0: never."
    )
    is_one_access_token: bool = setting(False, "Each new access token revokes the older ones (oauth2, refresh, login).")
