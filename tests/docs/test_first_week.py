"""docs/first-week.md is typed as it stands, day after day, and says what it says.

A block with a file's name is saved or, of `shop.toml`, added to it; `top` goes above `[api]`. Exit codes are 0 where
the page names no other. What schedulers read is held against the command line.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from haulier.cli.main import main
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.docs.pages import ROOT, Block, blocks_of
from tests.docs.test_blocks import parse_haulier
from tests.docs.test_tutorial import compare, exchanges

PAGE = ROOT / "docs/first-week.md"
CODE = re.compile(r" +# exit code (\d)$")
SETTINGS = re.compile(r"curl -s -d '(?P<changes>.+)' http://127.0.0.1:8002/_sandbox")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


@pytest.mark.timeout(120)
def test_the_first_week_can_be_typed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From `init` to a nightly increment with an alert; each day's commands do what the page says."""
    with SandboxProcess(SandboxSettings(records=20_000)) as api:
        monkeypatch.setenv("SANDBOX_URL", api.url)
        for block in blocks_of(PAGE):
            if block.language == "console" and "background" not in block.marks:
                for line, expected in exchanges(block):
                    type_line(api, block, line, expected)
            else:
                save(folder, block)
    assert (folder / "alerts.txt").read_text().count("\n") == 1, "the failure of day 4 alone"


def type_line(api: SandboxProcess, block: Block, line: str, expected: list[str]) -> None:
    if settings := SETTINGS.fullmatch(line):
        api.change(**json.loads(settings["changes"]))
        return
    wanted = int(code[1]) if (code := CODE.search(line)) else 0
    command = CODE.sub("", line)
    said, ended = typed(shlex.split(command))
    assert ended == wanted, f"{block}: {command} ended with {ended}:\n" + "\n".join(said)
    compare(block, command, expected, said)


def typed(words: list[str]) -> tuple[list[str], int]:
    """What a command says, on both streams as a terminal shows them, and its exit code."""
    if words[0] != "haulier":
        program = [sys.executable if words[0] == "python" else words[0], *words[1:]]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).splitlines(), done.returncode
    screen = io.StringIO()
    with contextlib.redirect_stdout(screen), contextlib.redirect_stderr(screen):
        code = main(words[1:])
    return screen.getvalue().splitlines(), code


def save(folder: Path, block: Block) -> None:
    """What the page tells to save, and nothing else."""
    source = folder / "shop.toml"
    match block.language, block.marks:
        case "toml", ("part", "top"):
            source.write_text(source.read_text().replace("\n[api]", f"\n{block.text}\n[api]", 1))
        case "toml", ("part", "shop.toml"):
            source.write_text(f"{source.read_text()}\n{block.text}")
        case "python", (name,):
            (folder / name).write_text(block.text)
        case "sh", ():
            assert block.text == "chmod +x alert.py\n"
            (folder / "alert.py").chmod(0o755)
        case _:
            assert block.language in ("text", "ini") or "background" in block.marks, block


def test_what_schedulers_read_is_a_command_line_of_ours() -> None:
    """The lines of cron and systemd name a command that there is, with options that it takes."""
    found = list(scheduled())
    assert [words[:3] for words in found] == [
        ["run", "shop.toml", "incremental"],
        ["run", "shop.toml", "full"],
        ["run", "shop.toml", "incremental"],
    ]
    for words in found:
        parse_haulier(words)


def scheduled() -> Iterator[list[str]]:
    for block in blocks_of(PAGE):
        if block.language in ("text", "ini"):
            for line in re.findall(r"(?:^ExecStart=|&& )\S*/haulier (.+)$", block.text, re.MULTILINE):
                yield shlex.split(line)
