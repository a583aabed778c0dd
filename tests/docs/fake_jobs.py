"""The APIs of docs/apis/jobs.md: each starts a job, is asked about it, and has its result apart."""

from __future__ import annotations

import csv
import io
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


class Bulk:
    """Salesforce: CSV pages of two rows with a locator in a header, which is the text null behind the last one."""

    files: Mapping[str, str] = MappingProxyType({})
    names = ("Ada", 'Grace "Amazing"', "Line\nend", "", "Zoë")
    base = "/services/data/v62.0/jobs/query"

    @property
    def lines(self) -> list[str]:
        rows = ({"Id": f"001{number}", "Name": name} for number, name in enumerate(self.names))
        lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
        return sorted(lines, key=lambda line: str(json.loads(line)))

    def answer(self, asked: Asked) -> Reply:
        if asked.method == "POST":
            assert (asked.path, asked.json["operation"]) == (self.base, "query")
            return Reply({"id": "750xx", "state": "UploadComplete"})
        if asked.path == f"{self.base}/750xx":
            return Reply({"id": "750xx", "state": "JobComplete", "numberRecordsProcessed": len(self.names)})
        assert asked.path == f"{self.base}/750xx/results"
        assert asked.query["maxRecords"] == "50000"
        start = int(asked.query.get("locator", "0"))
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(["Id", "Name"])
        writer.writerows([f"001{start + number}", name] for number, name in enumerate(self.names[start : start + 2]))
        locator = str(start + 2) if start + 2 < len(self.names) else "null"
        return Reply(text.getvalue().encode(), headers={"Content-Type": "text/csv", "Sforce-Locator": locator})


class Boutique:
    """Shopify: one operation, asked about by GraphQL, with a file of JSON lines at a signed address."""

    files: Mapping[str, str] = MappingProxyType({})
    job = "gid://shopify/BulkOperation/720918"

    @property
    def lines(self) -> list[str]:
        rows = [{"id": f"gid://shopify/Product/{number}", "title": f"T-shirt {number}"} for number in range(1, 6)]
        return sorted((json.dumps(row) for row in rows), key=lambda line: str(json.loads(line)))

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/files/720918":
            assert asked.query["Signature"] == "c2lnbmF0dXJl"
            return Reply(
                "".join(f"{line}\n" for line in self.lines).encode(), headers={"Content-Type": "application/jsonl"}
            )
        assert asked.path == "/admin/api/2026-10/graphql.json"
        assert asked.headers["x-shopify-access-token"] == "a-value"
        if "mutation" in asked.json["query"]:
            assert '"{ products { edges' in asked.json["query"]
            return Reply({"data": {"bulkOperationRunQuery": {"bulkOperation": {"id": self.job}, "userErrors": []}}})
        assert asked.json["variables"] == {"id": self.job}
        url = f"{asked.home}/files/720918?Signature=c2lnbmF0dXJl"
        return Reply({"data": {"node": {"status": "COMPLETED", "url": url, "objectCount": "5"}}})


JOBS = {"reports": Reports, "bulk": Bulk, "boutique": Boutique}
