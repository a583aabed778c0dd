"""What the sandbox answers when nothing goes wrong: a pure function of the settings and the request target."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

import msgspec

from haulier.testing.sandbox_data import EVENTS_START, id_at, rank_of, rank_since, record_at, time_at
from haulier.testing.sandbox_settings import MAX_BODY_BYTES, MIN_RECORD_BYTES, SandboxSettings

_BLOB_RECORDS = 100
# Benchmarks ask for any number of pages; so many different ones are kept of each size.
_BLOB_PAGES = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a JSON body. ``is_first_page``: it may cost the API more than the pages after it."""

    status: int
    body: bytes
    is_first_page: bool = False
    retry_after_seconds: int = 0


def answer(settings: SandboxSettings, target: str) -> Answer:
    """The answer to GET ``target`` (a path with its query). What a client gets wrong is a 400 or 404 that says why."""
    try:
        path, query_text = urlsplit(target)[2:4]
        query = dict(parse_qsl(query_text, keep_blank_values=True, strict_parsing=bool(query_text)))
        if path.startswith("/item/"):
            return _item(settings, path.removeprefix("/item/"))
        if path in _ROUTES:
            return _ROUTES[path](settings, query)
    except _BadRequestError as exc:
        return error(400, str(exc))
    except ValueError as exc:
        return error(400, f"The query cannot be read: {exc}")
    return error(404, f"No such path: {path}. There are: {', '.join(_ROUTES)}, /item/ID.")


def error(status: int, message: str, retry_after_seconds: int = 0) -> Answer:
    """An answer as APIs word their errors: ``{"error": message}``."""
    return Answer(status, msgspec.json.encode({"error": message}), retry_after_seconds=retry_after_seconds)


class _BadRequestError(Exception):
    """The client's query is wrong; the text says how."""


def _items(settings: SandboxSettings, query: dict[str, str]) -> Answer:
    """[from_id, to_id), paged by cursor."""
    return _cursor_page(settings, query, "items", *_id_span(settings, query))


def _items_offset(settings: SandboxSettings, query: dict[str, str]) -> Answer:
    """[from_id, to_id), paged by offset."""
    return _offset_page(settings, query, *_id_span(settings, query))


def _events(settings: SandboxSettings, query: dict[str, str]) -> Answer:
    """Changed in [since, until), paged by cursor, or by offset where one is given."""
    first = rank_since(settings, _time(query, "since", EVENTS_START))
    last = rank_since(settings, _time(query, "until", time_at(settings, settings.records + settings.events_per_step)))
    if "offset" in query:
        return _offset_page(settings, query, first, max(first, last))
    return _cursor_page(settings, query, "events", first, max(first, last))


def _newest(settings: SandboxSettings, query: dict[str, str]) -> Answer:
    if not settings.records:
        return error(404, "There are no items.")
    return Answer(200, b'{"id":%d}' % id_at(settings, settings.records - 1))


def _count(settings: SandboxSettings, query: dict[str, str]) -> Answer:
    return Answer(200, b'{"count":%d}' % (settings.records + settings.total_extra))


def _item(settings: SandboxSettings, text: str) -> Answer:
    record_id = _whole({"id": text}, "id", 0)
    rank = rank_of(settings, record_id)
    if rank >= settings.records or id_at(settings, rank) != record_id:
        return error(404, f"There is no item {record_id}.")
    if record_id in settings.failing_ids:
        return error(500, "Internal error.")
    return Answer(200, _served(settings, rank))


