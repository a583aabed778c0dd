"""What stands between fences is true: it loads, it compiles, it is a command line of ours."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import sys
import tomllib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import click
import pytest

from haulier import Context, Page, Paginator, Total
from haulier.api.paging.paginator import PageRequest
from haulier.app.source_loader import load_app
from haulier.cli.main import haulier
from haulier.config.place import Place, SourceText
from haulier.config.source_file import API, FILE, STREAMS, load_source
from haulier.sources.finished import Finished
from haulier.testing.sandbox import SandboxSettings
from tests.docs.pages import ROOT, Block, blocks

PART = "part"
"""Marks a block that is a part of a source file: what is missing is put around it."""

REST: dict[str, Any] = {"source": "rest", "api": {"url": "https://api.example.com"}}
STREAM: dict[str, Any] = {"get": "/rest", "records": ".", "pages": "single", "full": {"once": {}}}


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_source_files_load(block: Block, tmp_path: Path) -> None:
    """Every block of TOML is a source file that haulier reads, or a part of one and marked so."""
    if PART in block.marks:
        read_tables(with_rest(tomllib.loads(block.text)), variables_of(block.text))
        return
    file = tmp_path / "source.toml"
    file.write_text(block.text)
    assert load_source(file, variables_of(block.text)).streams


@pytest.mark.parametrize("block", blocks("python"), ids=str)
async def test_python_compiles_and_apps_work(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every block of Python compiles; one that builds an app is loaded as `haulier run` loads it, and its items are
    enumerated and processed."""
    compile(block.text, str(block), "exec")
    if "App(" not in block.text:
        return
    file = tmp_path / "documented_source.py"
    file.write_text(block.text)
    # Loading puts the file's folder on the path, and the file among the modules; both are taken back.
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, file.stem, ModuleType(file.stem))
    app = load_app(str(file))
    mode = "full" if '"full")' in block.text else "incremental"
    app.require_mode(mode)
    night = datetime(2030, 1, 1, tzinfo=UTC)
    context = cast(Context, SimpleNamespace(api=FakeApi(), finished=Finished(), snapshot_time=night))
    items = [item async for item in app.items(mode, app.streams, context)]
    assert items
    for item in items:
        pages = [page async for page in app.processors[type(item)](item, context)]
        assert pages == [FakeApi.PAGE]


@pytest.mark.parametrize("block", [block for block in blocks("console") if block.commands], ids=str)
def test_command_lines_are_ours(block: Block) -> None:
    """A line that begins with a program of ours names a command that there is, with options that it takes."""
    for words in block.commands:
        if words[0] == "haulier":
            parse_haulier(words[1:])
        elif words[0] == "make":
            parse_make(words[1:])
        else:
            parse_module(words[2:])


class FakeApi:
    """What an enumerator and a processor ask, answered at once."""

    NEWEST = 12_000
    PAGE = Page([b"{}"])

    async def json(self, path: str, query: Mapping[str, object] | None = None, *, at: str | None = None) -> Any:
        return self.NEWEST

    async def pages(
        self, path: str, query: Mapping[str, object], *, pages: Paginator, records: str, total: Total | None = None
    ) -> AsyncIterator[Page]:
        assert pages.first(PageRequest(path)).query_value("cursor") is None
        yield self.PAGE


def test_a_wrong_command_line_is_found() -> None:
    """The parser that the blocks are held to refuses what a user could not type."""
    for words in (["rnu", "x.toml"], ["run"], ["run", "x.toml", "--worker", "2"], ["run", "x.toml", "daily"],
                  ["poison", "shwo", "x.toml"], ["sandbox", "--recrods", "3"]):  # fmt: skip
        with pytest.raises((click.UsageError, AssertionError)):
            parse_haulier(words)


def variables_of(text: str) -> dict[str, str]:
    """A value for every variable in a block that has no default."""
    return dict.fromkeys(re.findall(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", text), "a-value")


def with_rest(part: dict[str, Any]) -> dict[str, Any]:
    """The part of a source file, with the rest that makes it one."""
    whole = {**REST, **part, "api": {**REST["api"], **part.get("api", {})}}
    streams = part.get("streams") or {"rest": {}}
    whole["streams"] = {name: with_rest_of_stream(stream) for name, stream in streams.items()}
    return whole


def with_rest_of_stream(part: dict[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in STREAM.items() if not (key == "get" and "post" in part)}
    if "search" in part:
        rest = {"full": STREAM["full"]}
    if "parent" in part or "incremental" in part:
        rest.pop("full")
    return {**rest, **part}


def read_tables(tables: dict[str, Any], environ: dict[str, str]) -> None:
    table = FILE.open(tables, Place(SourceText("part.toml", environ)))
    table.need(API)
    table.need(STREAMS)


def parse_haulier(words: list[str]) -> None:
    """Parse a command line as click does before it runs the command. Raises `click.UsageError`."""
    group: click.Command = haulier
    context = group.make_context("haulier", [*words])
    while isinstance(group, click.Group):
        rest = [*context._protected_args, *context.args]
        if not rest:
            return
        name, found, rest = group.resolve_command(context, rest)
        assert found is not None
        group = found
        if name == "sandbox":
            parse_sandbox(rest)
            return
        try:
            context = group.make_context(name, rest, parent=context)
        except click.exceptions.Exit:
            return  # `--help`, which is answered while it is parsed.


def parse_sandbox(words: list[str]) -> None:
    """The sandbox has a flag for each of its settings."""
    known = {each.name.replace("_", "-") for each in dataclasses.fields(SandboxSettings)}
    for word in words:
        flag = word.removeprefix("--").partition("=")[0]
        if word.startswith("--") and flag not in {"help", "host", "port", "stay"}:
            assert flag in known, f"the sandbox has no flag {word}"


def parse_make(words: list[str]) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for word in words:
        assert "=" in word or word in targets, f"make has no target {word!r}"


def parse_module(words: list[str]) -> None:
    assert importlib.util.find_spec(words[0]), f"there is no module {words[0]}"
    if words[0] == "haulier.testing.sandbox":
        parse_sandbox(words[1:])
