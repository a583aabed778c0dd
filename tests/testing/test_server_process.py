"""Servers as processes of their own: they say where they are, do what their flags say, and end with their parent."""

import json
import os
import signal
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

from haulier.testing.proxy.process import FaultProxyProcess
from haulier.testing.proxy.settings import ProxySettings
from haulier.testing.proxy.wire import Cut
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from haulier.testing.server_process import ServerProcess

ORPHANING = """
import os, sys
from haulier.testing.sandbox import SandboxProcess
api = SandboxProcess()
api.__enter__()
print(api.pid, flush=True)
os._exit(0)
"""


def test_a_sandbox_takes_its_settings_by_flags() -> None:
    """Every kind of setting arrives; counters can be read and settings changed from outside."""
    settings = SandboxSettings(
        records=7, token="hush", gzip=True, cut_rate=0.0, unreadable_ids=(5, 17), outages=((3600.0, 7200.0),), seed=-2
    )
    with SandboxProcess(settings) as api:
        api.change(token=None)
        assert api.get("/count") == b'{"count":7}'
        with pytest.raises(OSError, match="answered with 404"):
            api.get("/nothing")
        with pytest.raises(OSError, match=r"answered with 400: .*recrods"):
            api.change(recrods=5)
        counters = api.counters()
        assert (counters.requests, counters.by_status) == (2, {200: 1, 404: 1})
        assert b'"id":5,' not in api.get("/items?from_id=6")
        with pytest.raises(ValueError, match="line 1"):
            json.loads(api.get("/item/5"))
        api.change(unreadable_ids=[])
        assert json.loads(api.get("/item/5"))["id"] == 5
    api.stop()
    assert api._process.returncode == 0


def test_a_proxy_runs_in_front_of_a_sandbox() -> None:
    """``FaultProxyProcess``: its settings by flags, its counters by its path."""
    with SandboxProcess(SandboxSettings(records=500)) as api:
        settings = ProxySettings(rate_500=0, rate_429=1.0, rate_cut=0, rate_hang=0, retry_after_seconds=3)
        with FaultProxyProcess(api.url, settings) as proxy:
            with pytest.raises(OSError, match="answered with 429"):
                proxy.get("/count")
            counters = proxy.counters()
        assert (counters.requests, counters.answered_429, counters.cut) == (1, 1, dict.fromkeys(Cut, 0))
        assert api.counters().requests == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_ends_by_signal(number: signal.Signals) -> None:
    """At once, with requests under way, and without a traceback."""
    with SandboxProcess(SandboxSettings(hang_rate=1.0)) as api:
        connection = HTTPConnection(api.url.removeprefix("http://"))
        connection.request("GET", "/count")
        os.kill(api.pid, number)
        assert api._process.wait(10) == 0
        connection.close()


def test_a_server_ends_with_its_parent() -> None:
    """Even where the parent is killed: its standard input was a pipe from there."""
    parent = subprocess.run([sys.executable, "-c", ORPHANING], stdout=subprocess.PIPE, text=True, check=True)
    assert has_ended(int(parent.stdout))


@pytest.mark.parametrize(("flags", "stdin"), [([], subprocess.DEVNULL), (["--stay"], subprocess.PIPE)])
def test_a_server_that_nobody_holds_stays(flags: list[str], stdin: int) -> None:
    """Started in the background, or told to stay when the pipe closes."""
    command = [sys.executable, "-m", "haulier.testing.sandbox", *flags]
    process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, text=True)
    if process.stdin is not None:
        process.stdin.close()
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    connection = HTTPConnection(url.removeprefix("http://"))
    for _ in range(2):
        connection.request("GET", "/count")
        assert connection.getresponse().read() == b'{"count":10000}'
    connection.close()
    process.terminate()
    assert process.wait(10) == 0
    process.stdout.close()


@pytest.mark.parametrize(
    ("module", "flags", "says"),
    [
        ("sandbox", ["--cut-rate", "2"], "cut_rate is 2.0; write a share from 0.0 to 1.0"),
        ("sandbox", ["--outages", "5,6"], "--outages is '5,6'; write numbers separated by commas, or a JSON array"),
        ("sandbox", ["--records", "many"], "Expected `int`, got `str`"),
        ("proxy", ["--upstream", "http://h/path"], "write scheme, host and port"),
        ("proxy", ["--upstream", "http://h:1", "--rate-cut", "2"], "whose sum is at most 1.0"),
        ("azure_queue", ["--settings", '{"seed": "one"}'], "Expected `int`, got `str`"),
        ("azure_queue", ["--settings", '{"sede": 1}'], "there is no setting 'sede'; write one of account, "),
        ("azure_queue", ["--settings", '{"duplicate_rate": 2.0}'], "write rates from 0.0 to 1.0"),
    ],
)
def test_a_bad_flag_is_refused_in_words(module: str, flags: list[str], says: str) -> None:
    """Exit code 2, before anything is served."""
    command = [sys.executable, "-m", f"haulier.testing.{module}", *flags]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == 2
    assert says in ended.stderr
    assert ended.stdout == ""


def test_lists_may_be_written_as_numbers_or_json() -> None:
    """``--unreadable-ids 5,17`` and ``--outages '[0,3600]'``: what is easy to type."""
    command = [sys.executable, "-m", "haulier.testing.sandbox", "--failing-ids", "5,17", "--outages", "[0,3600]"]
    with ServerProcess([*command, "--outage-status=502"]) as api, pytest.raises(OSError, match="answered with 502"):
        api.get("/count")


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    """With its exit code and what it said, though it is not text."""
    script = tmp_path / "broken.py"
    script.write_text("import sys\nsys.stdout.buffer.write(b'no port \\xff\\n')\nsys.exit(3)\n")
    with (
        pytest.raises(RuntimeError, match="Its exit code is 3:\nno port"),
        ServerProcess([sys.executable, str(script)]),
    ):
        pass


def test_a_server_may_talk_before_and_after_its_url(tmp_path: Path) -> None:
    """What it says is read to the end, so that it never stops on a full pipe."""
    script = tmp_path / "chatty.py"
    script.write_text("print('hello')\nprint('http://127.0.0.1:1/')\nprint('x' * 1_000_000, flush=True)\ninput()\n")
    with ServerProcess([sys.executable, str(script)]) as server:
        assert server.url == "http://127.0.0.1:1"


def has_ended(pid: int) -> bool:
    """Whether a process of somebody else's ends within ten seconds."""
    for _ in range(1000):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if _is_zombie(pid):
            return True
        subprocess.run(["sleep", "0.01"], check=True)
    return False


def _is_zombie(pid: int) -> bool:
    """Where nobody takes in orphans, as in a container without init."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return False
