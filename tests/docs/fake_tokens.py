"""APIs that lead on by objects of parameters, by tokens that go alone, or by sort values; totals in headers."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from tests.docs.fake_paging import FakeApi, Made, Record, at, things
from tests.docs.fake_server import Asked, Reply


def files(asked: Asked, records: list[Record]) -> Reply:
    """A folder is listed at one path, and continued at another, with the cursor alone: the last page has one too."""
    if asked.path == "/2/files/list_folder":
        assert asked.json == {"path": "", "recursive": True, "limit": 2000}
        start = 0
    else:
        assert asked.path == "/2/files/list_folder/continue"
        assert asked.json.keys() == {"cursor"}
        start = int(asked.json["cursor"].partition("-")[2])
    stop = min(start + 100, len(records))
    return Reply({"entries": records[start:stop], "cursor": f"c-{stop}", "has_more": stop < len(records)})


def changes(asked: Asked, records: list[Record]) -> Reply:
    """Recent changes of a wiki; both bounds count in, and `continue` must come back with its companion."""
    query = asked.query
    assert query["action"] == "query"
    assert query["rcdir"] == "newer"
    assert ("rccontinue" in query) is (query.get("continue") == "-||")
    first, last = (datetime.fromisoformat(query[name]) for name in ("rcstart", "rcend"))
    mine = [record for record in records if first <= at(record) <= last]
    start = int(query.get("rccontinue", "0|0").partition("|")[2])
    shown = mine[start : start + 20]
    if start + 20 >= len(mine):
        return Reply({"batchcomplete": "", "query": {"recentchanges": shown}})
    told = {"rccontinue": f"20240101|{start + 20}", "continue": "-||"}
    return Reply({"batchcomplete": "", "continue": told, "query": {"recentchanges": shown}})


class Wiki(FakeApi):
    """Batches of pages, of which an answer has some revisions: all pages stand in each answer of their batch. The
    parameters of a batch come back with those of its revisions, and without them where it is the first."""

    def __init__(self) -> None:
        numbers = range(1, 181)
        self._revisions = [{"revid": 1000 + 7 * each, "parentid": 0, "slots": {"main": {"*": "x"}}} for each in numbers]
        super().__init__([{"pageid": str(each), **self._revisions[each - 1]} for each in numbers])

    @property
    def lines(self) -> list[str]:
        """The field in front is ours, and compact."""
        return [re.sub(r'^{"pageid": ("\d+"), ', r'{"pageid":\1,', line) for line in super().lines]

    def answer(self, asked: Asked) -> Reply:
        query = asked.query
        assert query["generator"] == "allpages"
        names = query.get("continue", "||").partition("||")[0]
        assert names == ("gapcontinue" if "gapcontinue" in query else "")
        first, size = int(query.get("gapcontinue", "P1")[1:]), int(query["gaplimit"])
        batch = range(first, min(first + size, 181))
        start = int(query.get("rvcontinue", "0|0").partition("|")[0]) or first
        shown = range(start, min(start + 20, batch.stop))
        pages = {
            str(each): {"pageid": each, "ns": 0, "title": f"P{each}"}
            | ({"revisions": [self._revisions[each - 1]]} if each in shown else {})
            for each in batch
        }
        own = {"gapcontinue": query["gapcontinue"]} if "gapcontinue" in query else {}
        if shown.stop < batch.stop:
            told = {"rvcontinue": f"{shown.stop}|{1000 + 7 * shown.stop}", **own, "continue": f"{'|'.join(own)}||"}
            return Reply({"continue": told, "query": {"pages": pages}})
        more = {"gapcontinue": f"P{batch.stop}", "continue": "gapcontinue||"}
        return Reply(
            {"batchcomplete": "", **({"continue": more} if batch.stop < 181 else {}), "query": {"pages": pages}}
        )


class Elastic(FakeApi):
    """Several events share a time; the sort values are a number above 2^53 and a text."""

    def answer(self, asked: Asked) -> Reply:
        body = asked.json
        assert body["track_total_hits"] is True
        assert body["sort"] == [{"at": "asc"}, {"event_id": "asc"}]
        bounds = body["query"]["range"]["at"]
        first, last = (datetime.fromisoformat(bounds[name]) for name in ("gte", "lt"))
        mine = [hit for hit in self.records if first <= at(hit["_source"]) < last]
        found = [hit for hit in mine if hit["sort"] > body.get("search_after", [])]
        hits = {"total": {"value": len(mine), "relation": "eq"}, "hits": found[: body["size"] // 50]}
        return Reply({"timed_out": False, "_shards": {"total": 3, "failed": 0}, "hits": hits})


def hits(count: int) -> list[Record]:
    """In their order by time and id."""
    events = [{"id": f"e{number:04}", "created": number // 3 * 3600 * 9} for number in range(count)]
    return [
        {"_id": each["id"], "sort": [2**53 + 1 + int(str(each["created"])), each["id"]], "_source": each}
        for each in events
    ]


def postgrest(asked: Asked, records: list[Record]) -> Reply:
    """Lowers the limit to 100; a part is a 206, and past the end stands a 416."""
    assert asked.headers["prefer"] == "count=exact"
    start = asked.number("offset")
    if start > len(records):
        return Reply({"code": "PGRST103"}, 416, {"Content-Range": f"*/{len(records)}"})
    shown = records[start : start + min(100, asked.number("limit"))]
    held = f"{start}-{start + len(shown) - 1}" if shown else "*"
    return Reply(shown, 200 if len(shown) == len(records) else 206, {"Content-Range": f"{held}/{len(records)}"})


class PinnedDepots(FakeApi):
    """Two servers behind a balancer, each of which knows its own cursors alone; two items at once would share them."""

    def __init__(self) -> None:
        super().__init__(things(300, depot=lambda number: ("east", "west")[number % 2]))
        self._sessions: dict[str, str] = {}

    def answer(self, asked: Asked) -> Reply:
        assert asked.headers["authorization"] == "Bearer a-value"
        depot, cookie = asked.path.split("/")[2], asked.headers.get("cookie")
        headers = {}
        if cookie is None:
            assert "cursor" not in asked.query
            cookie = f"pin=server{len(self._sessions)}"
            headers["Set-Cookie"] = f"{cookie}; Path=/depots; HttpOnly; Max-Age=600"
        assert self._sessions.setdefault(cookie, depot) == depot
        mine = [record for record in self.records if record["depot"] == depot]
        start, limit = asked.number("cursor"), asked.number("limit")
        following = start + limit if start + limit < len(mine) else None
        return Reply({"parts": mine[start : start + limit], "next": following}, headers=headers)


TOKENS: dict[str, Callable[[], FakeApi]] = {
    "files": lambda: Made(things(250), files),
    "changes": lambda: Made([{"rcid": each.pop("id"), **each} for each in things(350)], changes),
    "wiki": Wiki,
    "pinned": PinnedDepots,
    "elastic": lambda: Elastic(hits(350)),
    "films": lambda: Made(things(250), postgrest),
}
