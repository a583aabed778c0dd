"""The APIs of docs/apis/dividing.md, answers.md and identity.md, each with the habits that its section warns of."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime
from urllib.parse import unquote, urlsplit

from tests.docs.fake_paging import FakeApi, Made, Record, at, bounds, things, within
from tests.docs.fake_server import Asked, Reply

SECRET = "a-value"
"""What every variable of a page is set to."""


AUTHORS = range(1, 41)


def search(asked: Asked, records: list[Record]) -> Reply:
    """Hands out 1,000 for one query, whatever is asked for; the end of a window counts in."""
    first, last = (datetime.fromisoformat(text) for text in bounds(asked.query["q"]))
    mine = [record for record in records if first <= at(record) <= last]
    page = asked.number("page", 1)
    assert page <= 10
    link = f"{asked.home}{asked.target.partition('&page=')[0]}&page={page + 1}"
    more = {"Link": f'<{link}>; rel="next"'} if page * 100 < min(len(mine), 1000) else {}
    shown = {"total_count": len(mine), "incomplete_results": False, "items": mine[(page - 1) * 100 : page * 100]}
    return Reply(shown, headers=more)


class SlowSearch(Made):
    """Runs out of time once, and sends what it has under a good status, with a total that agrees."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(records, search)
        self.was_slow = False

    def answer(self, asked: Asked) -> Reply:
        reply = super().answer(asked)
        if self.was_slow or not 7 < reply.body["total_count"] <= 1000:
            return reply
        self.was_slow = True
        return Reply({"total_count": 7, "incomplete_results": True, "items": reply.body["items"][:7]})


def fred(asked: Asked, records: list[Record]) -> Reply:
    assert asked.query["api_key"] == SECRET
    mine = [record for record in records if record["series"] == asked.query["series_id"]]
    start, limit = asked.number("offset"), asked.number("limit")
    return Reply({"count": len(mine), "observations": mine[start : start + limit]})


def reference(asked: Asked, records: list[Record]) -> Reply:
    return Reply({"currencies": records})


def blog(asked: Asked, records: list[Record]) -> Reply:
    """Post 13 is listed and gone; a post has as many comments as its number says, three to a page."""
    posts = [record for record in records if "of" not in record]
    if asked.path == "/posts":
        page, size = asked.number("page"), asked.number("per_page")
        shown = posts[(page - 1) * size : page * size]
        return Reply({"posts": shown, "has_more": page * size < len(posts)})
    post = int(asked.path.split("/")[2])
    if post == 13:
        return Reply({"error": "no such post"}, 404)
    mine = [record for record in records if record.get("of") == post]
    start = asked.number("cursor")
    return Reply({"comments": mine[start : start + 3], "next": start + 3 if start + 3 < len(mine) else None})


def posts_and_comments() -> list[Record]:
    posts = [{"id": number} for number in range(1, 131)]
    comments = [{"of": post["id"], "n": n} for post in posts if post["id"] != 13 for n in range(post["id"] % 8)]
    return [*posts, *comments]


class Library(FakeApi):
    """A book does not say whose it is, and each author's are numbered from 1."""

    def __init__(self) -> None:
        self._books = {author: [{"id": n, "title": f"{author}-{n}"} for n in range(1, author)] for author in AUTHORS}
        super().__init__([{"id": author} for author in AUTHORS])

    @property
    def lines(self) -> list[str]:
        books = [(author, book) for author, owned in self._books.items() for book in owned]
        added = [f'{{"author_id":{author},{json.dumps(book)[1:]}' for author, book in books]
        return sorted([*map(json.dumps, self.records), *added], key=lambda line: str(json.loads(line)))

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/authors":
            return Reply({"authors": self.records})
        books, start = self._books[int(asked.path.split("/")[2])], asked.number("offset")
        return Reply({"books": books[start : start + asked.number("limit")], "total": len(books)})


def orders(asked: Asked, records: list[Record]) -> Reply:
    """Counts to 10,000, and hands out no more."""
    window, start, size = asked.json["query"]["range"]["created"], asked.json["from"], asked.json["size"]
    if start + size > 10_000:
        return Reply({"error": {"reason": "Result window is too large"}}, 400)
    mine = within(records, window["gte"], window["lt"], "%Y-%m-%dT%H:%M:%SZ")
    total = {"value": min(len(mine), 10_000), "relation": "eq" if len(mine) <= 10_000 else "gte"}
    return Reply({"hits": {"total": total, "hits": mine[start : start + size]}})


def by_ids(name: str) -> Callable[[Asked, list[Record]], Reply]:
    """IDs from ``from`` up to, not including, ``to``, by a cursor."""

    def make(asked: Asked, records: list[Record]) -> Reply:
        if asked.path.endswith("/newest"):
            return Reply({"id": records[-1]["id"]})
        mine = [record for record in records if asked.number("from") <= record["id"] < asked.number("to")]
        start = asked.number("cursor")
        after = str(start + 100) if start + 100 < len(mine) else None
        return Reply({name: mine[start : start + 100], "next": after})

    return make


class Erp(Made):
    """Its first two answers to a page are errors under 200: one that means 503, and one of its own."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(records, by_ids("invoices"))
        self.errors = [{"code": 503, "message": "busy"}, {"code": "E17", "message": "lock held"}]

    def answer(self, asked: Asked) -> Reply:
        if self.errors and not asked.path.endswith("/newest"):
            return Reply({"invoices": [], "error": self.errors.pop(0)})
        return super().answer(asked)


class Tickets(FakeApi):
    """Throttles once, with words of its own."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(records)
        self.throttled = 0

    def answer(self, asked: Asked) -> Reply:
        page, size = asked.number("page"), asked.number("per_page")
        if page == 2 and not self.throttled:
            self.throttled += 1
            return Reply({"reason": "Your daily allowance is used up"}, 403, {"Retry-After": "1"})
        shown = self.records[(page - 1) * size : page * size]
        return Reply({"tickets": shown, "has_more": page * size < len(self.records)})


