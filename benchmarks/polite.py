"""How well an API is left alone, with real workers: a knee that haulier has to find, one that moves, a rate limit.

`python benchmarks/polite.py [--only knee|halves|rate] [--workers 1,4,16] [--warm 15] [--pages 1000]`. What an API could
bear is known, since it is the sandbox: rates are parts of that. Nothing is declared but ``in_flight = 50``, and
``limits`` for the rate.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from haulier.testing.sandbox import SandboxCounters, SandboxProcess, SandboxSettings

HERE = Path(__file__).resolve().parent
PAGE = 100
LATENCY_SECONDS = 0.5
STRAGGLERS = 0.01
KNEE = 12
REACHABLE = KNEE / (LATENCY_SECONDS * (1 + 4 * STRAGGLERS))
"""Requests a second: one in a hundred takes five times as long."""
LOOK_SECONDS = 0.2
WARM_SECONDS = 15.0
MEASURED_SECONDS = 45.0
HALVED_SECONDS = 40.0
RATE, BUCKET = 20, 5
MODES = ("queue", "thrash", "refuse")


@dataclass(frozen=True)
class Look:
    """The API's counters at one moment."""

    at: float
    counters: SandboxCounters


@dataclass
class Watched:
    """What the API saw of a pull. Seconds count from its first request."""

    looks: list[Look] = field(default_factory=list)

    def first_at(self, in_flight: int) -> float:
        return next((one.at for one in self.looks if one.counters.in_flight >= in_flight), float("inf"))

    def since(self, seconds: float) -> Watched:
        return Watched([one for one in self.looks if one.at >= seconds])

    @property
    def mean_in_flight(self) -> float:
        return sum(one.counters.in_flight for one in self.looks) / max(1, len(self.looks))

    @property
    def highest(self) -> int:
        return max((one.counters.in_flight for one in self.looks), default=0)

    def count(self, of: Callable[[SandboxCounters], int]) -> int:
        return of(self.looks[-1].counters) - of(self.looks[0].counters)

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.count(lambda one: one.by_status.get(200, 0)) / (self.looks[-1].at - self.looks[0].at)

    @property
    def refused_part(self) -> float:
        return self.count(refusals) / max(1, self.count(lambda one: one.requests))

    def settled_at(self, in_flight: int) -> float:
        """When the mean over three seconds was first no more than so many."""
        for one in self.looks:
            near = [other.counters.in_flight for other in self.looks if one.at <= other.at < one.at + 3.0]
            if sum(near) / len(near) <= in_flight:
                return one.at - self.looks[0].at
        return float("inf")


def refusals(counters: SandboxCounters) -> int:
    return sum(count for status, count in counters.by_status.items() if status in (429, 503))


