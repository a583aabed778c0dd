"""A run of many small items against the sandbox: how long it takes to enqueue, drain and close, and what it holds.

`python benchmarks/many_items.py --items 100000`: one item a record, one request each, no latency.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from haulier.testing.sandbox import SandboxProcess, SandboxSettings

SOURCE = """
source = "many"

[api]
url = "{url}"
in_flight = 32

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


def timed(folder: str, *words: str) -> tuple[float, float, bytes]:
    """Seconds, peak memory in MB, and standard output of a command."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "haulier", *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"haulier {' '.join(words)} ended with {process.returncode}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024, out


def run(items: int) -> None:
    with (
        SandboxProcess(SandboxSettings(records=items)) as api,
        tempfile.TemporaryDirectory(prefix="haulier-bench-") as folder,
    ):
        Path(folder, "many.toml").write_text(SOURCE.format(url=api.url))
        enqueue = timed(folder, "enqueue", "many.toml")
        # The worker leaves with the last item; the closing is another command, so that it is timed by itself.
        drain = timed(folder, "work", "many.toml", "--exit-idle")
        close = timed(folder, "run", "many.toml", "--resume-only", "--json")
        state = json.loads(close[2])["state"]
    print(
        f"| {items:,} | {enqueue[0]:.1f} ({enqueue[1]:.0f}) | {drain[0]:.1f} ({drain[1]:.0f}) | "
        f"{items / drain[0]:,.0f} | {close[0]:.1f} ({close[1]:.0f}) | {state} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    flags = parser.parse_args()
    print("| items | enqueue s (peak MB) | drain s (peak MB) | items/s | rest and closing s (peak MB) | state |")
    print("|---|---|---|---|---|---|")
    for items in sorted({min(flags.items, 5_000), flags.items}):
        run(items)


if __name__ == "__main__":
    main()
