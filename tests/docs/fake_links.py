"""APIs of docs/apis/tokens.md that lead on by lists of links, and by links of an inner host."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlencode

from tests.docs.fake_paging import FakeApi, Made, Record, at, things
from tests.docs.fake_server import Asked, Reply
from tests.docs.fake_tokens import TOKENS

_BEARER = "Bearer a-value"


def fhir(asked: Asked, records: list[Record]) -> Reply:
    """Later pages have an address of their own, with an opaque query; the last one has a link to itself only."""
    assert asked.headers["authorization"] == _BEARER
    start = asked.number("_getpagesoffset")
    if start:
        assert asked.path == "/r4"
        assert "_total" not in asked.query
    size = asked.number("_count")
    links = [{"relation": "self", "url": f"{asked.home}{asked.target}"}]
    if start + size < len(records):
        following = urlencode({"_getpages": "c1|d", "_getpagesoffset": start + size, "_count": size})
        links.append({"relation": "next", "url": f"{asked.home}/r4?{following}"})
    entry = records[start : start + size]
    return Reply({"resourceType": "Bundle", "total": len(records), "link": links, "entry": entry})


def stac(asked: Asked, records: list[Record]) -> Reply:
    """The link of a search by POST has a body to merge; both bounds of an interval count in."""
    first, last = (datetime.fromisoformat(text) for text in asked.json["datetime"].split("/"))
    mine = [record for record in records if first <= at(record) <= last]
    assert asked.json["collections"] == ["sentinel-2-l2a"]
    start, limit = int(asked.json.get("token", "next:0").partition(":")[2]), asked.json["limit"]
    links: list[Record] = [{"rel": "root", "href": f"{asked.home}/v1"}]
    if start + limit < len(mine):
        body = {"token": f"next:{start + limit}"}
        href = f"{asked.home}/v1/search"
        links.append({"rel": "next", "method": "POST", "href": href, "merge": True, "body": body})
    return Reply({"numberMatched": len(mine), "features": mine[start : start + limit], "links": links})


def gateway(asked: Asked, records: list[Record]) -> Reply:
    """Stands behind `/tenant`, and knows nothing of it."""
    assert asked.path == "/tenant/v1/parts"
    assert asked.headers["authorization"] == _BEARER
    start, limit = asked.number("after"), asked.number("limit")
    more = start + limit < len(records)
    following = f"http://parts.inner:8080/v1/parts?limit={limit}&after={start + limit}" if more else None
    return Reply({"count": len(records), "parts": records[start : start + limit], "next": following})


LINKS: dict[str, Callable[[], FakeApi]] = {
    "fhir": lambda: Made([{"resource": {"resourceType": "Patient", **each}} for each in things(250)], fhir),
    "stac": lambda: Made(things(350), stac),
    **TOKENS,
    "gateway": lambda: Made(things(250), gateway),
}
