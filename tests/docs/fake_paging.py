"""The APIs of docs/apis/counting.md, tokens.md and queries.md, with the habits that they warn of."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from tests.docs.fake_server import Asked, Reply

START = datetime(2024, 1, 1, tzinfo=UTC)

Record = dict[str, Any]


class FakeApi:
    """Answers requests, and knows which records haulier must find."""

    files: Mapping[str, str] = MappingProxyType({})
    """What stands beside the source file."""

    def __init__(self, records: list[Record]) -> None:
        self.records = records

    @property
    def lines(self) -> list[str]:
        """What the lake must hold, in the order of the values."""
        return [json.dumps(record) for record in sorted(self.records, key=str)]

    def answer(self, asked: Asked) -> Reply:
        raise NotImplementedError


class Made(FakeApi):
    """One that is a function of the request and the records."""

    def __init__(self, records: list[Record], make: Callable[[Asked, list[Record]], Reply]) -> None:
        super().__init__(records)
        self._make = make

    def answer(self, asked: Asked) -> Reply:
        return self._make(asked, self.records)


def things(count: int, **more: Callable[[int], Any]) -> list[Record]:
    """``count`` records with an ``id``, and a ``created`` some hours after the one before."""
    return [
        {"id": number, "created": number * 3600 * 7} | {name: make(number) for name, make in more.items()}
        for number in range(1, count + 1)
    ]


def at(record: Record) -> datetime:
    return START + timedelta(seconds=record["created"])


def within(records: list[Record], start: str, end: str, form: str) -> list[Record]:
    """Those of a half-open window that is written in ``form``."""
    first, last = (datetime.strptime(text, form).replace(tzinfo=UTC) for text in (start, end))
    return [record for record in records if first <= at(record) < last]


def bounds(text: str) -> tuple[str, str]:
    """The two times that stand in quotes, or behind >= and <."""
    first, last = re.findall(r"\d{4}-\d\d-\d\d[T ][0-9:]+Z?", text)
    return first, last


def github(asked: Asked, records: list[Record]) -> Reply:
    """The link is opaque and absolute, with the whole query in it; a repository of its own for each value."""
    if asked.headers.get("authorization") != "Bearer a-value":
        return Reply({"message": "Bad credentials"}, 401)
    repo = asked.path.split("/")[3]
    mine = [record for record in records if record["repo"] == repo]
    start = int(asked.query.get("after", "c0")[1:])
    page = mine[start : start + int(asked.query.get("per_page", 30))]
    more = {}
    if start + len(page) < len(mine):
        link = f"{asked.home}{asked.path}?{urlencode(asked.query | {'after': f'c{start + len(page)}'})}"
        more["Link"] = f'<{link}>; rel="next", <{asked.home}{asked.path}>; rel="first"'
    return Reply(page, headers=more)


def wordpress(asked: Asked, records: list[Record]) -> Reply:
    """Leaves out the number of pages from the second page on, and has a 400 past the end."""
    page, size = asked.number("page"), asked.number("per_page")
    if (page - 1) * size >= len(records):
        return Reply({"code": "rest_post_invalid_page_number", "data": {"status": 400}}, 400)
    headers = {"X-WP-TotalPages": str(-(-len(records) // size))} if page == 1 else {}
    return Reply(records[(page - 1) * size : page * size], headers={"X-WP-Total": str(len(records)), **headers})


def jira(asked: Asked, records: list[Record]) -> Reply:
    """Lowers the limit to 50."""
    mine = within(records, *bounds(asked.query["jql"]), "%Y-%m-%d %H:%M")
    start, limit = asked.number("startAt"), min(50, asked.number("maxResults"))
    return Reply({"startAt": start, "maxResults": limit, "total": len(mine), "issues": mine[start : start + limit]})


class ServiceNow(FakeApi):
    """Leaves out each twelfth row after a page is cut, and counts it all the same."""

    def __init__(self, rows: list[Record]) -> None:
        super().__init__([row for row in rows if row["id"] % 12])
        self._rows = rows

    def answer(self, asked: Asked) -> Reply:
        assert asked.query["sysparm_query"].endswith("^ORDERBYsys_id")
        mine = within(self._rows, *bounds(asked.query["sysparm_query"]), "%Y-%m-%d %H:%M:%S")
        start, limit = asked.number("sysparm_offset"), asked.number("sysparm_limit")
        shown = [row for row in mine[start : start + limit] if row["id"] % 12]
        return Reply({"result": shown}, headers={"X-Total-Count": str(len(mine))})


class Helpdesk(FakeApi):
    """One ticket is deleted, and another one comes, while the list is read for the first time."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(records)
        self._requests = 0

    def answer(self, asked: Asked) -> Reply:
        self._requests += 1
        if self._requests == 3:
            del self.records[10]
            self.records.append({"id": 1_000})
        start = asked.number("offset")
        return Reply({"tickets": self.records[start : start + asked.number("limit")]})


