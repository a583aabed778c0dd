"""A run of many small items against the sandbox: how long it takes to enqueue, drain and close, and what it holds.

`python benchmarks/many_items.py [--items 20000 100000] [--enqueue 1000000]`: one item a record, one request each, no
latency.
Drained is when the last request was sent, to a quarter of a second; what follows is the closing. Memory is read on the
way, after a fifth of the items and after the last: what is flat does not grow with the run. The second table enqueues
alone, ten times as many items in the second line as in the first. CPU is what to read where the machine is busy with
something else: each `s (CPU)` is wall seconds, and CPU seconds in brackets.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from haulier.testing.sandbox import SandboxProcess, SandboxSettings

IN_FLIGHT = 32
SAMPLE_SECONDS = 0.25
COLUMNS = (
    "items", "enqueue s (CPU)", "drain s (CPU)", "items/s", "CPU ms an item", "MB after 1/5", "at the end", "peak",
    "closing s (CPU)", "status s (CPU)",
)  # fmt: skip
SOURCE = """
source = "many"

[api]
url = "{url}"
in_flight = {in_flight}

[streams.items]
get = "/items"
records = "items"
pages = {{ cursor = "next", query = "cursor" }}
expect = {{ get = "/count", at = "count" }}

[streams.items.full.ids]
query = {{ from_id = "{{start}}", to_id = "{{end}}" }}
last = {{ get = "/items/newest", at = "id" }}
step = 1
"""


@dataclass(frozen=True)
class Sample:
    """A moment of a process: seconds since its start, its CPU, the requests that it had sent, and what it held."""

    seconds: float
    cpu_seconds: float
    requests: int
    resident_mb: float


@dataclass
class Watcher:
    """Looks at a process now and then."""

    api: SandboxProcess
    samples: list[Sample] = field(default_factory=list)

    def watch(self, pid: int, ended: threading.Event) -> None:
        started, before = time.perf_counter(), self.api.counters().requests
        while not ended.wait(SAMPLE_SECONDS):
            requests, held = self.api.counters().requests - before, resident_mb(pid)
            if held:
                self.samples.append(Sample(time.perf_counter() - started, cpu_seconds(pid), requests, held))

    def after(self, requests: int) -> Sample:
        """The first sample from then on."""
        return next(sample for sample in self.samples if sample.requests >= requests)


@dataclass(frozen=True)
class Timed:
    seconds: float
    cpu_seconds: float
    peak_mb: float
    out: bytes

    def __str__(self) -> str:
        return f"{self.seconds:.1f} ({self.cpu_seconds:.1f})"


def cpu_seconds(pid: int) -> float:
    """0.0 once it has ended, and where there is no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """0.0 once it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except FileNotFoundError:
        pass
    said = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], check=False, capture_output=True, text=True).stdout
    return int(said or 0) / 1024


def timed(folder: str, *words: str, watcher: Watcher | None = None, ends_with: int = 0) -> Timed:
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "haulier", *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    ended = threading.Event()
    watching = threading.Thread(target=watcher.watch, args=(process.pid, ended)) if watcher is not None else None
    if watching is not None:
        watching.start()
    out = process.stdout.read()
    ended.set()
    if watching is not None:
        watching.join()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != ends_with:
        raise SystemExit(f"haulier {' '.join(words)} ended with {process.returncode}")
    peak = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return Timed(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, peak, out)


def write_source(folder: str, url: str) -> None:
    Path(folder, "many.toml").write_text(SOURCE.format(url=url, in_flight=IN_FLIGHT))


def run(items: int) -> None:
    with (
        SandboxProcess(SandboxSettings(records=items)) as api,
        tempfile.TemporaryDirectory(prefix="haulier-bench-") as folder,
    ):
        write_source(folder, api.url)
        enqueue = timed(folder, "enqueue", "many.toml")
        watcher = Watcher(api)
        work = timed(folder, "work", "many.toml", "--fixed", watcher=watcher)
        status = timed(folder, "status", "many.toml", "--json")
    assert json.loads(status.out)["state"] == "complete"
    early, last = watcher.after(items // 5), watcher.after(items)
    closing = f"{work.seconds - last.seconds:.1f} ({work.cpu_seconds - last.cpu_seconds:.1f})"
    print(
        f"| {items:,} | {enqueue} | {last.seconds:.1f} ({last.cpu_seconds:.1f}) | {items / last.seconds:,.0f} | "
        f"{1000 * last.cpu_seconds / items:.2f} | {early.resident_mb:.0f} | {last.resident_mb:.0f} | "
        f"{work.peak_mb:.0f} | {closing} | {status} |",
        flush=True,
    )


def enqueue_alone(items: int) -> None:
    with (
        SandboxProcess(SandboxSettings(records=items)) as api,
        tempfile.TemporaryDirectory(prefix="haulier-bench-") as folder,
    ):
        write_source(folder, api.url)
        done = timed(folder, "enqueue", "many.toml")
        size = sum(file.stat().st_size for file in Path(folder, ".haulier").rglob("*") if file.is_file())
    print(
        f"| {items:,} | {done} | {items / done.seconds:,.0f} | {done.peak_mb:.0f} | {size / items:.0f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--items", type=int, nargs="*", default=[100_000], help="items of each whole run (default: %(default)s)"
    )
    parser.add_argument(
        "--enqueue", type=int, default=1_000_000, help="items to enqueue alone, 0: none (default: %(default)s)"
    )
    flags = parser.parse_args()
    if flags.items:
        print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|", flush=True)
    for items in flags.items:
        run(items)
    if flags.enqueue:
        print("\n| items | enqueue s (CPU) | items/s | peak MB | bytes an item in the queue |")
        print("|---|---|---|---|---|", flush=True)
        for items in (flags.enqueue // 10, flags.enqueue):
            enqueue_alone(items)


if __name__ == "__main__":
    main()
