"""docs/azure.md: its commands of Azure's own command line are ones that it takes, its messages are the program's."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest

from haulier.azure.account import ACCOUNT, CONNECTION_STRING, KEY, SAS
from haulier.azure.errors import ROLES, SAS_RIGHTS
from haulier.lake.azure import patience, spool, upload
from haulier.lake.azure.rights import PUT_SECONDS
from haulier.lake.floor import FLOOR_BYTES
from tests.docs.pages import ROOT, blocks_of
from tests.docs.test_running_page import first_cells, said_by_the_program

PAGE = ROOT / "docs/azure.md"
TEXT = PAGE.read_text(encoding="utf-8")

COMMANDS = {
    "ad signed-in-user show": "",
    "container create": "resource-group name image os-type cpu memory restart-policy assign-identity "
    "environment-variables",
    "group create": "name location",
    "identity create": "resource-group name",
    "identity show": "resource-group name",
    "login": "tenant",
    "role assignment create": "role scope assignee assignee-object-id assignee-principal-type",
    "storage account create": "resource-group name location kind sku min-tls-version allow-blob-public-access "
    "enable-hierarchical-namespace",
    "storage account generate-sas": "account-name services resource-types permissions expiry https-only",
    "storage account keys list": "account-name",
    "storage account network-rule add": "account-name ip-address",
    "storage account show": "resource-group name",
    "storage container create": "account-name name auth-mode",
    "storage message clear": "account-name queue-name auth-mode",
    "storage message peek": "account-name queue-name num-messages auth-mode",
    "storage queue create": "account-name name auth-mode",
}
"""Command to flags, as the help of azure-cli 2.91.0 lists them. Each takes the flags of `EVERYWHERE` besides."""
EVERYWHERE = {"query", "output"}

_AZ = re.compile(r"\baz (?P<words>(?:[a-z][a-z-]+ )*[a-z][a-z-]+)(?P<rest>[^\n`]*)")


def commands_in(text: str) -> Iterator[tuple[str, set[str]]]:
    """Each command of ``az`` in a text, with its flags."""
    for match in _AZ.finditer(text.replace("\\\n", " ")):
        yield match["words"], {*re.findall(r"--([a-z-]+)", match["rest"].partition("$(")[0])}


def in_page() -> Iterator[tuple[str, set[str]]]:
    for block in blocks_of(PAGE):
        if block.language == "console":
            yield from commands_in(block.text)


def in_messages() -> Iterator[tuple[str, set[str]]]:
    source = (ROOT / "src/haulier/azure/errors.py").read_text(encoding="utf-8")
    joined = re.sub(r"""["']\s+f?["']""", "", source)
    for kind in ("container", "queue"):
        yield from commands_in(joined.replace("{place.kind}", kind))


def said() -> dict[str, set[str]]:
    """Command to the flags that it is given anywhere."""
    found: dict[str, set[str]] = {}
    for command, flags in [*in_page(), *in_messages()]:
        found.setdefault(command, set()).update(flags)
    return found


def test_commands_of_azure_are_those_of_the_list() -> None:
    """Nobody can run them here: they are held to a list that was made from its own help."""
    assert said().keys() == COMMANDS.keys()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_azure_is_given_flags_that_it_takes(command: str) -> None:
    unknown = said()[command] - {*COMMANDS[command].split()} - EVERYWHERE
    assert not unknown, f"az {command} takes no {unknown}"


def test_blocks_of_the_shell_can_be_split() -> None:
    """A quote that is not closed would swallow the next line."""
    for block in blocks_of(PAGE):
        if block.language == "console":
            assert shlex.split(block.text.replace("\\\n", " "), comments=True)


@pytest.mark.parametrize(
    ("after", "until"),
    [("## When it refuses", "## Outages"), ("said for one of many calls:", "## What it costs")],
)
def test_what_is_seen_is_said_by_the_program(after: str, until: str) -> None:
    """Every message in the two tables can be searched for."""
    text = TEXT.partition(f"{after}\n")[2].partition(f"\n{until}\n")[0]
    corpus = "\n".join(said_by_the_program())
    seen = re.findall(r"`([^`]+)`", " ".join(first_cells(text)))
    assert len(seen) > 5
    for words in seen:
        for piece in words.split(". "):
            assert piece in corpus, f"nothing says {piece!r}"


def test_rights_and_variables_are_those_of_the_program() -> None:
    for name in (ACCOUNT, CONNECTION_STRING, KEY, SAS):
        assert f"`{name}`" in TEXT
    for role in ROLES.values():
        assert f"*{role}*" in TEXT
    for rights in SAS_RIGHTS.values():
        assert f"`{rights.split()[0]}`" in TEXT


def test_figures_are_those_of_the_program() -> None:
    """Times and sizes that a person plans by."""
    assert (patience.FIRST_SECONDS, patience.OUTAGE_SECONDS) == (10, 600)
    assert "| 10 seconds, then exit code 4" in TEXT
    assert "| 10 minutes, then the worker ends" in TEXT
    assert (upload.PUT_BYTES, upload.BLOCK_BYTES) == (1024**2, 4 * 1024**2)
    assert "above 1 MiB of compressed bytes 1 for each 4 MiB, and 1" in TEXT
    assert "one block of 4 MiB" in TEXT
    assert spool.MEMORY_BYTES == 256 * 1024
    assert "up to 256 KiB of compressed bytes" in TEXT
    assert PUT_SECONDS == 30
    assert "end 30 seconds before" in TEXT
    assert FLOOR_BYTES == 256 * 1024**2
    assert "Below 256 MiB free" in TEXT


def test_the_contents_list_every_section() -> None:
    """The list at the top has the headings, in their order."""
    listed = re.findall(r"^- \[(.+?)\]\(#", TEXT, re.MULTILINE)
    assert listed == re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
