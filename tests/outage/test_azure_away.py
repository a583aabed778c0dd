"""Storage of Azure that is away for longer than a lease while two workers work: no poison, and all is done."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haulier.testing.proxy.process import FaultProxyProcess
from haulier.testing.proxy.settings import QUIET
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.harness.azurite import Azurite, fresh_name
from tests.harness.chaos.rounds import Round
from tests.harness.chaos.workers import command

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(300)]

AWAY_SECONDS = float(os.environ.get("AWAY_SECONDS", "9"))
"""By hand it was a minute."""
LEASE_SECONDS = round(AWAY_SECONDS * 2 / 3)
"""Leases run out meanwhile. A worker waits two of them for its queue."""
ROUND = Round("away", SandboxSettings(records=2_000, latency_seconds=0.2, jitter_seconds=0.2), step=25)
"""Eighty items of a page each."""


class Fronted:
    """Azurite behind a proxy for each of its services."""

    def __init__(self, azurite: Azurite, folder: Path, api_url: str) -> None:
        from azure.storage.blob import BlobServiceClient

        self.folder = folder
        origins = [url.rpartition("/")[0] for url in (azurite.blob_url, azurite.queue_url)]
        self.lake = FaultProxyProcess(origins[0], QUIET, azure="blob")
        self.queue = FaultProxyProcess(origins[1], QUIET, azure="queue")
        self._azurite = azurite
        self._container = fresh_name("away")
        with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
            service.create_container(self._container)
        self._source, _ = ROUND.prepare(folder, api_url)

    @property
    def environ(self) -> dict[str, str]:
        account = self._azurite.account.name
        seen = dataclasses.replace(
            self._azurite, blob_url=f"{self.lake.url}/{account}", queue_url=f"{self.queue.url}/{account}"
        )
        return {**os.environ, **seen.environ}

    def words(self, *words: str) -> list[str]:
        queue = f"azure-queue://{self._azurite.account.name}/{self._container}"
        flags = ["--lake", f"az://{self._container}/lake", "--queue", queue]
        return [*command(words[0], self._source, *flags, *words[1:])]

    def call(self, *words: str) -> dict[str, Any]:
        done = subprocess.run(
            self.words(*words, "--json"), cwd=self.folder, env=self.environ, capture_output=True, check=False
        )
        found: dict[str, Any] = json.loads(done.stdout or "{}")
        return found

    def start(self) -> subprocess.Popen[bytes]:
        with open(self.folder / "workers.log", "ab") as log:
            return subprocess.Popen(
                self.words("work", "--lease", str(LEASE_SECONDS)),
                cwd=self.folder,
                env=self.environ,
                stdout=log,
                stderr=log,
            )


@pytest.fixture
def fronted(azurite: Azurite, tmp_path: Path) -> Iterator[Fronted]:
    with SandboxProcess(ROUND.api) as api:
        fronted = Fronted(azurite, tmp_path, api.url)
        with fronted.lake, fronted.queue:
            yield fronted


@pytest.mark.parametrize("service", ["lake", "queue"])
def test_g1_g4_a_service_that_is_away_costs_time_alone(fronted: Fronted, service: str) -> None:
    assert fronted.call("enqueue")["run_id"]
    opened = fronted.queue.counters().operations["get-metadata"]
    workers = [fronted.start() for _ in range(2)]
    proxy: FaultProxyProcess = getattr(fronted, service)
    try:
        deadline = time.monotonic() + 60
        # One that opens its queue while that is away leaves at once, with 4: both have opened it, as `enqueue` did.
        for operation, least in (("delete", 10), ("get-metadata", 3 * opened)):
            while fronted.queue.counters().operations.get(operation, 0) < least:
                assert time.monotonic() < deadline, "no item was done"
                time.sleep(0.1)
        before = proxy.counters().requests
        proxy.go_away(AWAY_SECONDS)
        codes = [worker.wait(180) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    said = (fronted.folder / "workers.log").read_text()
    assert codes == [0, 0], f"a worker gave up:\n{said}"
    assert proxy.counters().requests > before
    seen = fronted.call("verify")
    assert (seen["state"], seen["totals"]["records"]) == ("complete", ROUND.api.records), said
    assert seen["totals"]["poisoned"] == 0
