"""The APIs of docs/apis/jobs.md: each starts a job, is asked about it, and has its result apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Any

from tests.docs.fake_server import Asked, Reply

Rows = list[dict[str, Any]]


class Reports:
    """202 with a Location; then files of ten rows each, at addresses that are good for one job. January has some days
    without any visit."""

    files: Mapping[str, str] = MappingProxyType({})

    def __init__(self) -> None:
        self.rows: Rows = [{"id": number, "day": f"2026-01-{1 + number // 6:02}"} for number in range(36)]
        self.jobs: dict[str, Rows] = {}
        self.asked: dict[str, int] = {}

    @property
    def lines(self) -> list[str]:
        return sorted((json.dumps(row) for row in self.rows), key=lambda line: str(json.loads(line)))

    def answer(self, asked: Asked) -> Reply:
        _, version, kind, *rest = asked.path.split("/")
        assert version == "v1"
        assert asked.headers["authorization"] == "Bearer a-value"
        if asked.method == "POST":
            job = str(len(self.jobs) + 1)
            first, end = (date.fromisoformat(asked.json[name]) for name in ("from", "to"))
            self.jobs[job] = [row for row in self.rows if first <= date.fromisoformat(row["day"]) < end]
            return Reply({"accepted": True}, 202, {"Location": f"/v1/reports/{job}"})
        rows = self.jobs[rest[0]]
        if kind == "files":
            start = int(rest[1])
            return Reply({"visits": rows[start : start + 10]})
        self.asked[rest[0]] = self.asked.get(rest[0], 0) + 1
        if self.asked[rest[0]] == 1 and rest[0] == "1":
            return Reply({"status": "running"}, 202)
        files = [{"url": f"{asked.home}/v1/files/{rest[0]}/{start}"} for start in range(0, len(rows), 10)]
        return Reply({"status": "completed", "rows": len(rows), "files": files or None})


JOBS = {"reports": Reports}
