"""All benchmarks in turn: `make bench`, or `python benchmarks/run.py --long` for the sizes of benchmarks/README.md.

Short takes some four minutes, long about half an hour; both are better left alone with the machine.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SHORT = (
    ("end_to_end.py", "--rounds", "1"),
    ("start_close.py", "--rounds", "1"),
    ("queues.py", "--items", "100000"),
    ("azure_queue.py", "--items", "2000"),
    ("azure_run.py", "--rounds", "1", "--operations", "500"),
    ("page_path.py", "--rounds", "3"),
    ("many_items.py", "--items", "10000", "--enqueue", "100000"),
    ("closing.py", "--items", "20000"),
    ("status_size.py", "--items", "1000", "20000"),
    ("dashboard.py", "--items", "1000", "--rounds", "1", "--large", "20000"),
    ("divide.py", "--records", "20000"),
    ("search.py", "--events", "100000", "--rounds", "1"),
    ("telemetry.py", "--items", "1000", "--rounds", "2"),
    ("polite.py", "--only", "knee", "--workers", "1"),
    ("parallel_pages.py", "--rounds", "1"),
)
LONG = (
    ("end_to_end.py", "--rounds", "5"),
    ("start_close.py",),
    ("queues.py", "--items", "1000000"),
    ("azure_queue.py",),
    ("azure_run.py", "--operations", "2000"),
    ("page_path.py",),
    ("many_items.py", "--items", "20000", "100000", "--enqueue", "1000000"),
    ("closing.py",),
    ("status_size.py",),
    ("dashboard.py", "--rounds", "4"),
    ("divide.py",),
    ("search.py",),
    ("telemetry.py",),
    ("polite.py",),
    ("parallel_pages.py",),
    ("flaky.py", "--pages", "1000"),
    ("outage.py",),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="the sizes of benchmarks/README.md")
    for name, *flags in LONG if parser.parse_args().long else SHORT:
        print(f"\n== {name} {' '.join(flags)}", flush=True)
        done = subprocess.run([sys.executable, str(HERE / name), *flags], check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
