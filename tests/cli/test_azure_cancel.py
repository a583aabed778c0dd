"""On Azure two workers drop a cancelled run, and a trial beside it is worked by the same two, ahead of it."""

from __future__ import annotations

import pytest
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueServiceClient

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import Place
from tests.cli.test_politeness import stop, until
from tests.harness.azurite import ACCOUNT, Azurite, fresh_name


def test_a_run_is_cancelled_and_a_trial_worked_by_two_workers_on_azure(
    place: Place, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first lane goes first; the messages of the cancelled run are completed unworked, and nothing is poisoned."""
    container, queue = fresh_name("bronze"), fresh_name("q")
    with ContainerClient.from_connection_string(azurite.connection_string, container) as client:
        client.create_container()
    for name, value in {
        "AZURE_STORAGE_CONNECTION_STRING": azurite.connection_string,
        "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
        "HAULIER_QUEUE": f"azure-queue://{ACCOUNT}/{queue}",
        "HAULIER_LAKE": f"az://{container}/lake",
    }.items():
        monkeypatch.setenv(name, value)
    with SandboxProcess(SandboxSettings(records=12_000, latency_seconds=0.2)) as api:
        place.write(api.url, in_flight="in_flight = 4", step="step = 100")
        full = place.run("enqueue", "--json").json["run_id"]
        trial = place.run("enqueue", "--max-items", "2", "--json").json["run_id"]
        workers = [place.start("work", "--lease", "5") for _ in range(2)]
        try:
            until(lambda: place.run("status", "--run", trial, "--json").json["state"] == "complete")
            status = place.run("status", "--run", full, "--json").json
            assert (status["state"], status["missing"] > 60) == ("open", True), "the trial was not behind it"
            assert place.run("cancel", "--run", full).code == 0
            for worker in workers:
                _, err = worker.communicate(timeout=60)
                assert worker.returncode == 0, err
        finally:
            for worker in workers:
                if worker.poll() is None:
                    stop(worker)
                worker.communicate()
        requests = api.counters().requests
        assert requests < 100, "of 120 items of the full run"
        assert place.run("work", "--exit-idle").code == 0
        assert api.counters().requests == requests, "nobody asks for the rest"
    assert (place.run("wait", "--run", full).code, place.run("wait", "--run", trial).code) == (1, 0)
    assert place.run("latest").code == 4, "neither is a snapshot"
    with QueueServiceClient.from_connection_string(azurite.connection_string) as service:
        for name in (queue, f"{queue}-first", f"{queue}-poison"):
            left = service.get_queue_client(name).get_queue_properties().approximate_message_count
            assert (name, left) == (name, 0)
