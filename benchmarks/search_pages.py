"""A search server of canned pages: it takes next to nothing of the machine, so that the readers' own cost shows.

`python benchmarks/search_pages.py EVENTS SLICES SIZE LATENCY_SECONDS` prints its address, and serves until it ends. The
pages of a point in time stand in memory, found by slice and `search_after`; each is answered after the latency.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator

from aiohttp import web

START = 1_767_225_600
"""2026-01-01."""
DAY_SECONDS = 86_400
FIELDS = {"@timestamp": {"date": {"type": "date", "searchable": True, "aggregatable": True}}}


def documents(first: int, last: int, events: int) -> Iterator[bytes]:
    """Spread over the day, about 200 bytes each."""
    for number in range(first, last):
        moment = time.gmtime(START + number * DAY_SECONDS // events)
        at = f"2026-01-01T{moment.tm_hour:02}:{moment.tm_min:02}:{moment.tm_sec:02}.{number % 1000:03}Z"
        document = {"@timestamp": at, "event": number, "path": f"/product/{number * 7919 % 50_000}", "status": 200}
        document |= {
            "visitor": f"v{number * 104_729 % 1_000_003}",
            "milliseconds": number % 900,
            "agent": "Mozilla/5.0",
        }
        yield json.dumps(document).encode()


class Pages:
    def __init__(self, events: int, slices: int, size: int, latency_seconds: float) -> None:
        self._events = events
        self._slices = slices
        self._latency_seconds = latency_seconds
        self._bodies: dict[tuple[int, int], bytes] = {}
        """By slice, and the place of the last hit before (-1: none)."""
        hits = [
            b'{"_index":"clicks","_id":"%d","_score":null,"_source":%b,"sort":[%d]}' % (number, document, number)
            for number, document in enumerate(documents(0, events, events))
        ]
        for part in range(slices):
            mine = range(part, events, slices)
            for first in range(0, len(mine) + 1, size):
                numbers = mine[first : first + size]
                before = mine[first - 1] if first else -1
                self._bodies[part, before] = self._answer(len(mine), [hits[number] for number in numbers])

    def _answer(self, total: int, hits: list[bytes]) -> bytes:
        head = '{"took":1,"timed_out":false,"pit_id":"p","_shards":{"total":4,"successful":4,"skipped":0,"failed":0},'
        found = f'"hits":{{"total":{{"value":{total},"relation":"eq"}},"max_score":null,"hits":['
        return (head + found).encode() + b",".join(hits) + b"]}}"

    async def serve(self, request: web.Request) -> web.Response:
        path = request.path
        if path == "/":
            return web.json_response({"version": {"number": "8.19.3", "build_flavor": "default"}})
        if path.endswith("/_field_caps"):
            return web.json_response({"indices": ["clicks"], "fields": FIELDS})
        if path.endswith("/_pit"):
            return web.json_response({"id": "p", "succeeded": True, "num_freed": 1})
        asked = await request.json()
        if "must_not" in asked["query"]["bool"]:
            return _json(self._answer(0, []))
        await asyncio.sleep(self._latency_seconds)
        if not asked["size"]:
            return _json(self._answer(self._events, []))
        part, (before,) = asked.get("slice", {"id": 0})["id"], asked.get("search_after", [-1])
        body = self._bodies[part, before]
        if "pit" not in asked and self._slices > 1:
            # A search for all of the day has the total of all of it.
            body = body.replace(b'"value":%d' % len(range(0, self._events, self._slices)), b'"value":%d' % self._events)
        return _json(body)


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


async def main(events: int, slices: int, size: int, latency_seconds: float) -> None:
    pages = Pages(events, slices, size, latency_seconds)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", pages.serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    events, slices, size, latency = sys.argv[1:]
    asyncio.run(main(int(events), int(slices), int(size), float(latency)))
