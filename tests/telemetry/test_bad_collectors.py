"""Whatever the collector does, or the variables say, the work goes on and ends within two seconds of its own end."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from haulier.clock import SystemClock
from haulier.telemetry.names import RETRIES
from haulier.telemetry.seam import SpanKind, Telemetry
from haulier.telemetry.set_up import CLOSE_SECONDS, open_telemetry
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import RECORDS, TOML
from tests.telemetry.collectors import BAD, collector

MARGIN_SECONDS = 1.0
"""For a busy machine."""
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
BURST = 20_000
LOST = "telemetry was lost"
OFF = "telemetry is off"


def record(telemetry: Telemetry, spans: int = 3) -> None:
    for _ in range(spans):
        with telemetry.span("process q", SpanKind.CONSUMER, is_root=True):
            pass
    telemetry.add(RETRIES, 1)


def said(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Our lines that a terminal would show."""
    return [one for one in caplog.records if one.levelno >= logging.WARNING and one.name.startswith("haulier")]


async def test_no_collector_delays_the_exit(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them at once: each exit takes two seconds at most, and says in one line what was lost and why."""
    caplog.set_level(logging.INFO, "haulier")
    async with AsyncExitStack() as servers:
        opened, kinds = [], {}
        for kind in BAD:
            port = await servers.enter_async_context(collector(kind))
            kinds[f"http://127.0.0.1:{port}/v1/traces"] = kind
            monkeypatch.setenv(ENDPOINT, f"http://user:pass-word@127.0.0.1:{port}/path-word")
            opened.append(open_telemetry(kind, f"{kind}-1", SystemClock()))
            record(await opened[-1].__aenter__())
        began_at = time.monotonic()
        await asyncio.gather(*(one.__aexit__(None, None, None) for one in opened))
        assert time.monotonic() - began_at < CLOSE_SECONDS + MARGIN_SECONDS
    lines = said(caplog)
    assert {line.message for line in lines} == {LOST}
    by_kind = {kinds[vars(line)["collector"]]: vars(line) for line in lines}
    assert {kind: line["problem"] for kind, line in by_kind.items()} == {
        kind: bad.problem for kind, bad in BAD.items() if bad.problem
    }
    assert len(lines) == len(by_kind)
    assert all((line["spans"], line["of"]) == (3, 3) for line in by_kind.values())
    for secret in ("pass-word", "path-word"):
        assert secret not in caplog.text + str(by_kind)


async def test_a_signal_while_it_closes_ends_the_wait_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is complete by then: what it returned stands, and so does its exit code."""
    done = asyncio.Event()

    async def work() -> str:
        async with open_telemetry("shop", "shop-1", SystemClock()) as telemetry:
            record(telemetry)
            done.set()
        return "complete"

    async with collector("silent") as port:
        monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{port}")
        task = asyncio.ensure_future(work())
        await done.wait()
        began_at = time.monotonic()
        task.cancel()
        assert await task == "complete"
        assert time.monotonic() - began_at < CLOSE_SECONDS / 2
        assert not task.cancelling()


def test_a_forked_child_sends_nothing() -> None:
    """The SDK goes on in it, with the counters of its parent, which would count twice. One of a user's code forks."""
    code = (
        "import os\nfrom haulier.clock import SystemClock\nfrom haulier.telemetry.sdk import set_up_sdk\n"
        "from haulier.telemetry.variables import read_variables\n"
        "sdk = set_up_sdk(read_variables(os.environ), {}, '1', SystemClock())\n"
        f"sdk.telemetry.add({RETRIES!r}, 1)\n"
        "if not os.fork():\n    for shut_down in sdk.shut_down:\n        shut_down()\n"
        "os._exit(0)\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        env = os.environ | {ENDPOINT: f"http://127.0.0.1:{server.getsockname()[1]}", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
        subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True)  # Until the child ends.
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


async def test_a_burst_holds_nobody_up(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that is full drops spans, and their number is said once."""
    async with collector("silent") as port:
        monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{port}")
        async with open_telemetry("shop", "shop-1", SystemClock()) as telemetry:
            began_at = time.monotonic()
            record(telemetry, BURST)
            assert time.monotonic() - began_at < 60.0, "whoever waits for the collector needs minutes"
    (line,) = said(caplog)
    assert (vars(line)["spans"], vars(line)["of"]) == (BURST, BURST)


@pytest.mark.parametrize(
    ("variables", "event", "words"),
    [
        ({ENDPOINT: "localhost:4318"}, OFF, f"{ENDPOINT} is no address of a collector: expected one such as http://"),
        ({ENDPOINT: "http://[::1"}, OFF, "is no address of a collector"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, OFF, "OTEL_TRACES_EXPORTER is 'zipkin': expected otlp"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, OFF, "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc': expected http/protobuf"),
        ({"OTEL_BSP_SCHEDULE_DELAY": "0"}, OFF, "ValueError: schedule_delay_millis must be positive."),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "many"}, "a variable of OpenTelemetry cannot be read", "OTEL_BSP_MAX_QUEUE_SIZE"),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "-1"}, OFF, "ValueError: interval value -1.0 is invalid"),
        ({"OTEL_TRACES_SAMPLER_ARG": "x", "OTEL_TRACES_SAMPLER": "nope"}, "a variable of OpenTelemetry", "nope"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "s3cret-value"}, "a variable of OpenTelemetry cannot be read", "***"),
        ({ENDPOINT: "http://[::1]/s3cret", "OTEL_BSP_SCHEDULE_DELAY": "0"}, OFF, "must be positive"),
    ],
)
async def test_a_bad_variable_is_said_in_one_line(
    variables: dict[str, str],
    event: str,
    words: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """G7: without what headers hold."""
    async with collector("garbage") as port:
        for name, value in ({ENDPOINT: f"http://127.0.0.1:{port}"} | variables).items():
            monkeypatch.setenv(name, value)
        async with open_telemetry("shop", "shop-1", SystemClock()) as telemetry:
            record(telemetry)
    (line,) = said(caplog)
    assert line.message.startswith(event)
    assert words in str(vars(line).get("problem", vars(line).get("of")))
    assert "s3cret" not in str(vars(line))


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {ENDPOINT: ""},
        {ENDPOINT: "http://127.0.0.1:9", "OTEL_SDK_DISABLED": " True "},
        {ENDPOINT: "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"},
    ],
)
async def test_it_is_off_where_nobody_asked_for_it(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with open_telemetry("shop", "shop-1", SystemClock()) as telemetry:
        assert not telemetry.is_on
    assert not caplog.records


async def test_a_run_is_the_same_beside_a_silent_collector(tmp_path: Path) -> None:
    """G1: workers in processes of their own: exit code, records and what a person reads are as without telemetry, but
    for one line. None of them waits for another's."""
    with SandboxProcess(SandboxSettings(records=RECORDS)) as api:
        (tmp_path / "shop.toml").write_text(TOML.format(url=api.url))
        async with collector("silent") as port:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "haulier", "run", "shop.toml", "--workers", "2"),
                cwd=tmp_path,
                env=os.environ | {ENDPOINT: f"http://127.0.0.1:{port}", "HAULIER_LOG": "text"},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            _, err = await process.communicate()
    assert process.returncode == 0, err
    assert f"is complete: {RECORDS:,} records".encode() in err
    lines = [line for line in err.decode().splitlines() if "telemetry" in line.lower() or "export" in line.lower()]
    assert all(LOST in line for line in lines), lines
    assert ["warning" in line for line in lines].count(True) == 1, lines  # A terminal shows no others.
