"""The command that kills workers and counts what became of the records.

`python -m tests.harness.chaos --kills 1000 --seed 1`, in the project's folder, prints what was done and found, and ends
with 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from haulier.clock import SystemClock
from tests.harness.chaos.chaos import ChaosSettings, run_chaos
from tests.harness.chaos.stores import BACKENDS


@contextlib.contextmanager
def _folder(path: Path | None) -> Iterator[Path]:
    if path is not None:
        path.mkdir(parents=True, exist_ok=True)
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="haulier-chaos-") as name:
        yield Path(name)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.harness.chaos", description="Kill workers, then count.")
    parser.add_argument("--kills", type=int, default=1_000, help="signals to send; %(default)s")
    parser.add_argument("--backend", choices=BACKENDS, default="sqlite", help="lake and queue; %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="%(default)s")
    parser.add_argument("--seconds", type=float, default=86_400.0, help="stop sending after this; %(default)s")
    parser.add_argument("--folder", type=Path, help="keep lake, queue and logs here; by default they are removed")
    parser.add_argument("--kind", action="append", default=[], help="only rounds of this kind; may be repeated")
    flags = parser.parse_args()
    settings = ChaosSettings(
        kills=flags.kills, seed=flags.seed, seconds=flags.seconds, kinds=tuple(flags.kind), backend=flags.backend
    )
    with _folder(flags.folder) as folder:
        report = run_chaos(settings, folder.absolute(), SystemClock())
    sys.stdout.write(f"{report}\n" + "".join(f"  {problem}\n" for problem in report.problems))
    return 1 if report.problems else 0


sys.exit(main())