def permits(asked: Asked, records: list[Record]) -> Reply:
    """SODA: the count is text; a page of 1,000 is the last one that is full."""
    if "$select" in asked.query:
        return Reply([{"n": str(len(records))}])
    assert asked.query["$order"] == ":id"
    start = asked.number("$offset")
    return Reply(records[start : start + asked.number("$limit")])


def stripe(asked: Asked, records: list[Record]) -> Reply:
    """The newest first."""
    first, last = (asked.number(f"created[{edge}]") - int(START.timestamp()) for edge in ("gte", "lt"))
    mine = [record for record in reversed(records) if first <= record["created"] < last]
    if "starting_after" in asked.query:
        places = [place for place, record in enumerate(mine) if record["id"] == asked.query["starting_after"]]
        mine = mine[places[0] + 1 :]
    return Reply({"object": "list", "data": mine[:10], "has_more": len(mine) > 10})


def shopify(asked: Asked, records: list[Record]) -> Reply:
    if asked.path.endswith("/count.json"):
        return Reply({"count": len(records)})
    mine = [record for record in records if record["id"] > int(asked.query["since_id"])]
    return Reply({"products": mine[: asked.number("limit")]})


class Drive(FakeApi):
    """Lowers the page size to 20, and forgets its first token."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(records)
        self.forgot = False

    def answer(self, asked: Asked) -> Reply:
        token = asked.query.get("pageToken")
        if token and not self.forgot:
            self.forgot = True
            return Reply({"error": {"code": 400, "message": "Invalid value for pageToken"}}, 400)
        mine = within(self.records, *bounds(asked.query["q"]), "%Y-%m-%dT%H:%M:%S")
        start = int((token or "t0")[1:])
        page = mine[start : start + 20]
        return Reply({"files": page} | ({"nextPageToken": f"t{start + 20}"} if start + 20 < len(mine) else {}))


def jiracloud(asked: Asked, records: list[Record]) -> Reply:
    """No token on the last page, whose flag says so; never more than 50 issues with all of their fields."""
    mine = within(records, *bounds(asked.query["jql"]), "%Y-%m-%d %H:%M")
    start = int(asked.query.get("nextPageToken", "t0")[1:])
    after = start + min(50, asked.number("maxResults"))
    more = {"nextPageToken": f"t{after}"} if after < len(mine) else {}
    return Reply({"issues": mine[start:after], "isLast": not more} | more)


def hubspot(asked: Asked, records: list[Record]) -> Reply:
    """No `paging` at all on the last page."""
    start, limit = asked.number("after"), asked.number("limit")
    paging = {"paging": {"next": {"after": str(start + limit)}}} if start + limit < len(records) else {}
    return Reply({"results": records[start : start + limit]} | paging)


def devops(asked: Asked, records: list[Record]) -> Reply:
    start = int(asked.query.get("continuationToken", "v0")[1:])
    more = {"X-MS-ContinuationToken": f"v{start + 100}"} if start + 100 < len(records) else {}
    return Reply({"value": records[start : start + 100]}, headers=more)


def jsonapi(asked: Asked, records: list[Record]) -> Reply:
    start = asked.number("page[after]")
    size = asked.number("page[size]")
    link = f"{asked.home}/v2/articles?page%5Bafter%5D={start + size}&page%5Bsize%5D={size}&sort=id"
    more = link if start + size < len(records) else None
    return Reply({"data": records[start : start + size], "links": {"next": more}, "meta": {"total": len(records)}})


def salesforce(asked: Asked, records: list[Record]) -> Reply:
    """The locator names the query; a batch is smaller than the service says."""
    locator, _, place = asked.path.rpartition("/")[2].partition("-")
    text = asked.query["q"] if locator == "query" else bytes.fromhex(locator).decode()
    assert (locator == "query") is bool(asked.query)
    mine = within(records, *bounds(text), "%Y-%m-%dT%H:%M:%SZ")
    start = int(place or 0)
    is_last = start + 30 >= len(mine)
    more = {} if is_last else {"nextRecordsUrl": f"/services/data/v61.0/query/{text.encode().hex()}-{start + 30}"}
    return Reply({"totalSize": len(mine), "done": is_last, "records": mine[start : start + 30]} | more)


class Graph(FakeApi):
    """Wants a token from its issuer, and has an empty page in the middle. A preference sizes pages; `$top` ends the
    list, as the standard has it (OData 4.01, part 1, 11.2.6.3)."""

    def answer(self, asked: Asked) -> Reply:
        if asked.method == "POST":
            assert b"client_secret=a-value" in asked.body
            return Reply({"access_token": "granted", "expires_in": 3600})
        if asked.headers.get("authorization") != "Bearer granted":
            return Reply({"error": {"code": "InvalidAuthenticationToken"}}, 401)
        start, is_empty = asked.number("$skiptoken"), asked.query.get("empty")
        wish = asked.headers.get("prefer", "").removeprefix("odata.maxpagesize=")
        last = min(len(self.records), asked.number("$top", len(self.records)))
        page = [] if is_empty else self.records[start : min(last, start + min(100, int(wish or 100)))]
        after = start + len(page)
        # A page without records comes before each one that has some.
        query = {"$select": asked.query["$select"], "$skiptoken": after} | ({} if is_empty else {"empty": 1})
        link = f"{asked.home}/v1.0/users?{urlencode(query)}"
        return Reply({"value": page} | ({"@odata.nextLink": link} if after < last else {}))


def sentry(asked: Asked, records: list[Record]) -> Reply:
    """Both links are always there; an attribute says whether they lead anywhere."""
    start, limit = int(asked.query.get("cursor", "0:0:0").split(":")[1]), asked.number("limit")
    home = f"{asked.home}{asked.path}?limit={limit}"
    links = [
        f'<{home}&cursor=0:{place}:0>; rel="{relation}"; results="{str(leads_on).lower()}"'
        for relation, place, leads_on in (
            ("previous", max(0, start - limit), start > 0),
            ("next", start + limit, start + limit < len(records)),
        )
    ]
    return Reply(records[start : start + limit], headers={"Link": ", ".join(links)})


def journal(asked: Asked, records: list[Record]) -> Reply:
    """The last page gives the position that it was asked for with."""
    start, count = asked.number("position"), asked.number("count")
    is_last = start + count >= len(records)
    return Reply({"entries": records[start : start + count], "next_position": start if is_last else start + count})


def archive(asked: Asked, records: list[Record]) -> Reply:
    """Its links know the page, and nothing else."""
    page, size = asked.number("page", 1), asked.number("per_page", 30)
    mine = [record for record in records if record["state"] == asked.query.get("state", record["state"])]
    link = f"{asked.home}/letters?page={page + 1}"
    return Reply({"letters": mine[(page - 1) * size : page * size], "next": link if page * size < len(mine) else None})


class Archive(Made):
    """Of its letters only the open ones are asked for."""

    def __init__(self) -> None:
        letters = things(300, state=lambda number: "open" if number % 5 else "closed")
        super().__init__(
            [letter for letter in letters if letter["state"] == "open"], lambda asked, _: archive(asked, letters)
        )


def short(asked: Asked, records: list[Record]) -> Reply:
    """HubSpot's way to end: no `paging` at all. Each list is one page, just full."""
    board = asked.path.split("/")[2]
    mine = [record for record in records if record["board"] == board]
    assert (len(mine), asked.number("limit")) == (50, 50)
    return Reply({"labels": mine})


