"""A small search server that is faithful in what real ones do and the stand-ins of tests/harness never do.

Written from the documentation of Elasticsearch and OpenSearch and from answers that were measured, not from haulier's
client: what a real server refuses is refused here, in its words. It runs in the event loop of the test.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from fnmatch import filter as fnmatch_filter
from fnmatch import fnmatch

from aiohttp import web

from tests.harness.aiohttp_server import app_of, serving_app
from tests.harness.search_query import PHASE, Document, RefusedError, Row, matches, order, sort_value


@dataclass
class Index:
    mapping: dict[str, str]
    """Types by field: ``date``, ``date_nanos``, ``epoch_second`` (a date of that format), ``long``, ``keyword``."""
    documents: dict[str, bytes] = field(default_factory=dict)
    """Their `_source` by ID, as bytes."""
    shards: int = 3
    state: str = "open"
    """Or ``closed``, or ``frozen``: a pattern passes over the first, and Elasticsearch 7 over the second."""


@dataclass
class Snapshot:
    rows: list[Row]
    ends_at: float
    shards: int


@dataclass
class SearchFake:
    distribution: str = ""
    """``opensearch``, or "" for Elasticsearch."""
    version: str = "8.19.3"
    shown: str = ""
    """The version that it shows without its distribution, as `compatibility.override_main_response_version` has it."""
    flavor: str = "default"
    """``oss``: built without X-Pack, as Amazon's Elasticsearch 7.10. No point in time."""
    indices: dict[str, Index] = field(default_factory=dict)
    max_snapshots: int = 300
    refuses: int = 0
    """Points in time that are refused at first, since others have all that there may be."""
    ids_change: bool = False
    """Each page names the point in time anew, and the older name is void."""
    now: float = 0.0
    """Seconds, by which points in time end. A test turns it."""
    step: float = 0.0
    """How far each request turns it."""
    effect: Callable[[SearchFake, Document, Document], Document | web.Response | None] | None = None
    """Sees each search's request and its answer; what it returns is answered instead."""
    asked: list[tuple[str, str, Document]] = field(default_factory=list)
    """Method, path with query and body of each request."""
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    resolves: bool = True
    """It tells which indices are closed."""
    _opened: int = 0

    @property
    def is_opensearch(self) -> bool:
        return self.distribution == "opensearch"

    @property
    def searches(self) -> list[Document]:
        """The bodies of searches for documents: counts have a size of 0."""
        return [body for _, path, body in self.asked if "_search" in path and "query" in body and body["size"]]

    def at_least(self, *version: int) -> bool:
        return tuple(int(part) for part in self.version.split(".")[: len(version)]) >= version

    @property
    def has_snapshots(self) -> bool:
        return self.at_least(2, 4) if self.is_opensearch else self.flavor != "oss" and self.at_least(7, 10)

    @property
    def has_shard_doc(self) -> bool:
        return self.at_least(3, 3) if self.is_opensearch else self.flavor != "oss" and self.at_least(7, 12)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        text = await request.read()
        body: Document = {}
        if text:
            if request.content_type != "application/json":
                return web.json_response(
                    {"error": f"Content-Type [{request.content_type}] is not supported"}, status=406
                )
            body = json.loads(text)
        self.now += self.step
        self.asked.append((request.method, request.path_qs, body))
        try:
            return self._answer(request, body)
        except RefusedError as refused:
            return web.json_response(refused.body, status=refused.status)

    def _answer(self, request: web.Request, body: Document) -> web.StreamResponse:
        method, path = request.method, request.path
        if path == "/":
            version = {"number": self.version, "build_flavor": self.flavor}
            if self.is_opensearch:
                version = {"number": self.version, "distribution": self.distribution}
            if self.shown:
                version = {"number": self.shown}
            words = "The OpenSearch Project" if self.is_opensearch else "You Know, for Search"
            return web.json_response({"version": version, "tagline": words})
        is_whole = self.distribution or not self.version.startswith("7.")
        takes_frozen = bool(is_whole) or request.query.get("ignore_throttled") == "false"
        if path.startswith("/_resolve/index/") and self.resolves:
            states = request.query.get("expand_wildcards", "open").split(",")
            return web.json_response(self._resolve(path.rpartition("/")[2], states))
        if path.endswith("/_field_caps"):
            return web.json_response(self._field_caps(path.split("/")[1], request.query["fields"].split(",")))
        opens = "/_search/point_in_time" if self.is_opensearch else "/_pit"
        if self.has_snapshots and path.endswith(opens) and method == "POST" and path != opens:
            keep_alive = request.query.get("keep_alive", "")
            return web.json_response(self._open(path.split("/")[1], keep_alive, takes_frozen))
        if self.has_snapshots and path == opens and method == "DELETE":
            return self._close(body)
        if path.endswith("/_search") and method in {"GET", "POST"}:
            return self._search(path[: -len("/_search")].strip("/"), body, takes_frozen)
        raise RefusedError(
            405 if "_pit" in path or "point_in_time" in path else 400, "illegal_argument_exception", path
        )

    def _open(self, pattern: str, keep_alive: str, takes_frozen: bool) -> Document:
        if not keep_alive:
            raise RefusedError(
                400, "action_request_validation_exception", "Validation Failed: 1: [keep_alive] is not specified;"
            )
        self._expire()
        self.refuses -= 1
        if self.refuses >= 0 or len(self.snapshots) >= self.max_snapshots:
            raise RefusedError(
                429,
                "rejected_execution_exception",
                "Trying to create too many Point In Time contexts. Must be less than or equal to: "
                f"[{self.max_snapshots}]. This limit can be set by changing the "
                "[point_in_time.max_open_contexts] setting.",
            )
        rows, shards = self._rows(pattern, takes_frozen)
        name = self._name()
        self.snapshots[name] = Snapshot(rows, self.now + seconds(keep_alive), shards)
        key = "pit_id" if self.is_opensearch else "id"
        return {key: name, "_shards": {"total": shards, "successful": shards, "skipped": 0, "failed": 0}}

    def _close(self, body: Document) -> web.Response:
        names = body["pit_id"] if self.is_opensearch else [body["id"]]
        found = [name for name in names if self.snapshots.pop(name, None) is not None]
        return web.json_response({"succeeded": True, "num_freed": len(found)}, status=200 if found else 404)

    def _search(self, pattern: str, body: Document, takes_frozen: bool) -> web.StreamResponse:
        in_snapshot = body.get("pit")
        name = ""
        if in_snapshot is not None:
            if pattern:
                raise RefusedError(
                    400,
                    "action_request_validation_exception",
                    "Validation Failed: 1: [indices] cannot be used with point in time. Do not specify any index with "
                    "point in time.;",
                )
            name = in_snapshot["id"]
            self._expire()
            held = self.snapshots.get(name)
            if held is None:
                raise lost()
            if "keep_alive" in in_snapshot:
                held.ends_at = self.now + seconds(in_snapshot["keep_alive"])
            if self.ids_change:
                del self.snapshots[name]
                name = self._name()
                self.snapshots[name] = held
            rows, shards = held.rows, held.shards
        else:
            rows, shards = self._rows(pattern, takes_frozen)
        answer = self._page(rows, shards, body, in_snapshot is not None)
        if name:
            answer["pit_id"] = name
        changed = self.effect(self, body, answer) if self.effect is not None else None
        if isinstance(changed, web.Response):
            return changed
        return web.Response(body=as_text(changed or answer), content_type="application/json")

    def _page(self, rows: list[Row], shards: int, body: Document, in_snapshot: bool) -> Document:
        size, start = body.get("size", 10), body.get("from", 0)
        if size + start > 10_000:
            reason = (
                "Result window is too large, from + size must be less than or equal to: [10000] but was "
                f"[{size + start}]."
            )
            raise RefusedError(400, PHASE, reason, root="illegal_argument_exception")
        part = body.get("slice")
        if part is not None and part["max"] < 2:
            raise RefusedError(400, "x_content_parse_exception", "max must be greater than 1")
        mine = [row for row in rows if matches(row, body["query"])]
        if part is not None:
            mine = [row for row in mine if row.place % part["max"] == part["id"]]
        keys = [key if isinstance(key, str) else next(iter(key)) for key in body.get("sort", ())]
        if "_shard_doc" in keys and not (self.has_shard_doc and in_snapshot):
            reason = "No mapping found for [_shard_doc] in order to sort on"
            raise RefusedError(400, PHASE, reason, root="query_shard_exception")
        if in_snapshot and self.has_shard_doc and "_shard_doc" not in keys and not self.is_opensearch:
            keys.append("_shard_doc")
        sorts = {row.place: [sort_value(row, key) for key in keys] for row in mine}
        mine.sort(key=lambda row: [order(value) for value in sorts[row.place]])
        after = body.get("search_after")
        if after is not None:
            if len(after) != len(keys):
                reason = f"search_after has {len(after)} value(s) but sort has {len(keys)}."
                raise RefusedError(400, "illegal_argument_exception", reason)
            # A null is sorted last, and nothing comes after it; equal values are passed over together.
            mine_after = [row for row in mine if [order(value) for value in sorts[row.place]] > list(map(order, after))]
        else:
            mine_after = mine[start:]
        hits = []
        for row in mine_after[:size]:
            hit: Document = {"_index": row.index, "_id": row.id, "_score": None, "_source": row.source}
            if keys:
                hit["sort"] = sorts[row.place]
            hits.append(hit)
        return {
            "took": 1,
            "timed_out": False,
            "_shards": {"total": shards, "successful": shards, "skipped": 0, "failed": 0},
            "hits": {**total_of(len(mine), body.get("track_total_hits", 10_000)), "max_score": None, "hits": hits},
        }

    def _chosen(self, pattern: str, states: Collection[str] = ("open", "frozen")) -> list[str]:
        """A name behind a minus is left out."""
        wanted = [each for each in pattern.split(",") if not each.startswith("-")]
        unwanted = [each[1:] for each in pattern.split(",") if each.startswith("-")]
        return [
            name
            for name, index in self.indices.items()
            if index.state in states
            and any(fnmatch(name, each) for each in wanted)
            and not any(fnmatch(name, each) for each in unwanted)
        ]

    def _resolve(self, pattern: str, states: list[str]) -> Document:
        if "open" in states:
            states = [*states, "frozen"]
        found = [{"name": name, "attributes": [self.indices[name].state]} for name in self._chosen(pattern, states)]
        return {"indices": found, "aliases": [], "data_streams": []}

    def _rows(self, pattern: str, takes_frozen: bool = True) -> tuple[list[Row], int]:
        names = self._chosen(pattern, ("open", "frozen") if takes_frozen else ("open",))
        missing = [
            each for each in pattern.split(",") if each[0] != "-" and "*" not in each and each not in self.indices
        ]
        if missing:
            raise RefusedError(404, "index_not_found_exception", f"no such index [{missing[0]}]")
        rows, shards = [], 0
        for name in names:
            index = self.indices[name]
            for number, (id, source) in enumerate(index.documents.items()):
                shard = shards + zlib.crc32(id.encode()) % index.shards
                rows.append(Row(name, id, source, shard, (1 << 60) + (shard << 32) + number, index.mapping))
            shards += index.shards
        return rows, shards

    def _field_caps(self, pattern: str, names: list[str]) -> Document:
        self._rows(pattern)  # Which refuses a name that is no index's.
        chosen = {name: self.indices[name] for name in self._chosen(pattern)}
        fields: Document = {}
        mapped = {name for index in chosen.values() for name in index.mapping}
        for name in [name for each in names for name in (fnmatch_filter(mapped, each) if "*" in each else [each])]:
            types: dict[str, list[str]] = {}
            for index, found in chosen.items():
                kind = found.mapping.get(name, "unmapped")
                types.setdefault("date" if kind == "epoch_second" else kind, []).append(index)
            if set(types) - {"unmapped"}:
                several = len(types) > 1
                fields[name] = {
                    kind: {"type": kind, "searchable": kind != "unmapped", "aggregatable": kind != "unmapped"}
                    | ({"indices": where} if several else {})
                    for kind, where in types.items()
                }
        return {"indices": list(chosen), "fields": fields}

    def _expire(self) -> None:
        self.snapshots = {name: held for name, held in self.snapshots.items() if held.ends_at > self.now}

    def _name(self) -> str:
        self._opened += 1
        return f"46ToAwMDaWR4BXV1aWQ{self._opened}=="


def lost() -> RefusedError:
    """A point in time that ran out, or whose node is gone."""
    return RefusedError(404, PHASE, "No search context found for id [42]", root="search_context_missing_exception")


def total_of(count: int, wanted: bool | int) -> Document:
    if wanted is False:
        return {}
    if wanted is not True and count > wanted:
        return {"total": {"value": int(wanted), "relation": "gte"}}
    return {"total": {"value": count, "relation": "eq"}}


def seconds(text: str) -> float:
    return float(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]


def as_text(answer: Document) -> bytes:
    """Documents stand in it byte for byte."""
    hits = answer.get("hits", {}).get("hits", [])
    sources = [hit["_source"] for hit in hits]
    marked = {**answer}
    if hits:
        shown = [{**hit, "_source": f"\0{number}\0"} for number, hit in enumerate(hits)]
        marked["hits"] = {**answer["hits"], "hits": shown}
    text = json.dumps(marked).encode()
    for number, source in enumerate(sources):
        text = text.replace(b'"\\u0000%d\\u0000"' % number, source, 1)
    return text


def serving_search(fake: SearchFake) -> AbstractAsyncContextManager[str]:
    """Gives the server's address."""
    return serving_app(app_of(fake.serve))
