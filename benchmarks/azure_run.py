"""Whole pulls with lake and queue on Azurite, beside SQLite and a folder, and how often each operation is asked.

`python benchmarks/azure_run.py [--rounds 3]`: the job of 0.5 s, 200 pages of 1 MB with 12 in flight, on both in turn.
`--operations 2000`: a run of that many items of a page each, through a proxy that counts what is asked of each service.
`make azurite` installs Azurite.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from end_to_end import HERE, JOBS, LATENCY_SECONDS, Measured, measure
from many_items import timed, write_source

from haulier.testing.proxy.process import FaultProxyProcess
from haulier.testing.proxy.settings import QUIET
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.harness.azurite import Azurite, fresh_name, start_azurite


def places(server: Azurite) -> list[str]:
    """The flags of a lake and a queue that nobody else has."""
    from azure.storage.blob import BlobServiceClient

    name = fresh_name("bench")
    with BlobServiceClient.from_connection_string(server.connection_string) as service:
        service.create_container(name)
    return ["--lake", f"az://{name}/lake", "--queue", f"azure-queue://{server.account.name}/{name}"]


def pull(url: str, flags: list[str], environ: dict[str, str], folder: str) -> Measured:
    job = JOBS["big"]
    numbers = {"BENCH_PAGES": job.pages, "BENCH_IN_FLIGHT": job.in_flight, "BENCH_BYTES": job.size}
    environ |= {"BENCH_URL": url} | {name: str(number) for name, number in numbers.items()}
    command = [sys.executable, "-m", "haulier", "run", "--fixed", str(HERE / "source.py"), *flags]
    return measure(command, Path(folder), environ)


def compare(rounds: int) -> None:
    """`haulier run --fixed`, since a run that learns what the API bears would measure that."""
    found: dict[str, list[Measured]] = {"SQLite and a folder": [], "Azurite": []}
    with SandboxProcess(SandboxSettings(latency_seconds=LATENCY_SECONDS)) as api, start_azurite() as server:
        for _ in range(rounds):
            for name in found:
                with tempfile.TemporaryDirectory(prefix="haulier-bench-") as folder:
                    local = ["--lake", f"{folder}/lake", "--queue", f"sqlite:///{folder}/queue.sqlite3"]
                    flags, environ = (places(server), server.environ) if name == "Azurite" else (local, {})
                    found[name].append(pull(api.url, flags, environ, folder))
    print(f"{JOBS['big'].name}, medians of {rounds}\n\n| lake and queue | wall s | x local | CPU s | peak MB |")
    print("|---|---|---|---|---|")
    local_seconds = statistics.median(one.wall_seconds for one in found["SQLite and a folder"])
    for name, runs in found.items():
        wall = statistics.median(one.wall_seconds for one in runs)
        cpu = statistics.median(one.cpu_seconds for one in runs)
        peak = statistics.median(one.peak_mb for one in runs)
        print(f"| {name} | {wall:.2f} | {wall / local_seconds:.2f} | {cpu:.2f} | {peak:.0f} |")


@contextlib.contextmanager
def counted(server: Azurite) -> Iterator[tuple[Azurite, FaultProxyProcess, FaultProxyProcess]]:
    """The same server behind a proxy for each service, which breaks nothing."""
    blob, queue = (url.rpartition("/")[0] for url in (server.blob_url, server.queue_url))
    account = server.account.name
    with (
        FaultProxyProcess(blob, QUIET, azure="blob") as lake,
        FaultProxyProcess(queue, QUIET, azure="queue") as messages,
    ):
        seen = dataclasses.replace(server, blob_url=f"{lake.url}/{account}", queue_url=f"{messages.url}/{account}")
        yield seen, lake, messages


def count_operations(items: int) -> None:
    """Of each command in turn, and of an item."""
    with (
        SandboxProcess(SandboxSettings(records=items)) as api,
        start_azurite() as server,
        counted(server) as (seen, lake, messages),
        tempfile.TemporaryDirectory(prefix="haulier-bench-") as folder,
    ):
        write_source(folder, api.url)
        flags = places(server)
        os.environ |= seen.environ
        before: dict[str, Counter[str]] = {"lake": Counter(), "queue": Counter()}
        print(f"{items:,} items\n\n| command | seconds | service | operations | an item |\n|---|---|---|---|---|")
        for command in (["enqueue"], ["work", "--fixed"], ["status", "--json"], ["verify", "--json"]):
            name, *more = command
            done = timed(folder, name, "many.toml", *flags, *more)
            for service, proxy in (("lake", lake), ("queue", messages)):
                now = Counter(proxy.counters().operations)
                asked = now - before[service]
                before[service] = now
                said = ", ".join(f"{count:,} {what}" for what, count in asked.most_common())
                print(
                    f"| {name} | {done.seconds:.1f} | {service} | {said or '-'} | {asked.total() / items:.2f} |",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="pulls of each, 0: none (default: %(default)s)")
    parser.add_argument("--operations", type=int, default=0, help="items of the run that is counted (default: none)")
    flags = parser.parse_args()
    if flags.rounds:
        compare(flags.rounds)
    if flags.operations:
        count_operations(flags.operations)


if __name__ == "__main__":
    main()
