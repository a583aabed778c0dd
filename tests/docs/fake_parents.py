"""The APIs of docs/apis/dividing.md whose lists lead to further requests: levels of parents, links, joined values."""

from __future__ import annotations

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


PARENTS: dict[str, Callable[[], FakeApi]] = {"tracker": Tracker}
