"""The tutorial is typed as it stands, and says what it says.

Blocks are taken in their order. A name behind the language is the file that a block is saved as; `background` is left
running, `by-hand` takes too long to be typed here, and is only parsed (test_blocks.py). Of what a command says, `...`
stands for anything, and numbers that depend on the machine or the moment may be others.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from haulier.cli.main import main
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.docs.pages import ROOT, Block, blocks_of, words_of

PAGE = ROOT / "docs/tutorial.md"
LATENCY_SECONDS = 0.015
"""Instead of the tutorial's own, which is there to be watched."""
PATIENCE_SECONDS = 30.0
EXACT = ("is complete", "is partial", "as the API promised", "is not as", "as the manifest says")
"""In lines with these words numbers are compared too."""


def test_the_tutorial_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command does what the page says, in the order of the page."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, "shop", ModuleType("shop"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    with contextlib.ExitStack() as stack:
        terminals = Terminals(stack, monkeypatch)
        for block in blocks_of(PAGE):
            if block.language == "python":
                (tmp_path / block.marks[0]).write_text(block.text)
            elif block.language == "console" and "$ " in block.text and "by-hand" not in block.marks:
                terminals.type(block)


class Terminals:
    """Where the tutorial is typed: one terminal for what runs on, and one for the rest."""

    def __init__(self, stack: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
        self._stack = stack
        self._monkeypatch = monkeypatch
        self._sandbox: SandboxProcess | None = None

    def type(self, block: Block) -> None:
        for command, expected in exchanges(block):
            words = words_of(command)
            if words[:2] == ["haulier", "sandbox"]:
                self._serve(words[2:])
            elif "background" in block.marks:
                for _ in range(2):
                    self._start(words)
            elif "^C" in expected:
                compare(block, command, expected, interrupted(words))
            else:
                compare(block, command, expected, said(words))

    def _serve(self, flags: list[str]) -> None:
        if self._sandbox is not None:
            self._sandbox.stop()
        settings = dict(zip(flags[::2], flags[1::2], strict=True))
        records = int(settings["--records"])
        failing = tuple(int(number) for number in settings.get("--failing-ids", "").split(",") if number)
        self._sandbox = self._stack.enter_context(
            SandboxProcess(SandboxSettings(records=records, latency_seconds=LATENCY_SECONDS, failing_ids=failing))
        )
        self._monkeypatch.setenv("SANDBOX_URL", self._sandbox.url)

    def _start(self, words: list[str]) -> None:
        process = subprocess.Popen([sys.executable, "-m", *words], stderr=subprocess.DEVNULL)
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)


def exchanges(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Each command of a block, and the lines that follow it."""
    command, lines = "", list[str]()
    for line in [*block.text.splitlines(), "$ "]:
        if line.startswith("$ "):
            if command:
                yield command, lines
            command, lines = line.removeprefix("$ "), []
        else:
            lines.append(line)


def said(words: list[str]) -> list[str]:
    """What a command says, on both streams as a terminal shows them."""
    if words[0] == "python":
        done = subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()
    screen = io.StringIO()
    with contextlib.redirect_stdout(screen), contextlib.redirect_stderr(screen):
        code = main(words[1:])
    lines = screen.getvalue().splitlines()
    assert code == (4 if words[1] == "status" else 0), f"{shlex.join(words)} ended with {code}:\n{screen.getvalue()}"
    return lines


def interrupted(words: list[str]) -> list[str]:
    """What a command says that gets a Ctrl-C once some of its items are done."""
    process = subprocess.Popen([sys.executable, "-m", *words], stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + PATIENCE_SECONDS
    while not objects_of_an_open_run():
        assert time.monotonic() < until, "no item was done"
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 4, text
    return text.splitlines()


def objects_of_an_open_run() -> list[Path]:
    newest = max(Path("lake/shop/items/mode=full").iterdir())
    return [] if (newest / "_SUCCESS.json").exists() else list(newest.glob("*.gz"))


def compare(block: Block, command: str, expected: list[str], lines: list[str]) -> None:
    """Every line of the page is among what was said, in the same order, and nothing else unless `...` stands there."""
    # On a terminal a bar says what these lines say elsewhere.
    lines = [line for line in lines if line.strip() and not line.startswith('{"time"')]
    shown = "\n".join(lines)
    place, may_skip = 0, False
    for line in expected:
        if line in ("...", "^C", ""):
            may_skip = may_skip or line != ""
            continue
        found = next((at for at in range(place, len(lines)) if is_alike(line, lines[at])), None)
        assert found is not None, f"{block}: {command} says no line like\n{line}\nIt says:\n{shown}"
        assert may_skip or found == place, f"{block}: {command} says more before {line!r}:\n{shown}"
        place, may_skip = found + 1, False
    assert may_skip or place == len(lines) or not expected, f"{block}: {command} says more at its end:\n{shown}"


def is_alike(line: str, actual: str) -> bool:
    is_exact = any(words in line for words in EXACT)
    pieces = (re.escape(plain(piece, is_exact)) for piece in line.split("..."))
    return re.fullmatch(".*".join(pieces), plain(actual, is_exact)) is not None


def plain(text: str, is_exact: bool) -> str:
    """A line without what is another one each time."""
    text = re.sub(r"\d{8}T\d{6}Z", "<time>", text)
    text = re.sub(r"http://127\.0\.0\.1:\d+", "<url>", text)
    return text if is_exact else re.sub(r"\d[\d,.]*", "#", text)
