"""The jobs, and the tools that do them: for each its program, its settings, and the jobs that it takes part in."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers"
LATENCY_SECONDS = 0.5
PAGES_THAT_DIFFER, RECORDS_OF_A_PAGE = 32, 100
"""The sandbox's `/blob` has so many pages, and begins again."""
FLAKY = {"error_rate_500": 0.02, "error_rate_429": 0.01, "hang_rate": 0.005, "retry_after_seconds": 1}


@dataclass(frozen=True)
class Job:
    name: str
    title: str
    pages: int
    size: int
    in_flight: int
    faults: dict[str, float] = field(default_factory=dict)

    @property
    def ideal_seconds(self) -> float:
        return self.pages * LATENCY_SECONDS / self.in_flight

    def wanted(self) -> Counter[int]:
        """How often each record, by its id, is in a complete result."""
        counts: Counter[int] = Counter()
        for index in range(min(self.pages, PAGES_THAT_DIFFER)):
            times = len(range(index, self.pages, PAGES_THAT_DIFFER))
            first = index * RECORDS_OF_A_PAGE + 1
            counts.update(dict.fromkeys(range(first, first + RECORDS_OF_A_PAGE), times))
        return counts


JOBS = {
    job.name: job
    for job in (
        Job("A", "200 pages of 1 MB, 12 in flight", 200, 1_000_000, 12),
        Job("B", "2,000 pages of 20 KB, 256 in flight", 2_000, 20_000, 256),
        Job("C", "20,000 pages of 20 KB, 256 in flight", 20_000, 20_000, 256),
        Job("D", "20,000 pages of 1 MB, 64 in flight: 2,000,000 records, 20 GB", 20_000, 1_000_000, 64),
        Job("E", "2,000 pages of 20 KB, 64 in flight, of a flaky API", 2_000, 20_000, 64, FLAKY),
        Job("F", "E with 5 % of 500s", 2_000, 20_000, 64, FLAKY | {"error_rate_500": 0.05}),
        Job("G", "E with 429s in bursts of ten", 2_000, 20_000, 64, FLAKY | {"burst_429": 10}),
        Job("H", "E with Retry-After: 10", 2_000, 20_000, 64, FLAKY | {"retry_after_seconds": 10}),
    )
}


@dataclass(frozen=True)
class Tool:
    """`program` is a script of peers/ for the environment of that name, or else words for this Python."""

    name: str
    title: str
    settings: str
    jobs: str
    program: tuple[str, ...]
    environment: str = ""
    package: str = ""
    written: str = "*.ndjson"
    follows: str = ""
    """The tool in whose folder it runs: it finds what that one left there."""

    @property
    def is_ours(self) -> bool:
        return self.name.startswith("haulier")


LOOP = str(HERE / "contestants.py")
HAULIER = ("-m", "haulier", "run", str(HERE / "source.py"))
OURS = "lake/bench/**/*.ndjson.gz"


def _peer(name: str, title: str, package: str, jobs: str, settings: str, written: str = "*.ndjson") -> Tool:
    return Tool(name, title, settings, jobs, (str(PEERS / f"run_{name}.py"),), name, package, written)


TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "bare", "bare gather loop",
            "aiohttp and uvloop, a semaphore, one plain file, no retry: the least that a pull can cost",
            "ABCD", (LOOP, "bare"), package="aiohttp",
        ),
        Tool(
            "durable", "loop + gzip, fsync, link",
            "the same, with a compressed, durable, create-only file a page; no retry",
            "ABC", (LOOP, "durable"), package="aiohttp", written="*.ndjson.gz",
        ),
        Tool("haulier", "haulier run", "as it comes: the first run of a source", "ABCDEFGH", HAULIER, written=OURS),
        Tool(
            "haulier-again", "haulier run, the second time",
            "the next run of the same source: what the API bore is known", "ABCEFGH", HAULIER,
            written=OURS, follows="haulier",
        ),
        Tool(
            "haulier-fixed", "haulier run --fixed", "no more is found out than that `in_flight` is right", "ABCE",
            (*HAULIER, "--fixed"), written=OURS,
        ),
        Tool(
            "haulier-2", "haulier run --workers 2 --fixed", "a process that plans and closes, two that work", "BC",
            (*HAULIER, "--fixed", "--workers", "2"), written=OURS,
        ),
        _peer(
            "threads", "threads + requests", "requests", "ABCEFGH",
            "a thread a request in flight, one session, urllib3's Retry with Retry-After, slices of bytes",
        ),
        _peer(
            "dlt", "dlt, parallelized", "dlt", "ABCEFGH",
            "a worker a request in flight, its own client with retries, orjson, no nested tables, plain JSON lines",
            "loaded/peer/blobs/*.jsonl",
        ),
        _peer(
            "crawlee", "Crawlee", "crawlee", "ABCE",
            "concurrency fixed, storage in memory, no session pool, the handler writes a file a page",
        ),
        _peer(
            "scrapy", "Scrapy", "scrapy", "ABCE",
            "concurrency in all and per domain, uvloop, few middlewares, the callback writes a file a page",
        ),
        _peer(
            "airbyte", "Airbyte CDK", "airbyte-cdk", "ABCE",
            "a concurrent Python stream, a partition a page, a thread a request in flight, messages to a file",
            "messages.jsonl",
        ),
        _peer(
            "first", "queue of work, as first published", "azure-storage-queue", "AE",
            "12 synchronous processes, Azurite, jsonpickle, one message at a time, invisible for 30 s",
        ),
    )
}  # fmt: skip

MISSING = """\
Not measured: the bare loops in E to H, since they try nothing again; the queue of work as first published in B and C,
where its 12 processes would need 83 and 833 s by latency alone; the other tools in C and D, and most of them in F to
H. Nothing is extrapolated."""


def command(tool: Tool, job: Job, url: str, python: str) -> list[str]:
    """What is started in the folder that the tool may write to."""
    numbers = [str(job.pages), str(job.in_flight), str(job.size)]
    if tool.is_ours:
        return [sys.executable, *tool.program, "--lake", "lake", "--queue", "sqlite:///queue.sqlite3"]
    if not tool.environment:
        return [sys.executable, *tool.program, url, *numbers, "."]
    return [python, *tool.program, url, *numbers]


def environ(job: Job, url: str) -> dict[str, str]:
    """What `source.py` reads."""
    return {
        "BENCH_URL": url,
        "BENCH_PAGES": str(job.pages),
        "BENCH_IN_FLIGHT": str(job.in_flight),
        "BENCH_BYTES": str(job.size),
    }
