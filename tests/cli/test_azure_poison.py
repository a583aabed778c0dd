"""Poison on Azure, whose queue replaces no message, and whose lake has no folder: read, tried, redriven, and told."""

from __future__ import annotations

import sys

import pytest
from azure.storage.blob import ContainerClient

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import Place
from tests.harness.azurite import ACCOUNT, Azurite, fresh_name

SOURCE = """
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from haulier import Api, App, Context, WorkItem

app = App(
    "numbers",
    api=Api("{url}"),
    lake="az://{container}/lake",
    queue="azure-queue://{account}/{queue}",
    on_close=["hook.py"],
)


@dataclass(frozen=True)
class Number(WorkItem, stream="numbers", kind="number"):
    n: int


@app.enumerate("full")
async def numbers(ctx: Context) -> AsyncIterator[WorkItem]:
    for n in range(4):
        yield Number(n)


@app.processor(Number)
async def number(item: Number, ctx: Context) -> AsyncIterator[list[dict[str, int]]]:
    is_mended = Path(__file__).with_name("mended").exists()
    await ctx.api.json("/count" if is_mended or item.n != 2 else "/no/such/path")
    yield [{{"n": item.n}}]
"""
HOOK = """#!{python}
import json, sys
with open("heard", "a") as file:
    file.write(json.load(sys.stdin)["state"] + "\\n")
"""


def test_poison_is_read_tried_redriven_and_told_on_azure(
    place: Place, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C7, C10: the attempts of the message before are told, though it was another one; each verdict is told once."""
    container = fresh_name("bronze")
    with ContainerClient.from_connection_string(azurite.connection_string, container) as client:
        client.create_container()
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite.connection_string)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    hook = place.folder / "hook.py"
    hook.write_text(HOOK.format(python=sys.executable))
    hook.chmod(0o755)
    with SandboxProcess(SandboxSettings(records=1)) as api:
        place.name = "numbers.py"
        place.toml.write_text(SOURCE.format(url=api.url, container=container, account=ACCOUNT, queue=fresh_name("q")))
        said = place.run("run", "--lease", "5", "--json")
        assert (said.code, said.json["reasons"]) == (3, {"poison": 1}), said.err
        (group,) = place.run("poison list", "--json").json["groups"]
        assert (group["items"], group["reason"], group["status"], group["key"]) == (1, "poison", 404, "number-2")
        shown = place.run("poison show", "number-2", "--json").json
        assert [(event["event"], event.get("settled")) for event in shown["story"]] == [
            ("attempt", "charged"),
            ("poison", None),
        ]
        assert shown["request"]["url"].endswith("/no/such/path")
        assert place.run("try", "--key", "number-2").code == 3
        (place.folder / "mended").touch()
        assert place.run("pause", "--why", "ticket 12").code == 0
        for asked in (["--key", "number-2"], []):
            said = place.run("try", *asked)
            assert (said.code, "ticket 12" in said.err) == (4, True), said.err
        assert place.run("resume").code == 0
        assert place.run("try", "--key", "number-2").code == 0
        dry = place.run("poison redrive", "--reason", "poison", "--dry-run", "--json").json
        assert (dry["would_be_redriven"], dry["state"]) == (1, "partial")
        assert place.run("poison redrive", "--reason", "poison").code == 0
        said = place.run("run", "--lease", "5", "--json")
        assert (said.code, said.json["state"], said.json["totals"]["records"]) == (0, "complete", 4)
    assert (place.folder / "heard").read_text().split() == ["partial", "complete"]
