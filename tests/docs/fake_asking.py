"""More APIs of docs/apis, with the habits that those pages warn of."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from urllib.parse import urlencode

from tests.docs.fake_paging import FakeApi, Made, Record, bounds, things, within
from tests.docs.fake_server import Asked, Reply


def forum(asked: Asked, records: list[Record]) -> Reply:
    """Knows its total on each page, and refuses a page that is far behind the last."""
    assert (asked.path, asked.query["order"]) == ("/api/posts", "id")
    size, page = asked.number("per_page"), asked.number("page")
    if (page - 1) * size > len(records):
        return Reply({"error": "no such page"}, 404)
    return Reply({"posts": records[(page - 1) * size : page * size], "meta": {"total": len(records)}})


class Storefront(FakeApi):
    """A query costs 30 points of 200, of which 600 come back in a second. More are refused, under status 200."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(records)
        self._left, self._at = 200.0, time.monotonic()

    def answer(self, asked: Asked) -> Reply:
        now = time.monotonic()
        self._left, self._at = min(200.0, self._left + 600 * (now - self._at)), now
        is_paid = self._left >= 30
        self._left -= 30 * is_paid
        status = {"maximumAvailable": 200, "currentlyAvailable": int(self._left), "restoreRate": 600}
        cost = {"cost": {"requestedQueryCost": 30, "throttleStatus": status}}
        if not is_paid:
            error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return Reply({"errors": [error], "extensions": cost})
        assert (asked.path, asked.json["operationName"]) == ("/admin/api/2025-01/graphql.json", "Orders")
        assert asked.headers["x-shopify-access-token"] == "a-value"
        asked_for = asked.json["variables"]
        mine = within(self.records, *bounds(asked_for["filter"]), "%Y-%m-%dT%H:%M:%SZ")
        start = int(asked_for.get("after", 0))
        page = mine[start : start + 100]
        info = {"endCursor": str(start + len(page)), "hasNextPage": start + len(page) < len(mine)}
        return Reply({"data": {"orders": {"nodes": page, "pageInfo": info}}, "extensions": cost})


def sap(asked: Asked, records: list[Record]) -> Reply:
    """Behind a gateway: its links name its inner host. Without the right headers it answers in another version."""
    assert asked.headers["authorization"].startswith("Basic ")
    assert asked.path == "/sap/opu/odata/sap/API_SALES_ORDER_SRV/A_SalesOrder"
    if asked.headers.get("maxdataserviceversion") != "2.0" or "json" not in asked.headers.get("accept", ""):
        return Reply({"value": records, "odata.nextLink": "A_SalesOrder?$skiptoken=1"})
    first, last = re.findall(r"datetime'([0-9T:-]+)'", asked.query["$filter"])
    mine = within(records, first, last, "%Y-%m-%dT%H:%M:%S")
    start = asked.number("$skiptoken")
    page = {"results": mine[start : start + 60], "__count": str(len(mine))}
    if start + 60 < len(mine):
        query = urlencode(asked.query | {"$skiptoken": start + 60})
        page["__next"] = f"http://inner.example.com:8000{asked.path}?{query}"
    return Reply({"d": page} if asked.query["$inlinecount"] == "allpages" else {})


ASKING: dict[str, Callable[[], FakeApi]] = {
    "storefront": lambda: Storefront(things(400)),
    "sap": lambda: Made(
        things(400, SalesOrder=str, to_Item=lambda number: {"__deferred": {"uri": f"http://inner/{number}"}}), sap
    ),
    "forum": lambda: Made(things(410), forum),
}
