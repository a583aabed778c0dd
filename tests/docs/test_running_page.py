"""What docs/running.md says that a person sees is what the program says."""

from __future__ import annotations

import ast
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from haulier.cli.status.facts import StatusFacts
from haulier.runs.state import RunState
from haulier.runs.status import RunStatus
from tests.docs.pages import ROOT, blocks_of

PAGE = ROOT / "docs/running.md"
TEXT = PAGE.read_text(encoding="utf-8")


FOLDERS = (
    "receipts",
    "outcomes",
    "children",
    "poison",
    "redrives",
    "discards",
    "crashes",
    "hidden",
    "absent",
    "skipped",
    "closings",
)


def section(heading: str) -> str:
    """What stands below a heading, up to the next."""
    return TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def first_cells(text: str) -> list[str]:
    """The first column of the tables in a text, without their heads."""
    rows = re.findall(r"^\| (.+?) \|.*\|$", text, re.MULTILINE)
    return [row for row in rows if not set(row) <= set("-| ")][1:]


def said_by_the_program() -> Iterator[str]:
    """Every text in the source, with what is filled in left out."""
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                yield "...".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
            elif isinstance(node, ast.Constant) and isinstance(node.value, bytes):
                yield node.value.decode("latin-1")


SEEN = dict.fromkeys(re.findall(r"`([^`]+)`", " ".join(first_cells(section("At 3 a.m.")))))


@pytest.fixture(scope="module")
def corpus() -> str:
    return "\n".join(dict.fromkeys(said_by_the_program()))


@pytest.mark.parametrize("seen", SEEN)
def test_what_is_seen_at_night_is_said_by_the_program(seen: str, corpus: str) -> None:
    """Every message in the table can be searched for: the program has those words."""
    for piece in re.split(r"\.\.\.|: |open ", seen):
        assert piece.strip() in corpus, f"nothing says {piece!r}"


def test_the_states_are_those_of_the_program() -> None:
    """`status --json` has the states of the table, and no other."""
    listed = re.findall(r"`([a-z]+)`", " ".join(first_cells(section("States, for programs").partition("\n### ")[0])))
    assert sorted(listed) == sorted(state.value for state in RunState)


def test_the_document_is_one_of_the_program() -> None:
    """The JSON in the page has every field of a status, what failed besides, and is read as one."""
    (block,) = (block for block in blocks_of(PAGE) if block.language == "json")
    status = msgspec.json.decode(block.text, type=RunStatus)
    assert [*msgspec.json.decode(block.text)] == [*StatusFacts(status=status).document()]
    assert status.planned == status.done + status.missing


def test_every_file_of_a_run_is_in_the_page() -> None:
    """What haulier writes into a lake is explained."""
    source = (ROOT / "src/haulier/lake/paths.py").read_text(encoding="utf-8")
    named = set(re.findall(r"\{self\.root\}/([a-z_]+)", source)) | {*FOLDERS}
    text = section("The files of a run")
    for name in named:
        assert f"{name}/" in text or f"{name}.json" in text, f"{name} is not in {PAGE.name}"


def test_the_contents_list_every_section() -> None:
    """The list at the top has the headings, in their order."""
    listed = re.findall(r"^- \[(.+?)\]\(#", TEXT, re.MULTILINE)
    assert listed == re.findall(r"^## (.+)$", TEXT, re.MULTILINE)


def test_the_script_of_on_close_mails_what_did_not_end_well(tmp_path: Path) -> None:
    """A partial verdict goes to a mail server; a complete one starts the next job."""
    (block,) = [block for block in blocks_of(PAGE) if "alert.py: mails" in block.text]
    script, marker, job = tmp_path / "alert.py", tmp_path / "started", tmp_path / "job"
    script.write_text(block.text)
    job.write_text(f"#!/bin/sh\necho $1 > {marker}.new && mv {marker}.new {marker}\n")
    job.chmod(0o755)

    def call(state: str, **environ: str) -> str:
        document = {"source": "shop", "run_id": "full-20261124T205959Z", "state": state}
        command = [sys.executable, str(script), "ops@example.com"]
        done = subprocess.run(
            command, input=msgspec.json.encode(document), env=environ, capture_output=True, timeout=30, check=True
        )
        return done.stdout.decode()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        mailed: list[str] = []
        server = threading.Thread(target=_take_mail, args=(listener, mailed))
        server.start()
        said = call("partial", MAIL_HOST="127.0.0.1", MAIL_PORT=str(listener.getsockname()[1]))
        server.join(30)
    assert said == "told of full-20261124T205959Z\n"
    assert "Subject: shop: full-20261124T205959Z is partial" in mailed
    call("complete", NEXT_JOB=str(job))
    while not marker.exists():
        threading.Event().wait(0.02)
    assert marker.read_text() == "full-20261124T205959Z\n"


def _take_mail(listener: socket.socket, mailed: list[str]) -> None:
    """As much of SMTP (RFC 5321) as one mail needs."""
    connection, _ = listener.accept()
    with connection, connection.makefile("rwb") as stream:

        def answer(text: str) -> None:
            stream.write(f"{text}\r\n".encode())
            stream.flush()

        answer("220 here")
        for line in map(bytes.decode, stream):
            match line.strip()[:4].upper():
                case "DATA":
                    answer("354 go on")
                    while (text := stream.readline().decode().rstrip()) != ".":
                        mailed.append(text)
                    answer("250 taken")
                case "QUIT":
                    answer("221 bye")
                    return
                case _:
                    answer("250 well")
