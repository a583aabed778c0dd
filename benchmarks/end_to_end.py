"""Wall, CPU and memory of whole pulls, beside the ideal and beside bare loops, in one run.

`python benchmarks/end_to_end.py [--rounds 3] [--only big|small]`: medians, and ratios to the loop with gzip, fsync and
link added. CPU an item is what each page costs beyond the process itself, which a pull of one page shows. The next run
is a second one beside the same queue, which remembers what the API bore.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from haulier.testing.sandbox import SandboxProcess, SandboxSettings

HERE = Path(__file__).resolve().parent
LATENCY_SECONDS = 0.5
# Imports are compiled once, as on a user's machine; the pull of one page that comes first warms them up.
ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True)
class Job:
    name: str
    pages: int
    size: int
    in_flight: int

    @property
    def ideal_seconds(self) -> float:
        return self.pages * LATENCY_SECONDS / self.in_flight

    @property
    def bound_mb(self) -> float:
        """The most memory that haulier should take: a page in flight is there twice for a moment."""
        return 55 + 2 * self.in_flight * self.size / 1e6

    @property
    def floor_seconds(self) -> float:
        """With whole rounds of requests."""
        return math.ceil(self.pages / self.in_flight) * LATENCY_SECONDS


JOBS = {
    "big": Job("200 pages of 1 MB, 12 in flight", 200, 1_000_000, 12),
    "small": Job("2,000 pages of 20 KB, 256 in flight", 2_000, 20_000, 256),
}


@dataclass(frozen=True)
class Measured:
    wall_seconds: float
    cpu_seconds: float
    peak_mb: float


def measure(command: list[str], folder: Path, environ: dict[str, str]) -> Measured:
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=ENVIRON | environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{said.decode()}")
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


CONTESTANTS = {
    "bare gather loop": "bare",
    "loop + gzip, fsync, link": "durable",
    "haulier run --fixed": "fixed",
    "haulier run": "first",
    "haulier run, the next one": "next",
}


def pull(kind: str, job: Job, url: str) -> Measured:
    numbers = [str(job.pages), str(job.in_flight), str(job.size)]
    environ = dict(zip(("BENCH_PAGES", "BENCH_IN_FLIGHT", "BENCH_BYTES"), numbers, strict=True)) | {"BENCH_URL": url}
    with tempfile.TemporaryDirectory(prefix="haulier-bench-") as folder:
        places = ["--lake", f"{folder}/lake", "--queue", f"sqlite:///{folder}/queue.sqlite3"]
        command = [sys.executable, str(HERE / "contestants.py"), kind, url, *numbers, "."]
        if kind in ("fixed", "first", "next"):
            fixed = ["--fixed"] if kind == "fixed" else []
            command = [sys.executable, "-m", "haulier", "run", *fixed, str(HERE / "source.py"), *places]
        if kind == "next":
            measure(command, Path(folder), environ)
        return measure(command, Path(folder), environ)


def contest(job: Job, url: str, rounds: int) -> dict[str, list[Measured]]:
    """The first of each is a pull of one page."""
    jobs = [replace(job, pages=1), *[job] * rounds]
    results: dict[str, list[Measured]] = {name: [] for name in CONTESTANTS}
    for one in jobs:
        for name, kind in CONTESTANTS.items():
            results[name].append(pull(kind, one, url))
    return results


def report(job: Job, results: dict[str, list[Measured]]) -> None:
    print(f"\n{job.name}: ideal {job.ideal_seconds:.2f} s, floor by whole rounds {job.floor_seconds:.2f} s")
    print("| contestant | wall s | x ideal | x durable loop | CPU s | CPU ms an item | peak MB |")
    print("|---|---|---|---|---|---|---|")
    durable = statistics.median(one.wall_seconds for one in results["loop + gzip, fsync, link"][1:])
    for name, (alone, *found) in results.items():
        wall = statistics.median(one.wall_seconds for one in found)
        cpu = statistics.median(one.cpu_seconds for one in found)
        peak = statistics.median(one.peak_mb for one in found)
        each = 1000 * (cpu - alone.cpu_seconds) / (job.pages - 1)
        print(
            f"| {name} | {wall:.2f} | {wall / job.ideal_seconds:.2f} | {wall / durable:.2f} | {cpu:.2f} | {each:.2f} | "
            f"{peak:.0f} |"
        )
    print(f"Memory bound for haulier: 55 MB + 2 x in flight x page size = {job.bound_mb:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=list(JOBS))
    flags = parser.parse_args()
    with SandboxProcess(SandboxSettings(latency_seconds=LATENCY_SECONDS)) as api:
        for name, job in JOBS.items():
            if flags.only in (None, name):
                report(job, contest(job, api.url, flags.rounds))


if __name__ == "__main__":
    main()