@contextmanager
def pulling(url: str, pages: int, workers: int, limits: str = "") -> Iterator[subprocess.Popen[str]]:
    """`haulier run` in a folder of its own; it is interrupted where it has not ended by then."""
    with tempfile.TemporaryDirectory(prefix="haulier-polite-") as folder:
        source = Path(folder) / "bench.toml"
        text = (HERE / "polite.toml").read_text()
        source.write_text(text.replace("in_flight = 50\n", f"in_flight = 50\n{limits}\n"))
        command = [sys.executable, "-m", "haulier", "run", str(source)]
        process = subprocess.Popen(
            command + (["--workers", str(workers)] if workers > 1 else []),
            cwd=folder,
            env=os.environ | {"BENCH_URL": url, "BENCH_RECORDS": str(pages * PAGE)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


def watch(api: SandboxProcess, process: subprocess.Popen[str], seconds: float) -> Watched:
    """Look at the API until so long after its first request, or until the pull has ended."""
    watched, began_at = Watched(), None
    while process.poll() is None:
        counters, now = api.counters(), time.perf_counter()
        if counters.requests and began_at is None:
            began_at = now
        if began_at is not None:
            watched.looks.append(Look(now - began_at, counters))
            if now - began_at >= seconds:
                break
        time.sleep(LOOK_SECONDS)
    return watched


def knee_settings(mode: str) -> SandboxSettings:
    return SandboxSettings(
        records=10_000_000,
        latency_seconds=LATENCY_SECONDS,
        straggler_rate=STRAGGLERS,
        knee=KNEE,
        knee_mode=mode,
        retry_after_seconds=0,
    )


def knee(counts: list[int], warm_seconds: float) -> None:
    """In flight <= 18, at least 85 % of the reachable rate, refusals <= 1 %, 11 in flight within 10 s."""
    print(f"\nA knee of {KNEE}, {LATENCY_SECONDS} s a request, in_flight = 50; reachable: {REACHABLE:.1f} requests/s")
    print("| API above its knee | workers | part of the rate | in flight (most) | refused | 11 in flight after |")
    print("|---|---|---|---|---|---|")
    for mode in MODES:
        for workers in counts:
            with SandboxProcess(knee_settings(mode)) as api, pulling(api.url, 100_000, workers) as process:
                watched = watch(api, process, warm_seconds + MEASURED_SECONDS)
            late = watched.since(warm_seconds)
            print(
                f"| {mode} | {workers} | {late.rate / REACHABLE:.0%} | {late.mean_in_flight:.1f} ({late.highest}) | "
                f"{late.refused_part:.1%} | {watched.first_at(11):.1f} s |",
                flush=True,
            )


def halves(counts: list[int]) -> None:
    """9 or fewer in flight within 30 s of the moment at which the knee halves."""
    print(f"\nA knee of {KNEE} that becomes {KNEE // 2} in mid-run")
    print("| API above its knee | workers | in flight before | 9 or fewer after | in flight in the last 20 s |")
    print("|---|---|---|---|---|")
    for mode in MODES:
        for workers in counts:
            with SandboxProcess(knee_settings(mode)) as api, pulling(api.url, 100_000, workers) as process:
                before = watch(api, process, WARM_SECONDS + 15.0).since(WARM_SECONDS)
                api.change(knee=KNEE // 2)
                after = watch(api, process, HALVED_SECONDS)
            print(
                f"| {mode} | {workers} | {before.mean_in_flight:.1f} | {after.settled_at(9):.1f} s | "
                f"{after.since(HALVED_SECONDS - 20).mean_in_flight:.1f} |",
                flush=True,
            )


def rate(counts: list[int], pages: int) -> None:
    """All pages, wall <= 1.15 x ideal, at most 5 refusals, none early."""
    ideal = (pages - BUCKET) / RATE
    print(f"\n{RATE} requests/s with a bucket of {BUCKET} and Retry-After: 1; {pages} pages, ideal {ideal:.1f} s")
    print("| limit | workers | wall | x ideal | refused | early | exit |")
    print("|---|---|---|---|---|---|---|")
    settings = SandboxSettings(
        records=pages * PAGE, rate_per_second=RATE, bucket=BUCKET, retry_after_seconds=1, latency_seconds=0.05
    )
    for name, limits in (("declared", f'limits = ["{RATE}/s"]'), ("not declared", "")):
        for workers in counts:
            with SandboxProcess(settings) as api, pulling(api.url, pages, workers, limits) as process:
                began_at = time.perf_counter()
                process.wait()
                wall, counters = time.perf_counter() - began_at, api.counters()
            print(
                f"| {name} | {workers} | {wall:.1f} s | {wall / ideal:.2f} | {refusals(counters)} | {counters.early} | "
                f"{process.returncode} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["knee", "halves", "rate"])
    parser.add_argument("--workers", default="1,4,16", help="how many processes, with commas between; 1,4,16")
    parser.add_argument("--warm", type=float, default=WARM_SECONDS, help="seconds before a knee's figures are taken")
    parser.add_argument("--pages", type=int, default=1_000, help="of the pull under a rate limit")
    flags = parser.parse_args()
    counts = [int(word) for word in flags.workers.split(",")]
    if flags.only in (None, "knee"):
        knee(counts, flags.warm)
    if flags.only in (None, "halves"):
        halves([counts[0]])
    if flags.only in (None, "rate"):
        rate([1, 3], flags.pages)


if __name__ == "__main__":
    main()
