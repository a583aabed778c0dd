"""The answers of the sandbox without faults, path by path: pure functions of the settings and the request."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache

from haulier.testing.sandbox import family, later, pages, search, table
from haulier.testing.sandbox.data import id_at, rank_of, record_at
from haulier.testing.sandbox.drift import Drift
from haulier.testing.sandbox.listing import Listing, make_listing, serve
from haulier.testing.sandbox.question import NO_HEAD, BadQuestionError, Question, read_question, read_whole_number
from haulier.testing.sandbox.setting_groups import MIN_RECORD_BYTES
from haulier.testing.sandbox.settings import MAX_BODY_BYTES, SandboxSettings
from haulier.testing.sandbox.wire import Answer, RequestHead, error

REGIONS = ("north", "east", "south", "west")
_BLOB_RECORDS = 100
_BLOB_PAGES = 32
"""Different pages of each size; the cache holds them, and benchmarks may request any number."""


def answer(
    settings: SandboxSettings,
    target: str,
    head: RequestHead = NO_HEAD,
    body: bytes = b"",
    *,
    method: str = "GET",
    drift: Drift | None = None,
) -> Answer:
    """Answer a request for ``target``, a path with its query. A wrong request is a 4xx that says why.

    The answer depends on the target, the headers in `Path.varies`, and the body of a POST.
    """
    try:
        question = read_question(target, head, body)
        for path in PATHS:
            if match := path.pattern.fullmatch(question.path):
                if path.method != method:
                    return error(405, f"{question.path} does not support {method}. Use {path.method}.")
                return path.answer(settings, replace(question, parts=match.groups()), drift)
    except BadQuestionError as exc:
        return exc.answer
    return error(404, f"No such path: {question.path}. Available: {', '.join(path.path for path in PATHS)}.")


def _count(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    return Answer(200, b'{"count":%d}' % Listing(replace(settings, total_cap=0), drift, 0, settings.records).promised)


def _newest(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    if not settings.records:
        raise BadQuestionError("There are no items.", 404)
    return Answer(200, b'{"id":%d}' % id_at(settings, settings.records - 1))


def _item(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    record_id = read_whole_number("id", question.parts[0])
    rank = rank_of(settings, record_id)
    is_there = rank < settings.records and id_at(settings, rank) == record_id
    if not is_there or (drift is not None and not drift.is_there(rank)):
        raise BadQuestionError(f"There is no item {record_id}.", 404)
    if record_id in settings.failing_ids:
        return error(settings.failing_status, "Internal error.")
    return Answer(200, serve(settings, rank))


def _regions(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    rows = [b'{"code":"%s","items":%d}' % (name.encode(), _region(settings, drift, name).total) for name in REGIONS]
    return Answer(200, b"[%s]" % b",".join(rows))


def _region_items(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    name = question.parts[0]
    if name not in REGIONS:
        raise BadQuestionError(f"There is no region {name}. Available: {', '.join(REGIONS)}.", 404)
    region = _region(settings, drift, name)
    listing = make_listing(settings, drift, region.first, region.last)
    return pages.cursor_page(listing, question, name, question.query.get("cursor"))


def _region(settings: SandboxSettings, drift: Drift | None, name: str) -> Listing:
    place = REGIONS.index(name)
    first, last = (settings.records * each // len(REGIONS) for each in (place, place + 1))
    return Listing(settings, drift, first, last)


def _blob(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    size = question.whole_number("bytes", 20_000)
    if not _BLOB_RECORDS * MIN_RECORD_BYTES <= size <= MAX_BODY_BYTES:
        raise BadQuestionError(f"bytes is {size}; write {_BLOB_RECORDS * MIN_RECORD_BYTES} to {MAX_BODY_BYTES}.")
    return _blob_page(
        replace(settings, record_bytes=size // _BLOB_RECORDS), question.whole_number("n", 0) % _BLOB_PAGES
    )


@lru_cache(maxsize=4 * _BLOB_PAGES)
def _blob_page(settings: SandboxSettings, index: int) -> Answer:
    ranks = range(index * _BLOB_RECORDS, (index + 1) * _BLOB_RECORDS)
    return Answer(200, b'{"records":[' + b",".join(record_at(settings, rank) for rank in ranks) + b"]}")


@dataclass(frozen=True)
class Path:
    """A path: its parameters, its answer, and the ``pages`` with which a source file of haulier reads it."""

    path: str
    takes: str
    gives: str
    answer: Callable[[SandboxSettings, Question, Drift | None], Answer]
    pages: str = ""
    method: str = "GET"
    varies: tuple[bytes, ...] = ()
    """The headers of the request on which the answer depends."""
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile(re.sub("ID|CODE", "([^/]+)", re.escape(self.path))))


_IDS = "from_id, to_id, limit"

PATHS = (
    Path(
        "/items", f"{_IDS}, cursor", '{"items":[...],"next":cursor or null,"total":n}', pages.by_cursor,
        '{ cursor = "next", query = "cursor" }',
    ),
    Path(
        "/items_offset", f"{_IDS}, offset", '{"items":[...],"offset":n,"limit":n,"total":n}', pages.by_offset,
        '{ offset = "offset", limit = 100 }',
    ),
    Path(
        "/items_page", "from_id, to_id, per_page, page",
        '{"items":[...],"page":n,...}, X-Total-Pages; 400 past the end', pages.by_page,
        '{ page = "page", size = 100, pages_header = "X-Total-Pages" }',
    ),
    Path(
        "/items_seek", f"{_IDS}, after_id", '{"items":[...],"has_more":true,"total":n}', pages.by_seek,
        '{ seek = "id", query = "after_id", more = "has_more" }',
    ),
    Path(
        "/items_token", f"{_IDS}, pageToken", '{"items":[...],"nextPageToken":"...","total":n}', pages.by_token,
        '{ cursor = "nextPageToken", query = "pageToken" }',
    ),
    Path(
        "/items_header", f"{_IDS}; header X-Next-Token, or token", '{"items":[...],"total":n}, X-Next-Token',
        pages.by_header_token, '{ cursor_header = "X-Next-Token", header = "X-Next-Token" }',
        varies=(b"x-next-token",),
    ),
    Path(
        "/items_link", f"{_IDS}, page", "[...], Link with rel=next and rel=last, X-Total-Count", pages.by_link,
        '"link"', varies=(b"host",),
    ),
    Path(
        "/items_next_url", f"{_IDS}, cursor", '{"items":[...],"links":{"next":"http://..."},"total":n}',
        pages.by_next_url, '{ next_url = "links.next" }', varies=(b"host",),
    ),
    Path(
        "/items_continue", f"{_IDS}; then all keys of continue",
        '{"items":[...],"continue":{"cursor":"...","continue":"-||"},"total":n}', pages.by_continue,
        '{ continue = "continue" }',
    ),
    Path(
        "/items_links", f"{_IDS}, cursor", '{"items":[...],"links":[{"rel":"next","href":"http://..."}],"total":n}',
        pages.by_link_list, '{ links = "links" }', varies=(b"host",),
    ),
    Path(
        "/items_relative", f"{_IDS}; then locator alone",
        '{"records":[...],"done":false,"nextRecordsUrl":"/...","totalSize":n}', pages.by_relative_url,
        '{ next_url = "nextRecordsUrl", done = "done" }',
    ),
    Path(
        "/odata/items", "$filter or from_id, to_id; $count, $top; Prefer: odata.maxpagesize",
        '{"value":[...],"@odata.count":n,"@odata.nextLink":"http://..."}', pages.by_odata,
        '"odata"', varies=(b"host", b"prefer"),
    ),
    Path(
        "/search", '{"query":{"from_id":1,"to_id":9},"limit":100,"cursor":"..."}',
        '{"items":[...],"cursor":"..." or null,"total":n}', pages.by_search,
        '{ cursor = "cursor", body = "cursor" }', method="POST",
    ),
    Path(
        "/graphql", '{"query":"query ($after: String) { items(...) {...} }","variables":{"from_id":1,"first":100}}',
        '{"data":{"items":{"nodes":[...],"pageInfo":{"endCursor":"...","hasNextPage":true},"totalCount":n}}}',
        pages.by_graphql, '{ page_info = "data.items.pageInfo" }', method="POST",
    ),
    Path(
        "/events", "since, until, limit, cursor or offset", "as /items or /items_offset; by changed_at",
        pages.events, '{ cursor = "next", query = "cursor" }',
    ),
    Path(
        "/items_lines", f"{_IDS}, offset", "a record a line, X-Total-Count", pages.by_lines,
        '{ offset = "offset", limit = 100 }',
    ),
    Path(
        "/items_csv", f"{_IDS}, offset", "a table in CSV, X-Total-Count", table.by_table,
        '{ offset = "offset", limit = 100 }',
    ),
    Path(
        "/feed", "limit; since, or cursor", '{"items":[...],"next":"..."}, "sync" in place of next at the end; 410',
        later.by_feed, '{ cursor = "next", query = "cursor" }',
    ),
    Path(
        "/exports", '{"query":{"from_id":1,"to_id":9}}', '202, {"id":"..."}, Location', later.start_export,
        method="POST",
    ),
    Path("/exports/ID", "", '{"state":"done","count":n,"files":["/exports/ID/items"]}', later.export),
    Path("/exports/ID/items", "", '{"items":[...]}, the file', later.export_file, '"single"'),
    Path("/items/newest", "", '{"id":n}', _newest),
    Path("/count", "", '{"count":n}', _count),
    Path("/item/ID", "", "the record itself, or 404", _item),
    Path("/regions", "", '[{"code":"north","items":n},...]', _regions, '"single"'),
    Path(
        "/regions/CODE/items", "limit, cursor", "as /items; each region has a quarter of the records", _region_items,
        '{ cursor = "next", query = "cursor" }',
    ),
    Path(
        "/posts", "limit, cursor", '{"posts":[...],"next":cursor or null,"total":n}', family.posts,
        '{ cursor = "next", query = "cursor" }',
    ),
    Path("/posts/ID", "", "the post itself, or 404", family.post),
    Path(
        "/posts/ID/comments", "limit, cursor", '{"comments":[...],"next":cursor or null,"total":n}',
        family.comments_of, '{ cursor = "next", query = "cursor" }',
    ),
    Path(
        "/comments", "post_id, limit, cursor", "as /posts/ID/comments", family.comments,
        '{ cursor = "next", query = "cursor" }',
    ),
    Path("/", "", '{"version":{"number":"8.19.0"}}: it is Elasticsearch, too', search.root),
    Path("/events/_field_caps", "fields", '{"indices":["events"],"fields":{"changed_at":...}}', search.fields),
    Path(
        "/events/_search", '{"size":100,"query":{"bool":{"filter":[{"range":{"changed_at":{...}}}]}}}',
        '{"hits":{"total":{...},"hits":[{"_id":"1","_source":record},...]}}', search.search, method="POST",
    ),
    Path("/events/_pit", "keep_alive", '{"id":"..."}: a point in time', search.open_point, method="POST"),
    Path(
        "/_search", "as /events/_search, with pit, sort by _shard_doc, search_after and slice", "the same, with pit_id",
        search.search, method="POST",
    ),
    Path("/_pit", '{"id":"..."}', '{"succeeded":true,"num_freed":1}', search.close_point, method="DELETE"),
    Path("/blob", "bytes, n", '{"records":[...]}: 100 records of about this many bytes in all, page n of 32', _blob),
)  # fmt: skip
"""Every path, in the order of the help and of docs/sandbox.md."""

VARYING_HEADERS = {path.path.encode(): path.varies for path in PATHS if path.varies}
"""Maps paths without a placeholder to the headers on which their answers depend."""
POST_TARGETS = frozenset(path.path.encode() for path in PATHS if path.method == "POST")
DELETE_TARGETS = frozenset(path.path.encode() for path in PATHS if path.method == "DELETE")
