"""A refresh token that is good once, where workers share no disk: it is in the lake, of no use to who reads that."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from haulier.cli.main import main
from tests.docs.fake_identity import IDENTITIES
from tests.docs.fake_server import serving
from tests.docs.test_apis_pages import RECIPES, saved
from tests.harness.azurite import ACCOUNT, Azurite, fresh_name


def test_the_grant_outlives_the_disk_of_every_worker(
    tmp_path: Path, azurite: Azurite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command has a folder of its own, as containers have. G7: no blob shows a token."""
    for name, value in azurite.environ.items():
        monkeypatch.setenv(name, value)
    lake, queue = fresh_name("lake"), fresh_name("queue")
    container = ContainerClient.from_connection_string(azurite.connection_string, lake)
    container.create_container()
    places = ["--lake", f"az://{lake}/lake", "--queue", f"azure-queue://{ACCOUNT}/{queue}"]
    api = IDENTITIES["bills"]()
    with serving(api.answer) as url:
        for command in ("try", "run", "run"):
            folder = tmp_path / fresh_name("machine")
            folder.mkdir()
            file = saved(RECIPES["bills"], url, folder, monkeypatch)
            assert main([command, str(file), *places]) == 0, capsys.readouterr().err
            assert not [*folder.rglob("*grant*")]
    blobs = {name: container.download_blob(name).readall() for name in container.list_blob_names()}
    container.close()
    rows = [body for name, body in blobs.items() if "/grant-bills-" in name]
    assert len(rows) == 1
    assert b'"holder":""' in rows[0]
    assert not [name for name, body in blobs.items() if b"refresh-" in body or b"access-" in body]