def dynamics(asked: Asked, records: list[Record]) -> Reply:
    """Without `cross-company` there is one company only; links are relative to the metadata."""
    if asked.path == "/data/LegalEntities":
        return Reply({"value": [{"LegalEntityId": name} for name in sorted({each["dataAreaId"] for each in records})]})
    company = asked.query["$filter"].split("'")[1]
    assert (asked.path, asked.query["cross-company"]) == ("/data/CustomersV3", "true")
    mine = [record for record in records if record["dataAreaId"] == company]
    start = asked.number("$skiptoken")
    page = mine[start : start + 40]
    link = f"data/CustomersV3?{asked.target.partition('?')[2].partition('&$skiptoken')[0]}&$skiptoken={start + 40}"
    more = {"@odata.nextLink": link} if start + 40 < len(mine) else {}
    context = f"{asked.home}/$metadata#CustomersV3"
    return Reply({"@odata.context": context, "@odata.count": len(mine), "value": page} | more)


def notion(asked: Asked, records: list[Record]) -> Reply:
    assert asked.headers["notion-version"] == "2022-06-28"
    start, size = int(asked.json.get("start_cursor", 0)), asked.json["page_size"]
    is_more = start + size < len(records)
    after = str(start + size) if is_more else None
    return Reply({"results": records[start : start + size], "next_cursor": after, "has_more": is_more})