def _blob(settings: SandboxSettings, query: dict[str, str]) -> Answer:
    """About ``bytes`` bytes in 100 records; ``n`` selects one of 32 pages."""
    size = _whole(query, "bytes", 20_000)
    if not _BLOB_RECORDS * MIN_RECORD_BYTES <= size <= MAX_BODY_BYTES:
        raise _BadRequestError(f"bytes is {size}; ask for {_BLOB_RECORDS * MIN_RECORD_BYTES} to {MAX_BODY_BYTES}.")
    return _blob_page(replace(settings, record_bytes=size // _BLOB_RECORDS), _whole(query, "n", 0) % _BLOB_PAGES)


@lru_cache(maxsize=4 * _BLOB_PAGES)
def _blob_page(settings: SandboxSettings, index: int) -> Answer:
    ranks = range(index * _BLOB_RECORDS, (index + 1) * _BLOB_RECORDS)
    return Answer(200, b'{"records":[' + b",".join(record_at(settings, rank) for rank in ranks) + b"]}")


_ROUTES: dict[str, Callable[[SandboxSettings, dict[str, str]], Answer]] = {
    "/items": _items,
    "/items_offset": _items_offset,
    "/items/newest": _newest,
    "/count": _count,
    "/events": _events,
    "/blob": _blob,
}


def _cursor_page(settings: SandboxSettings, query: dict[str, str], route: str, first: int, last: int) -> Answer:
    limit = _limit(settings, query)
    bound = f"{route} {first} {last} {settings.seed}"
    cursor = query.get("cursor")
    start = first if cursor is None else _read_cursor(cursor, bound)
    stop = min(start + limit, last)
    following = first if settings.is_cursor_stuck else stop
    sign = b',"next":"%s"' % _write_cursor(following, bound) if stop < last else b',"next":null'
    return _page(settings, start, stop, sign, last - first, is_first_page=cursor is None)


def _offset_page(settings: SandboxSettings, query: dict[str, str], first: int, last: int) -> Answer:
    """Echoes the limit that was really used, as the good ones among such APIs do."""
    limit = _limit(settings, query)
    offset = _whole(query, "offset", 0)
    start = min(first + offset, last)
    echo = b',"offset":%d,"limit":%d' % (offset, limit)
    return _page(settings, start, min(start + limit, last), echo, last - first, is_first_page=not offset)


def _page(
    settings: SandboxSettings, start: int, stop: int, fields: bytes, total: int, *, is_first_page: bool
) -> Answer:
    ranks = range(start, stop)
    if settings.failing_ids and any(id_at(settings, rank) in settings.failing_ids for rank in ranks):
        return replace(error(500, "Internal error."), is_first_page=is_first_page)
    if settings.unreadable_ids:
        records = b",".join([_served(settings, rank) for rank in ranks])
    else:
        records = b",".join([record_at(settings, rank) for rank in ranks])
    body = b'{"items":[%s]%s,"total":%d}' % (records, fields, total + settings.total_extra)
    return Answer(200, body, is_first_page)


def _served(settings: SandboxSettings, rank: int) -> bytes:
    record = record_at(settings, rank)
    return record[: len(record) // 2] if id_at(settings, rank) in settings.unreadable_ids else record


def _id_span(settings: SandboxSettings, query: dict[str, str]) -> tuple[int, int]:
    """The ranks [first, last) of the ids asked for."""
    first = rank_of(settings, _whole(query, "from_id", 1))
    last = rank_of(settings, _whole(query, "to_id", 2**62))
    return first, max(first, last)


def _limit(settings: SandboxSettings, query: dict[str, str]) -> int:
    limit = _whole(query, "limit", settings.page_size)
    if not limit:
        raise _BadRequestError("limit must be at least 1.")
    return min(limit, settings.page_size)


def _write_cursor(rank: int, bound: str) -> bytes:
    """Opaque to clients; carries a check of the query, since a cursor with another query is a client's mistake."""
    return b"%x.%08x" % (rank, binascii.crc32(f"{rank} {bound}".encode()))


def _read_cursor(cursor: str, bound: str) -> int:
    try:
        rank = int(cursor.partition(".")[0], 16)
    except ValueError:
        rank = -1
    if cursor.encode() != _write_cursor(rank, bound):
        raise _BadRequestError("This cursor does not belong to this query.")
    return rank


def _whole(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise _BadRequestError(f"{name} is not a whole number.")
    return int(text)


def _time(query: dict[str, str], name: str, default: datetime) -> datetime:
    text = query.get(name)
    if text is None:
        return default
    when: datetime | None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        raise _BadRequestError(f"{name} is not an ISO 8601 time with a zone, such as 2024-01-01T00:00:00Z.")
    return when
