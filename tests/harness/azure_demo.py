"""`make demo-azure`: the flights demo with lake and queue on Azurite, three workers, and one of them killed.

The same source file as in `make demo`: only the two URLs differ. What lies in the container at the end is counted by
Microsoft's own client.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from haulier.testing.flights import FLIGHTS, TOTAL_DISTANCE_MILES, DatasetteProcess, build_flights
from haulier.testing.proxy.process import FaultProxyProcess
from haulier.testing.proxy.settings import ProxySettings
from tests.harness.azurite import Azurite, fresh_name, start_azurite, why_not

FAULTS = ProxySettings(seed=13, rate_500=0.02, rate_429=0.01, rate_cut=0.01, rate_hang=0.005)
WORKERS = 3
LEASE_SECONDS = 5
KILL_AFTER_RECORDS = 50_000
PATIENCE_SECONDS = 120.0
SOURCE = "flights.toml"


class DemoError(Exception):
    """The demo did not come to what it must come to."""


@dataclass(frozen=True)
class Demo:
    folder: Path
    azurite: Azurite
    container: str
    api_url: str
    flags: tuple[str, ...] = field(init=False)
    """Where lake and queue are."""

    def __post_init__(self) -> None:
        lake, queue = f"az://{self.container}/lake", f"azure-queue://{self.azurite.account.name}/{self.container}"
        object.__setattr__(self, "flags", ("--lake", lake, "--queue", queue))

    @property
    def environ(self) -> Mapping[str, str]:
        return os.environ | self.azurite.environ | {"FLIGHTS_URL": self.api_url}

    def call(self, *words: str, says: bool = True, codes: tuple[int, ...] = (0,)) -> str:
        """Run a command as a user types it. Returns its standard output."""
        if says:
            say(f"   $ haulier {words[0]} {SOURCE} {' '.join((*self.flags, *words[1:]))}")
        done = subprocess.run(
            self._command(*words),
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=None if says else subprocess.DEVNULL,
            text=True,
            check=False,
        )
        if done.returncode not in codes:
            raise DemoError(f"haulier {words[0]} ended with exit code {done.returncode}, in {self.folder}.")
        return done.stdout

    @contextlib.contextmanager
    def workers(self) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Three of them, as three machines would have them. Whoever lives at the end is drained."""
        with open(self.folder / "workers.log", "ab") as log:
            work = self._command("work", "--lease", str(LEASE_SECONDS))
            workers = [subprocess.Popen(work, cwd=self.folder, env=self.environ, stderr=log) for _ in range(WORKERS)]
            try:
                yield workers
            finally:
                for worker in workers:
                    worker.terminate()
                for worker in workers:
                    worker.wait()

    def until_records(self, records: int) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            status = json.loads(self.call("status", "--json", says=False, codes=(0, 3, 4)))
            if status["records"] >= records:
                return
            time.sleep(0.2)
        raise DemoError(f"The workers did not reach {records:,} records in {PATIENCE_SECONDS:g} s; see workers.log.")

    def count(self, run_id: str) -> tuple[int, int, int]:
        """Objects, records and miles of a run, as Microsoft's client reads them."""
        from azure.storage.blob import ContainerClient

        _, _, moment = run_id.partition("-")
        prefix = f"lake/flights/flights/mode=full/snapshot_time={moment}/"
        objects = records = miles = 0
        with ContainerClient.from_connection_string(self.azurite.connection_string, self.container) as container:
            for name in container.list_blob_names(name_starts_with=prefix):
                if name.endswith(".ndjson.gz"):
                    lines = gzip.decompress(container.download_blob(name).readall()).splitlines()
                    objects += 1
                    records += len(lines)
                    miles += sum(json.loads(line)["distance"] for line in lines)
        return objects, records, miles

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "haulier", words[0], SOURCE, *self.flags, *words[1:]]


def run_demo(folder: Path) -> None:
    """Raises `DemoError` if a single record is missing. Old remains in ``folder`` are removed."""
    from azure.storage.blob import BlobServiceClient

    started_at = time.monotonic()
    say("1. The API: 336,776 flights behind Datasette and a proxy that breaks 4.5 % of its answers; and Azurite.")
    for old in (".haulier", "workers.log"):
        path = folder / old
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    database = build_flights(folder)
    (folder / SOURCE).write_bytes(files("haulier.testing").joinpath(SOURCE).read_bytes())
    with DatasetteProcess(database) as api, FaultProxyProcess(api.url, FAULTS) as proxy, start_azurite() as azurite:
        container = fresh_name("demo")
        with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
            service.create_container(container)
        demo = Demo(folder, azurite, container, proxy.url)
        say(f"   {proxy.url}, {azurite.blob_url} and {azurite.queue_url}\n")
        say("2. Plan and enqueue.")
        run_id = json.loads(demo.call("enqueue", "--json"))["run_id"]
        say(f"\n3. Three workers; one of them is killed in the middle (SIGKILL). Their lease is {LEASE_SECONDS} s.")
        with demo.workers() as workers:
            demo.until_records(KILL_AFTER_RECORDS)
            os.kill(workers[0].pid, signal.SIGKILL)
            say(f"   killed worker {workers[0].pid}; workers {workers[1].pid} and {workers[2].pid} go on")
            demo.call("wait")
        say("\n4. Reconcile: what was planned, what the API promised, what the lake holds.")
        verdict = json.loads(demo.call("verify", "--json"))
        if verdict["state"] != "complete" or verdict["totals"]["records"] != FLIGHTS:
            raise DemoError(
                f"The run is {verdict['state']} with {verdict['totals']['records']:,} of {FLIGHTS:,} records."
            )
        objects, records, miles = demo.count(run_id)
        if (records, miles) != (FLIGHTS, TOTAL_DISTANCE_MILES):
            raise DemoError(f"The lake holds {records:,} flights of {FLIGHTS:,}, and {miles:,} miles.")
        say(f"   {objects} objects, {records:,} flights, sum(distance) = {miles:,}, as in the data itself.")
    say(f"\nNot one record is missing. It took {time.monotonic() - started_at:.0f} s.")


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def main() -> int:
    if problem := why_not():
        say(problem)
        return 2
    folder = Path(".data/demo-azure").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        run_demo(folder)
    except DemoError as error:
        say(f"\n{error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
