"""The APIs of docs/apis/dividing.md whose lists lead to further requests: levels of parents, links, joined values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from tests.docs.fake_paging import FakeApi, Record
from tests.docs.fake_server import Asked, Reply


class Tracker(FakeApi):
    """The n-th organization has n repositories, these have issues, and these comments that name nothing above."""

    def __init__(self) -> None:
        self._orgs = [{"login": f"org-{n}"} for n in range(1, 8)]
        super().__init__([*self._orgs, *(repo for org in self._orgs for repo in self._repos(org["login"]))])

    @property
    def lines(self) -> list[str]:
        issues, comments = [], []
        for org in self._orgs:
            for repo in self._repos(org["login"]):
                for issue in self._issues(org["login"], repo["name"]):
                    issues.append(issue)
                    where = {"org": org["login"], "repo": repo["name"], "issue": issue["number"]}
                    told = json.dumps(where, separators=(",", ":"))[:-1]
                    comments += [f"{told},{json.dumps(each)[1:]}" for each in self._comments(issue)]
        return sorted([*map(json.dumps, [*self.records, *issues]), *comments], key=lambda line: str(json.loads(line)))

    def answer(self, asked: Asked) -> Reply:
        match asked.path.strip("/").split("/"):
            case ["orgs"]:
                return Reply({"rows": self._orgs})
            case ["orgs", org, "repos"]:
                return self._page(asked, self._repos(org))
            case ["repos", org, repo, "issues"]:
                return self._page(asked, self._issues(org, repo))
            case ["repos", org, repo, "issues", number, "comments"]:
                (issue,) = (each for each in self._issues(org, repo) if each["number"] == int(number))
                return self._page(asked, self._comments(issue))
            case _:
                return Reply({"message": "Not Found"}, 404)

    def _page(self, asked: Asked, rows: list[Record]) -> Reply:
        start = asked.number("cursor")
        return Reply({"rows": rows[start : start + 2], "next": start + 2 if start + 2 < len(rows) else None})

    def _repos(self, org: str) -> list[Record]:
        return [{"name": f"repo-{n}", "of": org} for n in range(int(org.removeprefix("org-")))]

    def _issues(self, org: str, repo: str) -> list[Record]:
        return [{"number": n, "title": f"{org}/{repo}#{n}"} for n in range(1, 2 + int(repo.removeprefix("repo-")))]

    def _comments(self, issue: Record) -> list[Record]:
        return [{"text": f"{issue['title']}-{n}"} for n in range(issue["number"])]


class Museum(FakeApi):
    """Its list has a signed link for each object: no byte of it may change. Two of these are gone meanwhile."""

    def __init__(self) -> None:
        self._listed = [{"object": n, "href": f"/v1/objects/{n}?sig=a%2Fb%2b{n}&exp=1"} for n in range(1, 131)]
        self._objects = {n: {"id": n, "title": f"t{n}", "parts": [n, n]} for n in range(1, 131) if n not in (7, 100)}
        super().__init__([*self._listed, *self._objects.values()])

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/v1/objects":
            start = asked.number("cursor")
            more = start + 50 < len(self._listed)
            return Reply({"items": self._listed[start : start + 50], "next": start + 50 if more else None})
        number = int(asked.path.removeprefix("/v1/objects/"))
        assert asked.target == self._listed[number - 1]["href"]
        found = self._objects.get(number)
        return Reply({"error": "gone"}, 410) if found is None else Reply(found)


class Stock(FakeApi):
    """Reads fifty numbers at once, passes over what comes behind them, and leaves out what it does not have."""

    def __init__(self) -> None:
        self._products = [{"sku": n, "name": f"p{n}"} for n in range(1, 131)]
        self._levels = [{"sku": n, "site": site} for n in range(1, 131) if n % 9 for site in ("north", "south")]
        self._prices = [{"currency": code, "rate": n} for n, code in enumerate(("EUR", "GBP", "JPY", "USD", "CHF"))]
        super().__init__([*self._products, *self._levels, *self._prices])

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/products":
            start = asked.number("cursor")
            more = start + 40 < len(self._products)
            return Reply({"products": self._products[start : start + 40], "next": start + 40 if more else None})
        if asked.path == "/levels":
            wanted = [int(text) for text in asked.query["skus"].split("|")[:50]]
            return Reply({"levels": [level for level in self._levels if level["sku"] in wanted]})
        codes = asked.query["codes"].split(",")
        assert len(codes) <= 3
        return Reply({"rates": [rate for rate in self._prices if rate["currency"] in codes]})


class Cinema(FakeApi):
    """IDs are compared as texts. Names are looked up by how they begin, twelve at most, with how many there are."""

    def __init__(self) -> None:
        self._titles = [{"id": f"tt{number:07}"} for number in range(1, 1234, 3)]
        self._people = [{"key": hashlib.sha256(bytes([number])).hexdigest()[:12]} for number in range(256)]
        super().__init__([*self._titles, *self._people])

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/titles/newest":
            return Reply(self._titles[-1])
        if asked.path == "/titles":
            first, last = asked.query["from"], asked.query["to"]
            return Reply({"titles": [title for title in self._titles if first <= title["id"] <= last]})
        mine = [person for person in self._people if person["key"].startswith(asked.query["starts"])]
        return Reply({"people": mine[:12], "total": len(mine)})


PARENTS: dict[str, Callable[[], FakeApi]] = {"tracker": Tracker, "museum": Museum, "stock": Stock, "cinema": Cinema}