class Ads(Made):
    """Refuses once, and tells the wait in milliseconds in the body. Who comes sooner is refused for good."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(records, clicks)
        self.refused_at: float | None = None

    def answer(self, asked: Asked) -> Reply:
        if self.refused_at is None and asked.query.get("after"):
            self.refused_at = time.monotonic()
            return Reply({"error": {"code": "TOO_FAST", "retry_in": 1500}}, 429)
        if self.refused_at is not None and time.monotonic() - self.refused_at < 1.4:
            return Reply({"error": {"code": "BANNED"}}, 400)
        return super().answer(asked)


def clicks(asked: Asked, records: list[Record]) -> Reply:
    mine = [record for record in records if record["id"] > asked.number("after")]
    return Reply({"clicks": mine[:100], "has_more": len(mine) > 100})


class Crm(Made):
    """Hands out one token, however many requests need it at once; a second one would be an error."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(records, by_ids("accounts"))
        self.has_granted = False

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/oauth2/token":
            if self.has_granted or asked.headers["authorization"] != f"Basic {b64encode(b'a-value:a-value').decode()}":
                return Reply({"error": "invalid_request"}, 400)
            self.has_granted = True
            return Reply({"access_token": "granted", "expires_in": 3600})
        if asked.headers.get("authorization") != "Bearer granted":
            return Reply({"error": "invalid_token"}, 401)
        return super().answer(asked)


def catalogue(asked: Asked, records: list[Record]) -> Reply:
    if asked.headers.get("authorization") != f"ApiKey {SECRET}":
        return Reply({"error": "who are you?"}, 401)
    mine = [record for record in records if record["sku"] > asked.query.get("after", "")]
    return Reply({"products": mine[:50], "has_more": len(mine) > 50})


def weather(asked: Asked, records: list[Record]) -> Reply:
    """A proxy is asked for the whole address."""
    assert asked.target.startswith("http://")
    start, limit = asked.number("offset"), asked.number("limit")
    return Reply({"stations": records[start : start + limit], "total": len(records)})


def sensors(asked: Asked, records: list[Record]) -> Reply:
    """Each third day is empty, and says so in another way each time."""
    first, last = asked.number("since"), asked.number("until")
    mine = [record for record in records if first <= record["created"] < last]
    start = asked.number("offset")
    shown = mine[start : start + asked.number("limit")]
    if shown:
        return Reply({"result": {"readings": shown}})
    nothing = [Reply({"result": {"readings": None}}), Reply({"result": {}}), Reply(None, 204), Reply({"result": []})]
    return nothing[first // 86_400 // 3 % len(nothing)]


def ledger(asked: Asked, records: list[Record]) -> Reply:
    """The cursor of its last page leads to that page again."""
    start = asked.number("cursor")
    is_last = start + 100 >= len(records)
    page = {"entries": records[start : start + 100], "next": start if is_last else start + 100}
    return Reply(page, headers={"X-Last-Page": "true" if is_last else "false"})


def support(asked: Asked, records: list[Record]) -> Reply:
    """Reads its query as Go does: a parameter with a bare `;` in it is not there, and its filter does not apply."""
    said = dict(pair.partition("=")[::2] for pair in urlsplit(asked.target).query.split("&") if ";" not in pair)
    states = unquote(said.get("state", "open;pending;closed")).split(";")
    tags = [unquote(tag) for tag in said.get("tags", "").split(",")]
    mine = [record for record in records if record["state"] in states and record["tag"] in tags]
    start = int(said.get("cursor", 0))
    return Reply({"tickets": mine[start : start + 100], "next": start + 100 if start + 100 < len(mine) else None})


class Support(Made):
    """Holds more than the query asks for."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(records, support)
        self._all, self.records = records, [record for record in records if record["state"] != "closed"]

    def answer(self, asked: Asked) -> Reply:
        return support(asked, self._all)


OTHERS: dict[str, Callable[[], FakeApi]] = {
    "fred": lambda: Made(things(2400, series=lambda number: ("GDP", "UNRATE", "DGS10", "DGS10")[number % 4]), fred),
    "reference": lambda: Made([{"id": code} for code in ("EUR", "GBP", "JPY")], reference),
    "blog": lambda: Made(posts_and_comments(), blog),
    "library": Library,
    "orders": lambda: Made([{"_id": f"o{n}", "created": n * 60} for n in range(12_000)], orders),
    "search": lambda: SlowSearch([each | {"created": each["id"] * 600} for each in things(2600)]),
    "erp": lambda: Erp(things(900)),
    "tickets": lambda: Tickets(things(250)),
    "ads": lambda: Ads(things(250)),
    "crm": lambda: Crm(things(900)),
    "sensors": lambda: Made([each for each in things(190) if each["created"] // 86_400 % 3], sensors),
    "ledger": lambda: Made(things(250), ledger),
    "support": lambda: Support(
        things(
            400,
            state=lambda number: ("open", "closed", "pending")[number % 3],
            tag=lambda number: ("red,green", "blue")[number % 2],
        )
    ),
    "catalogue": lambda: Made(things(120, sku=lambda number: f"s{number:04}"), catalogue),
    "bank": lambda: Made(things(900), by_ids("transactions")),
    "weather": lambda: Made(things(250), weather),
}
