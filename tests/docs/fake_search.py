"""The clusters of docs/apis/search.md: servers that somebody else wrote, behind a gate that asks for credentials."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from tests.docs.fake_others import SECRET
from tests.docs.fake_server import Asked, Reply
from tests.harness.aws import KEY_ID, Aws
from tests.harness.search_servers import SearchStore

DAYS, A_DAY = 70, 3


@dataclass(frozen=True)
class Cluster:
    """What a source file of the page reads."""

    index: str
    time: str
    fixture: str
    credential: str
    fields: dict[str, Any]

    action: str = ""

    def fill(self, store: SearchStore) -> list[str]:
        """Documents of seventy days, and their IDs, sorted."""
        made = []
        for number in range(DAYS * A_DAY):
            day, part = divmod(number, A_DAY)
            moment = f"2024-{day // 28 + 1:02}-{day % 28 + 1:02}T{part * 10:02}:00:00Z"
            document = {self.time: moment, "event_id": f"e{number}", "action": self.action}
            made.append((f"k{number}", json.dumps(document).encode()))
        if self.action:
            other = {self.time: "2024-02-02T00:00:00Z", "event_id": "other", "action": "ACCEPT"}
            made.append(("other", json.dumps(other).encode()))
        store.index(made, {self.time: {"type": "date"}, **self.fields}, name=self.index)
        return sorted(f"e{number}" for number in range(DAYS * A_DAY))

    def refusal(self, asked: Asked) -> str:
        return "" if asked.headers.get("authorization") == self.credential else "no credentials"

    def answer(self, store: SearchStore, asked: Asked) -> Reply:
        if self.refusal(asked):
            return Reply({"error": {"type": "security_exception"}, "status": 401}, 401)
        kind = {"Content-Type": "application/json"} if asked.body else {}
        request = urllib.request.Request(store.url + asked.target, asked.body or None, kind, method=asked.method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return Reply(json.loads(answer.read()), answer.status)
        except urllib.error.HTTPError as error:
            return Reply(json.loads(error.read()), error.code)


@dataclass(frozen=True)
class Signed(Cluster):
    """Behind the rights of AWS."""

    def refusal(self, asked: Asked) -> str:
        aws = Aws("es", keys={KEY_ID: (SECRET, None)})
        return aws.refusal(asked.method, asked.target, asked.headers, asked.body)


_ID = {"event_id": {"type": "keyword"}}
SEARCHES = {
    "clicks": Cluster("clicks-2024", "@timestamp", "elasticsearch", "ApiKey a-value", _ID),
    "audit": Cluster("audit-2024", "at", "opensearch", "Basic " + base64.b64encode(b"a-value:a-value").decode(), _ID),
    "flow": Signed("flow-2024", "at", "opensearch", "", {"action": {"type": "keyword"}, **_ID}, action="REJECT"),
}
