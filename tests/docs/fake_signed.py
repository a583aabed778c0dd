"""The API of docs/apis/identity.md that verifies signatures of AWS."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from tests.docs.fake_others import SECRET
from tests.docs.fake_paging import FakeApi, Record, things
from tests.docs.fake_server import Asked, Reply
from tests.harness.aws import KEY_ID, Aws


class Shipments(FakeApi):
    """Behind API Gateway, whose clock is an hour ahead. Its tokens have every character that is sent encoded."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(records)
        self._aws = Aws("execute-api", keys={KEY_ID: (SECRET, None)}, ahead=timedelta(hours=1))

    def answer(self, asked: Asked) -> Reply:
        refusal = self._aws.refusal(asked.method, asked.target, asked.headers, asked.body)
        if refusal:
            name, _, words = refusal.partition(": ")
            return Reply({"message": words}, 403, {"x-amzn-ErrorType": name, "Date": self._aws.date()})
        assert asked.query["status"] == "in transit,delivered"
        start = int(asked.query.get("token", "/+ ,*=0").removeprefix("/+ ,*="))
        after = f"/+ ,*={start + 100}" if start + 100 < len(self.records) else None
        return Reply({"items": self.records[start : start + 100], "nextToken": after})


SIGNED: dict[str, Callable[[], FakeApi]] = {"shipments": lambda: Shipments(things(250))}
