"""What `haulier plan` says of operations on Azure, beside those that a run then asks Azurite for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from azure.storage.blob import ContainerClient

from haulier.testing.proxy.process import FaultProxyProcess
from haulier.testing.proxy.settings import QUIET
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import Place
from tests.harness.azurite import ACCOUNT, KEY, Azurite, fresh_name

ITEMS = 150


@contextmanager
def counting(azurite: Azurite) -> Iterator[tuple[FaultProxyProcess, FaultProxyProcess, str]]:
    """A proxy for each service that breaks nothing, and the connection string through both."""
    blob, queue = (url.rpartition("/")[0] for url in (azurite.blob_url, azurite.queue_url))
    with (
        FaultProxyProcess(blob, QUIET, azure="blob") as lake,
        FaultProxyProcess(queue, QUIET, azure="queue") as messages,
    ):
        ends = f"BlobEndpoint={lake.url}/{ACCOUNT};QueueEndpoint={messages.url}/{ACCOUNT}"
        yield lake, messages, f"AccountName={ACCOUNT};AccountKey={KEY};{ends}"


def test_operations_are_within_what_was_said(place: Place, azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of queue and lake each; and a plan puts nothing there. Afterwards the run is said with what it took."""
    container = fresh_name("bronze")
    with (
        SandboxProcess(SandboxSettings(records=ITEMS)) as api,
        counting(azurite) as (lake, messages, connection),
        ContainerClient.from_connection_string(azurite.connection_string, container) as client,
    ):
        client.create_container()
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection)
        where = f'lake = "az://{container}/lake"\nqueue = "azure-queue://{ACCOUNT}/{fresh_name("q")}"'
        place.write(api.url, source=f'source = "shop"\n{where}', step="step = 1")
        said = place.run("plan", "--json")
        assert said.code == 0, said.err
        assert [*client.list_blob_names()] == []
        assert not Counter(messages.counters().operations)
        cost = said.json["cost"]
        assert cost["is_paid"]
        before = Counter(lake.counters().operations)
        done = place.run("run", "--json")
        assert done.code == 0, done.err
        asked = Counter(lake.counters().operations) - before
        counts = {
            "queue": Counter(messages.counters().operations).total(),
            "lake writes": sum(count for what, count in asked.items() if what.startswith("put")),
            "lake lists": asked["list"],
            "lake reads": asked["get"] + asked["head"],
        }
        told = {line["what"]: line["count"] for line in cost["lines"]}
        for what, count in counts.items():
            assert told[what]["low"] <= count <= told[what]["high"], (what, count, told[what])
        was = place.run("plan", "--run", done.json["run_id"])
        assert "cost on Azure, East US, USD at prices of " in was.out
        assert f"items        {ITEMS} of {ITEMS} ended" in was.out
