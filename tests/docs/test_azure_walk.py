"""What docs/azure.md types, on Azurite: the same source file, with the two URLs in the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from haulier.cli.main import main
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.harness.azurite import ACCOUNT, Azurite, fresh_name

RECORDS = 50
SOURCE = """
source = "shop"

[api]
url = "{url}"

[streams.items]
get     = "/items"
query   = {{ limit = 10 }}
records = "items"
pages   = {{ cursor = "next", query = "cursor" }}

[streams.items.full.ids]
query = {{ from_id = "{{start}}", to_id = "{{end}}" }}
last  = {{ get = "/items/newest", at = "id" }}
step  = 10
"""


class Terminal:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def type(self, *words: str, code: int = 0) -> str:
        """What a command says, once it has ended with that exit code."""
        assert main([*words]) == code, self._capsys.readouterr().err
        said = self._capsys.readouterr()
        return said.out + said.err


def test_what_the_page_types_is_answered_as_it_says(
    azurite: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """G1, G3: a run is planned, its queue cleared by hand and repaired, worked, closed, found and reread."""
    terminal, container, queue = Terminal(capsys), fresh_name("lake"), fresh_name("shop")
    source = tmp_path / "shop.toml"
    for name, value in azurite.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HAULIER_QUEUE", f"azure-queue://{ACCOUNT}/{queue}")
    monkeypatch.setenv("HAULIER_LAKE", f"az://{container}/bronze")
    with SandboxProcess(SandboxSettings(records=RECORDS)) as api:
        source.write_text(SOURCE.format(url=api.url))
        refused = terminal.type("enqueue", str(source), code=2)
        assert f"The container '{container}' of the storage account '{ACCOUNT}' does not exist" in refused
        assert f"az storage container create --account-name {ACCOUNT} --name {container}" in refused
        with ContainerClient.from_connection_string(azurite.connection_string, container) as client:
            client.create_container()
        terminal.type("enqueue", str(source))
        assert "  queue    about 5 messages, ready, delayed or worked\n" in terminal.type("status", str(source), code=4)
        assert terminal.type("clear", str(source)).startswith("About 5 messages were removed.")
        terminal.type("repair", str(source))
        terminal.type("work", str(source), "--exit-idle")
        assert "5 planned: 5 done" in terminal.type("status", str(source))
        assert f"az://{container}/bronze/shop/items/" in terminal.type("latest", str(source), "items")
        assert "Every object is as the manifest says." in terminal.type("verify", str(source))
