"""What do spans and metrics cost? Items of one page of 20 KB each, with OpenTelemetry on and off.

`python benchmarks/telemetry.py [--items 3000] [--rounds 5] [--signals traces,metrics]`: runs on and off alternate. Each
is a process of its own, and so are a real receiver (oteltap) and the API. The CPU of a run is that of its process, less
what a run of few items takes: start, plan and closing. A round is a pair; its ratio is that of both, and the median of
the ratios is what counts. What arrived is counted: a span that was dropped costs nothing to send.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from haulier.testing.sandbox import SandboxProcess, SandboxSettings

RECORDS_A_PAGE = 100
FEW_ITEMS = 100
IN_FLIGHT = 32
SOURCE = """
source = "spans"

[api]
url = "{url}"
in_flight = {in_flight}

[streams.items]
get = "/items"
query = {{ limit = {limit} }}
records = "items"
pages = {{ cursor = "next", query = "cursor" }}

[streams.items.full.ids]
query = {{ from_id = "{{start}}", to_id = "{{end}}" }}
last = {items}
step = {limit}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--signals", default="traces,metrics", help="what is on: traces, metrics or both")
    asked = parser.parse_args()
    records = asked.items * RECORDS_A_PAGE
    with (
        tempfile.TemporaryDirectory() as folder,
        SandboxProcess(SandboxSettings(records=records, record_bytes=200)) as api,
        receiver(Path(folder)) as (port, file),
    ):
        signals = asked.signals.split(",")
        on = {f"OTEL_EXPORTER_OTLP_{one.upper()}_ENDPOINT": f"http://127.0.0.1:{port}/v1/{one}" for one in signals}
        base = {name: cpu_seconds(Path(folder), api.url, FEW_ITEMS, env) for name, env in (("off", {}), ("on", on))}
        print(f"a run of {FEW_ITEMS} items: off {base['off']:.2f} s, on {base['on']:.2f} s of CPU", flush=True)
        ratios: list[float] = []
        rows: list[tuple[float, float]] = []
        for number in range(asked.rounds):
            sent_before = spans_in(file)
            found = {}
            for name, env in (("off", {}), ("on", on)) if number % 2 else (("on", on), ("off", {})):
                found[name] = cpu_seconds(Path(folder), api.url, asked.items, env) - base[name]
            milliseconds = [found[name] / (asked.items - FEW_ITEMS) * 1_000 for name in ("off", "on")]
            rows.append((milliseconds[0], milliseconds[1]))
            ratios.append(found["on"] / found["off"])
            arrived = spans_in(file) - sent_before
            print(
                f"round {number + 1}: off {milliseconds[0]:.3f} ms, on {milliseconds[1]:.3f} ms of CPU an item, "
                f"x {ratios[-1]:.2f}; {arrived / asked.items:.2f} spans an item arrived",
                flush=True,
            )
    off, on_ms = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"\nmedians: off {off:.3f} ms, on {on_ms:.3f} ms of CPU an item; ratio {statistics.median(ratios):.2f}")


def cpu_seconds(folder: Path, url: str, items: int, env: dict[str, str]) -> float:
    """User and system time of a whole run in one process."""
    place = Path(tempfile.mkdtemp(dir=folder))
    toml = place / "spans.toml"
    last = items * RECORDS_A_PAGE
    toml.write_text(SOURCE.format(url=url, in_flight=IN_FLIGHT, limit=RECORDS_A_PAGE, items=last))
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "haulier", "run", str(toml), "--fixed", "--json"],
        env=quiet | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    document = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert (process.returncode, document["totals"]["records"]) == (0, last), document
    return usage.ru_utime + usage.ru_stime


@contextlib.contextmanager
def receiver(folder: Path) -> Iterator[tuple[int, Path]]:
    file = folder / "telemetry.ndjson"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    with file.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "oteltap", "--port", str(port)], stdout=out)
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield port, file
    finally:
        process.kill()
        process.wait()


def spans_in(file: Path) -> int:
    return file.read_bytes().count(b'\n{"traceId"')


if __name__ == "__main__":
    main()
