"""One item of many pages beside as many items of one page, from the same list: how much longer does it take? And do ten
items of many pages take longer with `parallel` than without?

`python benchmarks/parallel_pages.py [--pages 50] [--latency 0.3] [--in-flight 10] [--rounds 3]`. Each round runs three
pulls, one after the other, in processes of their own: items of one page, one item with `parallel`, one item without. A
request takes ``--latency``; all are `--fixed`, so that the governor's first steps count in none.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from haulier.testing.sandbox import SandboxProcess, SandboxSettings

PAGE = 100
SOURCE = """
source = "{name}"

[api]
url       = "{url}"
in_flight = {in_flight}

[streams.items]
get     = "/items_offset"
records = "items"
pages   = {{ offset = "offset", limit = {limit}{parallel} }}
total   = {{ at = "total", is = "exact" }}
key     = "id"
"""
ITEMS = """
[streams.items.full.ids]
query = {{ from_id = "{{start}}", to_id = "{{end}}" }}
last  = {records}
step  = {step}
"""
AHEAD = ", parallel = true"
ONCE = "\n[streams.items.full.once]\n"


def pull(folder: Path, name: str, text: str, records: int) -> float:
    """Seconds of the whole command."""
    file = folder / f"{name}.toml"
    file.write_text(text)
    command = [sys.executable, "-m", "haulier", "run", str(file), "--fixed", "--json"]
    began = time.monotonic()
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
    seconds = time.monotonic() - began
    found = json.loads(done.stdout)
    assert (found["state"], found["streams"]["items"]["records"]) == ("complete", records), found
    return seconds


def measure(pages: int, latency: float, in_flight: int, rounds: int) -> None:
    records = pages * PAGE
    settings = SandboxSettings(records=records, page_size=PAGE, latency_seconds=latency)
    ideal = latency * -(-pages // in_flight)
    print(f"{pages} pages, {in_flight} in flight, {latency:g} s a request; ideal {ideal:.2f} s")
    ratios = []
    for number in range(rounds):
        found = {}
        for name, parallel, division in (
            ("items", "", ITEMS),
            ("ahead", AHEAD, ONCE),
            ("alone", "", ONCE),
            ("ten", "", ITEMS),
            ("ten_ahead", AHEAD, ITEMS),
        ):
            with SandboxProcess(settings) as sandbox, tempfile.TemporaryDirectory() as folder:
                text = (SOURCE + division).format(
                    name=name,
                    url=sandbox.url,
                    in_flight=in_flight,
                    limit=2 * PAGE if name == "items" else PAGE,
                    step=PAGE if name == "items" else records // 10,
                    parallel=parallel,
                    records=records,
                )
                found[name] = pull(Path(folder), name, text, records)
        ratios.append(found["ahead"] / found["items"])
        print(
            f"round {number + 1}: {pages} items of one page {found['items']:.2f} s, one item with `parallel` "
            f"{found['ahead']:.2f} s ({ratios[-1]:.2f} x), without {found['alone']:.2f} s; ten "
            f"items of the same pages with it {found['ten_ahead']:.2f} s, without {found['ten']:.2f} s"
        )
    print(f"median ratio {statistics.median(ratios):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--latency", type=float, default=0.3)
    parser.add_argument("--in-flight", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    measure(options.pages, options.latency, options.in_flight, options.rounds)


if __name__ == "__main__":
    main()
