"""The sandbox's records as an index of Elasticsearch, `events`, with `changed_at` as its field of time.

They never change, so every point in time is the same one, and its ID says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from haulier.testing.sandbox.data import id_at, rank_since
from haulier.testing.sandbox.drift import Drift
from haulier.testing.sandbox.listing import serve
from haulier.testing.sandbox.question import BadQuestionError, Question
from haulier.testing.sandbox.settings import SandboxSettings
from haulier.testing.sandbox.wire import Answer

INDEX: Final = "events"
TIME: Final = "changed_at"
MAX_SIZE: Final = 10_000
_POINT: Final = "always"
_ROOT: Final = (
    b'{"name":"sandbox","version":{"number":"8.19.0","build_flavor":"default"},"tagline":"You Know, for Search"}'
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def root(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    return Answer(200, _ROOT)


def fields(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    known = {TIME: "date", "id": "long"}
    asked = question.query.get("fields", "*").split(",")
    found = {
        name: {kind: {"type": kind, "searchable": True, "aggregatable": True}}
        for name, kind in known.items()
        if name in asked or "*" in asked
    }
    return Answer(200, msgspec.json.encode({"indices": [INDEX], "fields": found}))


def open_point(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    if "keep_alive" not in question.query:
        raise BadQuestionError("keep_alive is missing: write how long the point in time is kept.")
    return Answer(200, msgspec.json.encode({"id": _POINT}))


def close_point(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    return Answer(200, b'{"succeeded":true,"num_freed":1}')


def search(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    """A page of the index, which the path names, or of a point in time, which the body does."""
    try:
        asked = msgspec.json.decode(question.body, type=_Asked)
    except msgspec.DecodeError as exc:
        raise BadQuestionError(f"The body cannot be read: {exc}") from exc
    is_of_point = question.path == "/_search"
    if is_of_point is not (asked.pit is not None):
        raise BadQuestionError("A search has an index in its path, or a point in time in its body, and not both.")
    if asked.pit is not None and asked.pit.id != _POINT:
        raise BadQuestionError("search_context_missing_exception: there is no such point in time.", 404)
    if not 0 <= asked.size <= MAX_SIZE:
        raise BadQuestionError(f"size is {asked.size}: result window is too large, write {MAX_SIZE} at most.")
    if (
        asked.sort not in ((), ("_shard_doc",))
        or (asked.sort and not is_of_point)
        or (asked.search_after and not asked.sort)
    ):
        raise BadQuestionError("The sandbox sorts by _shard_doc, and only in a point in time.")
    ranks: Sequence[int] = _ranks(settings, asked.query.bool)
    if asked.slice is not None:
        part = asked.slice
        if not (part.max >= 2 and 0 <= part.id < part.max):
            raise BadQuestionError("max must be greater than 1, and id below it.")
        ranks = range(ranks[0] + (part.id - ranks[0]) % part.max, ranks[-1] + 1, part.max) if ranks else ranks
    total = len(ranks)
    if asked.search_after:
        ranks = [rank for rank in ranks if rank > asked.search_after[0]]
    return _answer(settings, asked, ranks[: asked.size], total)


def _answer(settings: SandboxSettings, asked: _Asked, ranks: Sequence[int], total: int) -> Answer:
    hits = b",".join(
        b'{"_index":"%b","_id":"%d","_score":null,"_source":%b,"sort":[%d]}'
        % (INDEX.encode(), id_at(settings, rank), serve(settings, rank), rank)
        for rank in ranks
    )
    counted = b'"total":{"value":%d,"relation":"eq"},' % total if asked.track_total_hits else b""
    point = b',"pit_id":"%b"' % _POINT.encode() if asked.pit is not None else b""
    body = (
        b'{"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},"hits":{%b'
        b'"max_score":null,"hits":[%b]}%b}' % (counted, hits, point)
    )
    return Answer(200, body, is_first_page=not asked.search_after)


def _ranks(settings: SandboxSettings, query: _Bool) -> Sequence[int]:
    """All records have a time, so none lacks it."""
    if query.must_not:
        return range(0)
    first, last = 0, settings.records
    for clause in query.filter:
        bounds = clause.get("range", {}).get(TIME) if set(clause) == {"range"} else None
        if not isinstance(bounds, dict) or set(bounds) - {"gte", "lt", "format"}:
            raise BadQuestionError(f"The sandbox filters by a range of {TIME} alone, with gte and lt.")
        if "gte" in bounds:
            first = max(first, rank_since(settings, _moment(bounds, "gte")))
        if "lt" in bounds:
            last = min(last, rank_since(settings, _moment(bounds, "lt")))
    return range(first, max(first, last))


def _moment(bounds: dict[str, Any], name: str) -> datetime:
    value = bounds[name]
    if bounds.get("format") == "epoch_millis" and isinstance(value, int):
        return _EPOCH + timedelta(milliseconds=value)
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    raise BadQuestionError(f"failed to parse date field [{value}]: write text, or milliseconds with epoch_millis.")


class _Pit(msgspec.Struct):
    id: str
    keep_alive: str = ""


class _Slice(msgspec.Struct):
    id: int
    max: int


class _Bool(msgspec.Struct, forbid_unknown_fields=True):
    filter: tuple[dict[str, Any], ...] = ()
    must_not: tuple[dict[str, Any], ...] = ()


class _SearchQuery(msgspec.Struct, forbid_unknown_fields=True):
    bool: _Bool = msgspec.field(default_factory=_Bool)


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    size: int = 10
    query: _SearchQuery = msgspec.field(default_factory=_SearchQuery)
    track_total_hits: bool = False
    pit: _Pit | None = None
    sort: tuple[str, ...] = ()
    search_after: tuple[int, ...] = ()
    slice: _Slice | None = None
