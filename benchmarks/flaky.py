"""What an API that fails now and then, by chance and whatever its load, costs a pull: wall as a multiple of the ideal.

`python benchmarks/flaky.py [--only NAME] [--pages 2000] [--fixed] [--again]`: pages of 20 KB at 0.5 s, 64 in flight;
the ideal is what the same pull takes where nothing fails. All records must come. `--again` runs each pull again,
with what the first one found out about the API.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peer_jobs import JOBS, LATENCY_SECONDS

from haulier.testing.sandbox import SandboxProcess, SandboxSettings

HERE = Path(__file__).resolve().parent
IN_FLIGHT, SIZE = JOBS["E"].in_flight, JOBS["E"].size
APIS: dict[str, tuple[dict[str, float], int]] = {
    "well": ({}, 1),
    "flaky": (JOBS["E"].faults, 1),
    "flaky, two workers": (JOBS["E"].faults, 2),
    "flaky, four workers": (JOBS["E"].faults, 4),
    "5 % of 500s": (JOBS["F"].faults, 1),
    "429s in bursts of ten": (JOBS["G"].faults, 1),
    "Retry-After: 10": (JOBS["H"].faults, 1),
}
"""By name: what the sandbox does, and how many workers pull."""


def pull(url: str, folder: str, pages: int, workers: int, *, is_fixed: bool, is_new: bool) -> tuple[float, int]:
    """Wall seconds, and the exit code."""
    environ = {"BENCH_URL": url, "BENCH_PAGES": str(pages), "BENCH_IN_FLIGHT": str(IN_FLIGHT), "BENCH_BYTES": str(SIZE)}
    command = [sys.executable, "-m", "haulier", "run", str(HERE / "source.py")]
    command += ["--lake", f"{folder}/lake", "--queue", f"sqlite:///{folder}/queue.sqlite3"]
    command += ["--workers", str(workers)] if workers > 1 else []
    command += ["--fixed"] if is_fixed else []
    command += ["--new"] if is_new else []
    began_at = time.perf_counter()
    process = subprocess.run(command, env=os.environ | environ, capture_output=True, check=False)
    if process.returncode not in (0, 3):
        print(process.stderr.decode()[-2000:], file=sys.stderr)
    return time.perf_counter() - began_at, process.returncode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(APIS))
    parser.add_argument("--pages", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fixed", action="store_true")
    parser.add_argument("--again", action="store_true", help="each pull a second time, in the same scope")
    flags = parser.parse_args()
    ideal = flags.pages * LATENCY_SECONDS / IN_FLIGHT
    print(f"{flags.pages:,} pages of 20 KB, {LATENCY_SECONDS} s each, {IN_FLIGHT} in flight; ideal {ideal:.1f} s")
    print("| API | wall s | x ideal | requests | 429s | most in flight | early | exit |")
    print("|---|---|---|---|---|---|---|---|")
    for name, (faults, workers) in APIS.items():
        if flags.only not in (None, name):
            continue
        settings = SandboxSettings(latency_seconds=LATENCY_SECONDS, seed=flags.seed, **faults)  # type: ignore[arg-type]
        with SandboxProcess(settings) as api, tempfile.TemporaryDirectory(prefix="haulier-flaky-") as folder:
            for turn in range(2 if flags.again else 1):
                before = api.counters()
                wall, code = pull(api.url, folder, flags.pages, workers, is_fixed=flags.fixed, is_new=turn > 0)
                counters = api.counters()
                refused = counters.by_status.get(429, 0) - before.by_status.get(429, 0)
                print(
                    f"| {name}{', again' if turn else ''} | {wall:.1f} | {wall / ideal:.2f} | "
                    f"{counters.requests - before.requests} | {refused} | {counters.peak_in_flight} | "
                    f"{counters.early - before.early} | {code} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
