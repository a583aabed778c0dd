"""What it costs to reach the records that cannot be had: 100,000 records of which 3, through the public door.

`python benchmarks/divide.py [--records 100000] [--step 5000] [--workers 4]`: for each kind of failure, requests and
seconds beside those of the same pull without one, and whether every other record is in the lake.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from haulier.testing.sandbox import SandboxProcess, SandboxSettings, record_bytes

TOML = """
source = "bench"

[api]
url = "{url}"
in_flight = 12

[streams.items]
get = "/items"
query = {{ limit = 100 }}
records = "items"
pages = {{ cursor = "next", query = "cursor" }}
total = {{ at = "total", is = "exact" }}
expect = {{ get = "/count", at = "count" }}

[streams.items.full.ids]
query = {{ from_id = "{{start}}", to_id = "{{end}}" }}
last = {{ get = "/items/newest", at = "id" }}
step = {step}
"""
LATENCY_SECONDS = 0.02
# Imports are compiled once, as on a user's machine.
ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True)
class Pulled:
    """One run, and what the API counted meanwhile."""

    seconds: float
    requests: int
    divided: int
    poisoned: int
    records: int


def pull(settings: SandboxSettings, step: int, workers: int, bad: tuple[int, ...]) -> Pulled:
    """Pull everything, and check it record by record."""
    with SandboxProcess(settings) as api, tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "bench.toml")
        source.write_text(TOML.format(url=api.url, step=step))
        started = time.perf_counter()
        command = [sys.executable, "-m", "haulier", "run", str(source), "--workers", str(workers), "--json"]
        said = subprocess.run(command, env=ENVIRON, capture_output=True, text=True)
        seconds = time.perf_counter() - started
        if said.returncode != (3 if bad else 0):
            raise SystemExit(f"The run ended with {said.returncode}:\n{said.stderr}")
        verdict = json.loads(said.stdout)
        poisoned = sorted(path.name for path in Path(folder).glob("lake/_haulier/*/runs/*/poison/*"))
        if poisoned != sorted(f"items_ids-{id}-{id + 1}" for id in bad):
            raise SystemExit(f"Poisoned is {poisoned}, and should be {bad}")
        check(Path(folder, "lake"), settings, bad)
        totals = verdict["totals"]
        return Pulled(seconds, api.counters().requests, totals["split"], totals["poisoned"], totals["records"])


def check(lake: Path, settings: SandboxSettings, bad: tuple[int, ...]) -> None:
    found = []
    for path in lake.glob("bench/items/*/*/*.ndjson.gz"):
        found += gzip.decompress(path.read_bytes()).splitlines()
    wanted = [record_bytes(settings, id) for id in range(1, settings.records + 1) if id not in bad]
    if sorted(found) != sorted(wanted):
        raise SystemExit(f"The lake holds {len(found)} records and should hold {len(wanted)}, byte for byte.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--step", type=int, default=5_000)
    parser.add_argument("--workers", type=int, default=4)
    flags = parser.parse_args()
    bad = (flags.records // 8 + 1, flags.records // 2, flags.records - 1)
    print(f"{flags.records:,} records, {flags.step:,} in an item, pages of 100, {flags.workers} workers; bad: {bad}")
    kinds: dict[str, dict[str, tuple[int, ...]]] = {
        "none bad": {},
        "not JSON": {"unreadable_ids": bad},
        "always 500": {"failing_ids": bad},
    }
    plain: Pulled | None = None
    for name, faults in kinds.items():
        settings = SandboxSettings(records=flags.records, latency_seconds=LATENCY_SECONDS, **faults)  # type: ignore[arg-type]
        pulled = pull(settings, flags.step, flags.workers, bad if faults else ())
        plain = plain or pulled
        print(
            f"  {name:<11} {pulled.records:>7,} records, {pulled.poisoned} poisoned, {pulled.divided:>3} divisions, "
            f"{pulled.requests:>5,} requests ({pulled.requests - plain.requests:+,}), {pulled.seconds:6.1f} s"
        )


if __name__ == "__main__":
    main()
