"""The APIs of docs/apis/feeds.md: each keeps a log of changes, and hands out what is behind a token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tests.docs.fake_server import Asked, Reply

PAGE = 3


class ChangeLog:
    """Records by their newest change; a page has three."""

    files: Mapping[str, str] = MappingProxyType({})

    def __init__(self) -> None:
        self.changes: list[dict[str, Any]] = []
        self.asked: list[str] = []
        """Targets of all requests, in order."""
        for number in range(1, 8):
            self.put(number, f"name {number}")

    def put(self, number: int, name: str) -> None:
        self.changes.append({"id": number, "name": name})

    def remove(self, number: int) -> None:
        self.changes.append({"id": number, "deleted": True})

    @property
    def lines(self) -> list[str]:
        """All changes so far, as they are sent."""
        return sorted((json.dumps(change) for change in self.changes), key=lambda line: str(json.loads(line)))

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked.target)
        return self.reply(asked)

    def reply(self, asked: Asked) -> Reply:
        raise NotImplementedError

    def page(self, start: int) -> tuple[list[dict[str, Any]], int, bool]:
        """Changes from ``start`` on, where the next ones begin, and whether there are any."""
        found = self.changes[start : start + PAGE]
        return found, start + len(found), start + len(found) < len(self.changes)


class Directory(ChangeLog):
    """Microsoft Graph: the last page has a deltaLink in place of the nextLink; old ones are Gone."""

    oldest = 0
    """Tokens below it are not known any more."""

    def reply(self, asked: Asked) -> Reply:
        if asked.method == "HEAD":
            return Reply({})
        assert asked.path == "/v1.0/users/delta"
        token = asked.query.get("$deltatoken", asked.query.get("$skiptoken", ""))
        if token:
            assert list(asked.query) == ["$deltatoken"] or list(asked.query) == ["$skiptoken"], (
                "a link is used as it is"
            )
        else:
            assert asked.query["$select"] == "id,name"
        start = int(token.removeprefix("t") or 0)
        if "$deltatoken" in asked.query and start < self.oldest:
            return Reply({"error": {"code": "resyncRequired", "message": "Resync required."}}, 410)
        found, behind, has_more = self.page(start)
        home = f"{asked.home}/v1.0/users/delta"
        link = {"@odata.nextLink": f"{home}?$skiptoken=t{behind}"}
        if not has_more:
            link = {"@odata.deltaLink": f"{home}?$deltatoken=t{behind}"}
        return Reply({"value": found, **link})


class Calendar(ChangeLog):
    """Google: nextPageToken, and a nextSyncToken on the last page."""

    def reply(self, asked: Asked) -> Reply:
        if asked.method == "HEAD":
            return Reply({})
        assert asked.path == "/calendar/v3/calendars/primary/events"
        page, sync = asked.query.get("pageToken"), asked.query.get("syncToken")
        assert (sync is None) == ("timeMin" in asked.query), "the API refuses both at once"
        found, behind, has_more = self.page(int(page or sync or 0))
        tokens = {"nextPageToken": str(behind)} if has_more else {"nextSyncToken": str(behind)}
        return Reply({"items": found, **tokens})


class Couch(ChangeLog):
    """CouchDB: `since` goes from page to page and from run to run; tokens are opaque."""

    def reply(self, asked: Asked) -> Reply:
        if asked.method == "HEAD":
            return Reply({})
        assert asked.path == "/crm/_changes"
        assert asked.query["limit"] == "1000"
        found, behind, has_more = self.page(int(asked.query.get("since", "0").partition("-")[0]))
        pending = len(self.changes) - behind
        assert has_more == bool(pending)
        return Reply({"results": found, "last_seq": f"{behind}-g1AAAACbeJzLY", "pending": pending})


class Rates:
    """One small answer with an ETag, which says 304 while it is as it was."""

    files: Mapping[str, str] = MappingProxyType({})

    def __init__(self) -> None:
        self.version = 1
        self.statuses: list[int] = []

    @property
    def records(self) -> list[dict[str, Any]]:
        return [{"id": number, "rate": number * self.version} for number in (1, 2)]

    @property
    def lines(self) -> list[str]:
        return [json.dumps(record) for record in self.records]

    def answer(self, asked: Asked) -> Reply:
        tag = f'W/"{self.version}"'
        if asked.method == "HEAD":
            return Reply({}, headers={"ETag": tag})
        status = 304 if asked.headers.get("if-none-match") == tag else 200
        self.statuses.append(status)
        return Reply({"rates": self.records}, status, {"ETag": tag})


FEEDS = {"directory": Directory, "calendar": Calendar, "couch": Couch, "exchange": Rates}
