"""The APIs of docs/apis/shapes.md, each with the habits that its section warns of."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs

from tests.docs.fake_paging import FakeApi, Made, Record, things, within
from tests.docs.fake_server import Asked, Reply


class Inventory(FakeApi):
    """An article does not name itself; the last page of the stock has one line, and the warehouse is one record."""

    def __init__(self) -> None:
        self._articles = {f"a{number}": {"price": number} for number in range(12)}
        self._stock = [{"line": number} for number in range(7)]
        super().__init__([*self._stock, {"name": "north", "halls": 3}])

    @property
    def lines(self) -> list[str]:
        articles = [f'{{"sku":"{sku}",{json.dumps(article)[1:]}' for sku, article in self._articles.items()]
        return sorted([*articles, *map(json.dumps, self.records)], key=lambda line: str(json.loads(line)))

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/warehouse":
            return Reply(self.records[-1])
        if asked.path == "/stock":
            page = asked.number("page")
            lines: Any = self._stock[(page - 1) * 3 : page * 3]
            return Reply({"report": {"pages": 3, "line": lines[0] if len(lines) == 1 else lines}})
        start, names = asked.number("cursor"), list(self._articles)
        articles = {name: self._articles[name] for name in names[start : start + 5]}
        return Reply({"articles": articles or [], "next": start + 5 if start + 5 < len(names) else None})


class Timetable(FakeApi):
    """A Sunday has no list, and a Monday an empty one."""

    def __init__(self) -> None:
        days = [date(2024, 1, 1) + timedelta(days=number) for number in range(60)]
        self._days = {
            str(day): [{"train": n} for n in range(day.toordinal() % 7 - 1)] if day.toordinal() % 7 else None
            for day in days
        }
        super().__init__([])

    @property
    def lines(self) -> list[str]:
        lines = [f'{{"day":"{day}",{json.dumps(one)[1:]}' for day, trains in self._days.items() for one in trains or ()]
        return sorted(lines, key=lambda line: str(json.loads(line)))

    def answer(self, asked: Asked) -> Reply:
        mine = {day: trains for day, trains in self._days.items() if asked.query["from"] <= day < asked.query["until"]}
        days = {day: {} if trains is None else {"departures": trains} for day, trains in mine.items()}
        return Reply({"days": days, "count": sum(len(trains or ()) for trains in mine.values())})


class Exports(FakeApi):
    """Lines, and a table that was made on Windows, whose header does not say so."""

    def __init__(self) -> None:
        self._prices = [(f"Käse {number}", f"{number},20") for number in range(20)]
        super().__init__([{"id": number} for number in range(250)])

    @property
    def lines(self) -> list[str]:
        prices = [f'{{"article":"{article}","price":"{price}"}}' for article, price in self._prices]
        return sorted([*prices, *map(json.dumps, self.records)], key=lambda line: str(json.loads(line)))

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/prices.csv":
            assert asked.headers["accept"] == "text/csv"
            rows = "".join(f'{article};"{price}"\r\n' for article, price in self._prices)
            return Reply(f"article;price\r\n{rows}".encode("cp1252"), headers={"Content-Type": "text/csv"})
        start = asked.number("offset")
        shown = self.records[start : start + asked.number("limit")]
        headers = {"X-Total-Count": str(len(self.records)), "Content-Type": "application/x-ndjson"}
        return Reply("".join(f"{json.dumps(record)}\n" for record in shown).encode(), headers=headers)


class Parts(FakeApi):
    """Answers each ID that is asked for; every third part is missing, and of the last hundred all were deleted."""

    def __init__(self) -> None:
        self._rows = [
            {"id": n, "state": "deleted"} if n > 300 else {"id": n, "missing": True} if n % 3 == 0 else {"id": n}
            for n in range(1, 401)
        ]
        super().__init__([row for row in self._rows if len(row) == 1])

    def answer(self, asked: Asked) -> Reply:
        mine = self._rows[asked.number("from") - 1 : asked.number("to") - 1]
        start = asked.number("offset")
        return Reply({"parts": mine[start : start + asked.number("limit")], "asked": len(mine)})


def registry(asked: Asked, records: list[Record]) -> Reply:
    """Reads a form, with several values of a name."""
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    form = parse_qs(asked.body.decode(), strict_parsing=True)
    (since,), (until,) = form["since"], form["until"]
    mine = [record for record in within(records, since, until, "%Y-%m-%d") if record["status"] in form["status"]]
    start, size = int(form["from"][0]), int(form["size"][0])
    return Reply({"results": mine[start : start + size], "hits": len(mine)})


SHAPES: dict[str, Callable[[], FakeApi]] = {
    "inventory": Inventory,
    "timetable": Timetable,
    "exports": Exports,
    "lookup": Parts,
    "registry": lambda: Made(things(180, status=lambda number: ("active", "dormant")[number % 2]), registry),
}