def graphql(asked: Asked, records: list[Record]) -> Reply:
    """The cursor is there on the last page too."""
    assert asked.json["query"].startswith("query ($after: String) { orders(first: 100, after: $after) {")
    start = int(asked.json["variables"].get("after", 0))
    after = start + len(records[start : start + 100])
    info = {"endCursor": str(after), "hasNextPage": after < len(records)}
    return Reply({"data": {"orders": {"nodes": records[start:after], "pageInfo": info}}})


def postgrest(asked: Asked, records: list[Record]) -> Reply:
    """Hands out 400 rows, whatever range is asked for."""
    first, last = (int(text) for text in asked.headers["range"].split("-"))
    page = records[first : min(last + 1, first + 400)]
    shown = f"{first}-{first + len(page) - 1}" if page else "*"
    return Reply(page, 206, {"Content-Range": f"{shown}/*"})


PAGING: dict[str, Callable[[], FakeApi]] = {
    "github": lambda: Made(things(430, repo=lambda number: ("api", "web")[number % 2]), github),
    "wordpress": lambda: Made(things(250), wordpress),
    "jira": lambda: Made(things(230), jira),
    "servicenow": lambda: ServiceNow(things(230)),
    "helpdesk": lambda: Helpdesk(things(230)),
    "permits": lambda: Made(things(2000), permits),
    "stripe": lambda: Made([{**each, "id": f"ch_{each['id']}"} for each in things(60)], stripe),
    "shopify": lambda: Made(things(600), shopify),
    "drive": lambda: Drive(things(150)),
    "jiracloud": lambda: Made(things(230), jiracloud),
    "hubspot": lambda: Made(things(250), hubspot),
    "devops": lambda: Made(things(250), devops),
    "jsonapi": lambda: Made(things(250), jsonapi),
    "salesforce": lambda: Made(things(230), salesforce),
    "graph": lambda: Graph(things(1500)),
    "sentry": lambda: Made(things(250), sentry),
    "journal": lambda: Made(things(250), journal),
    "archive": Archive,
    "short": lambda: Made(things(100, board=lambda number: ("red", "blue")[number % 2]), short),
    "dynamics": lambda: Made(things(200, dataAreaId=lambda number: ("usmf", "demf", "gbsi")[number % 3]), dynamics),
    "notion": lambda: Made(things(250), notion),
    "graphql": lambda: Made(things(250), graphql),
    "postgrest": lambda: Made(things(2500), postgrest),
}
