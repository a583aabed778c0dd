"""The dashboard over a lake and a queue on Azure."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from azure.storage.blob import ContainerClient

from haulier.app.open_source import Options, open_source
from haulier.app.source_loader import load_app
from haulier.cli.pick_run import pick_run
from haulier.runs.records import PoisonRecord, encode_record
from haulier.testing.sandbox import SandboxProcess
from tests.cli.conftest import Place
from tests.cli.dashboard.rig import dashboard, tab, typed, until, visitor
from tests.harness.azurite import ACCOUNT, Azurite, fresh_name

ITEMS = 4
SOURCE = """
source = "things"
lake = "az://{container}/lake"
queue = "azure-queue://{account}/{queue}"

[api]
url = "{url}"

[streams.things]
get = "/items"
records = "items"
pages = {{ cursor = "next", query = "cursor" }}

[streams.things.full.values]
query = {{ from_id = "{{value}}" }}
list = ["1", "2", "3", "4"]
"""


async def test_a_run_on_azure_is_seen_and_written_off(
    place: Place, api: SandboxProcess, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All items of the run are poisoned; the discard is clicked, closes it, and is seen before the next look is due."""
    container = fresh_name("bronze")
    with ContainerClient.from_connection_string(azurite.connection_string, container) as client:
        client.create_container()
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite.connection_string)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    place.toml.write_text(SOURCE.format(url=api.url, container=container, account=ACCOUNT, queue=fresh_name("q")))
    run_id = typed(place, "enqueue", "--json").json["run_id"]
    with dashboard(place.toml) as served:
        async with visitor(served.url) as seen:
            about = await seen.document("/api/source")
            assert (about["queue"], about["look_seconds"]) == ("azure-queue", 5.0)
            assert container in about["lake"]
            await seen.open()
            async with tab(seen, run_id) as events:
                assert (await until(events, "open"))["missing"] == ITEMS
                await poison_all(place.toml)
                path = f"/api/runs/{run_id}/discard"
                group = {"reason": "failed", "status": 500, "error_class": "ApiError"}
                code, done = await seen.confirm(path, {"group": group, "why": "a test"})
                assert (code, done["state"], done["discarded"]) == (200, "complete", ITEMS), done
                async with asyncio.timeout(4):
                    assert (await until(events, "complete"))["discarded"] == ITEMS
            document = await seen.document(f"/api/runs/{run_id}")
            assert document | {"seconds": 0} == typed(place, "status", "--json").json | {"seconds": 0}
            assert (await seen.document(f"/api/runs/{run_id}/poison"))["poisoned"] == 0
            assert (await seen.document(f"/api/runs/{run_id}/timeline"))["run_id"] == run_id


async def poison_all(toml: Path) -> None:
    """As a worker leaves it."""
    async with open_source(load_app(str(toml)), Options(), writes=False) as source:
        run = await pick_run(source, None)
        async for paths in source.lake.walk(run.paths.folder("plan")):
            for path in paths:
                body = await source.lake.read(path) or b""
                for line in body.splitlines() if path.endswith(".ndjson") else []:
                    key = msgspec.json.decode(line)["key"]
                    record = PoisonRecord(
                        number=1,
                        key=key,
                        kind="things",
                        run_id=run.run_id,
                        payload=msgspec.Raw(b"{}"),
                        reason="failed",
                        error_class="ApiError",
                        error="status 500",
                        status=500,
                        failures=5,
                        poisoned_at=datetime.now(UTC),
                    )
                    assert await source.lake.create(run.paths.numbered("poison", key, 1), encode_record(record))
