"""Hours of outage in the middle of a run of 20,000 items, by a virtual time: what is sent into it, and what is lost.

`python benchmarks/outage.py [--items 20000] [--hours 6] [--workers 1]`: whole workers and a made-up API, once for each
way in which one can be down. Fails if anything is poisoned or left undone, or if more than 300 requests are sent into
the outage. `tests/outage/test_hours.py` is the same, smaller.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.harness.virtual_time import VirtualTime
from tests.outage.rig import FAILURES, Failure, Story, live_through, opened

MOST_REQUESTS = 300
AFTER_SECONDS = 60.0
ROW = "{:20} {:>8} {:>11} {:>10} {:>9} {:>14} {:>12} {:>10}"


def story(failure: Failure, items: int, hours: float, workers: int) -> Story:
    virtual = VirtualTime()

    async def live(folder: Path) -> Story:
        async with opened(virtual, folder, items=items) as shop:
            return await live_through(shop, failure, workers=workers, after_seconds=AFTER_SECONDS, hours=hours)

    with tempfile.TemporaryDirectory() as folder:
        return virtual.run(live(Path(folder)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", choices=list(FAILURES), help="one way to be down")
    wanted = parser.parse_args()
    logging.disable(logging.ERROR)
    print(
        ROW.format(
            "down by", "workers", "done before", "sent into", "minute 1", "back after (s)", "poisoned", "seconds"
        )
    )
    is_good = True
    for name in [wanted.only] if wanted.only else FAILURES:
        began_at = time.perf_counter()
        told = story(FAILURES[name], wanted.items, wanted.hours, wanted.workers)
        seconds = time.perf_counter() - began_at
        print(
            ROW.format(
                name,
                wanted.workers,
                told.done_before,
                told.into_it,
                told.at_first,
                f"{told.back_after_seconds:.0f}",
                len(told.poison),
                f"{seconds:.0f}",
            ),
            flush=True,
        )
        is_whole = (told.verdict.verdict, told.objects, told.poison) == ("complete", wanted.items, {})
        is_good = is_good and is_whole and told.into_it <= MOST_REQUESTS
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
