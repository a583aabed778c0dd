"""All benchmarks in turn, short: `make bench`. Figures that are worth keeping go to benchmarks/README.md."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BENCHMARKS = (
    ("end_to_end.py", "--rounds", "3"),
    ("many_items.py", "--items", "20000"),
    ("queues.py", "--items", "100000"),
    ("page_path.py",),
    ("divide.py",),
)


def main() -> int:
    for name, *flags in BENCHMARKS:
        print(f"\n== {name} {' '.join(flags)}", flush=True)
        done = subprocess.run([sys.executable, str(HERE / name), *flags], check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
