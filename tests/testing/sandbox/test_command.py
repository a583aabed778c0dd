"""`haulier sandbox` as a person types it: its help, its mistakes in one line, its first words on a terminal."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys

import pytest

from haulier.cli.main import main
from haulier.testing.sandbox import Sandbox
from haulier.testing.server_process import ServerProcess

COMMAND = [sys.executable, "-m", "haulier", "sandbox"]


def test_help_is_in_groups_and_ends_with_the_paths(capsys: pytest.CaptureFixture[str]) -> None:
    """Under its own name, with units, defaults and choices; 0 as exit code."""
    assert main(["sandbox", "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: haulier sandbox [flags]\n")
    heads = re.findall(r"^([a-z]+)(?: \(.*)?:$", text, re.MULTILINE)
    assert heads == ["options", "data", "paging", "speed", "faults", "limits", "access", "paths"]
    for line in ("--latency-seconds SECONDS", "--cut-rate SHARE", "--knee-mode {queue,thrash,refuse}", "  /items_seek"):
        assert line in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--recrods", "3"], "--recrods is not a flag. Did you mean --records?"),
        (["--records", "many"], "records is 'many'. Expected `int`, got `str`."),
        (["--cut-rate", "2"], "cut_rate is 2.0; write a share from 0.0 to 1.0."),
        (["--latency-seconds", "-1"], "latency_seconds is -1.0; write 0 or more."),
        (["--latency-seconds", "nan"], "latency_seconds is nan; write a finite number."),
        (["--outages", "5,6"], "--outages is '5,6'; write numbers separated by commas, or a JSON array."),
        (["--outages", "[6,5]"], "outages has 6 to 5; write a start of at least 0, and a later end."),
        (["--corrupt-kinds", "bom,foo"], "corrupt_kinds is ['bom', 'foo']. Invalid enum value 'foo'."),
        (["--knee-mode", "fast"], "argument --knee-mode: invalid choice: 'fast'"),
        (["--knee-mode"], "argument --knee-mode: expected one argument"),
        (["--quota", "5", "--quota-seconds", "0"], "quota needs quota_seconds above 0."),
        (["--is-cap-silent"], "is_cap_silent needs cap_rows: set the number of rows that a query gives."),
        (["--refuse-status", "500"], "refuse_status is 500; write 429 or 503."),
        (["--port", "x"], "argument --port: invalid int value: 'x'"),
        (["items"], "items is not a flag."),
    ],
)
def test_a_mistake_is_one_line(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And where the help is; exit code 2; nothing is served."""
    assert main(["sandbox", *words]) == 2
    shown = capsys.readouterr()
    first, second = shown.err.splitlines()
    assert first.startswith(f"haulier sandbox: {says}")
    assert second == "See haulier sandbox --help."
    assert shown.out == ""


async def test_a_port_that_is_taken_is_told() -> None:
    """Not by a traceback."""
    async with Sandbox() as api:
        command = [*COMMAND, "--port", str(api.port)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"haulier sandbox: cannot listen on 127.0.0.1:{api.port}: ")


def test_flags_become_settings() -> None:
    """Of every kind, as a person types them."""
    flags = "--records 5 --gzip --corrupt-kinds bom --corrupt-rate 1 --knee 3 --knee-mode thrash --outages [60,90]"
    with ServerProcess([*COMMAND, *flags.split()]) as api:
        assert api.get("/count") == b'\xef\xbb\xbf{"count":5}'
        counters = json.loads(api.get("/_sandbox"))
        assert (counters["corrupt"], counters["requests"]) == ({"bom": 1}, 1)


def test_on_a_terminal_it_shows_what_to_type() -> None:
    """Its URL first, then two lines to try; into a pipe the URL alone."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(COMMAND, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        said = b""
        while said.count(b"\n") < 3:
            said += os.read(ours, 4096)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        os.close(ours)
    url, *examples = said.decode().split("\r\n")[:3]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
    assert all(f"curl '{url}/" in line or f"curl {url}/" in line for line in examples)


def test_into_a_pipe_it_says_its_url_alone() -> None:
    """Scripts read it."""
    process = subprocess.Popen(COMMAND, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    with socket.create_connection(("127.0.0.1", int(line.rpartition(":")[2]))):
        process.terminate()
        out, err = process.communicate(timeout=10)
    assert (out, err, process.returncode) == (b"", b"", 0)
