"""`haulier doctor` sends one span: 2xx alone counts as delivered, and all else has a remedy."""

import pytest

from haulier.cli.doctor.telemetry_check import find_telemetry
from haulier.telemetry import set_up, trial
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import RECORDS, Place
from tests.harness.otlp import OtlpReceiver
from tests.telemetry.collectors import collector

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"


def test_a_span_arrives(place: Place, receiver: OtlpReceiver) -> None:
    with SandboxProcess(SandboxSettings(records=RECORDS)) as api:
        place.write(api.url)
        said = place.run("doctor")
    assert said.code == 0
    assert f"ok       telemetry    http://127.0.0.1:{receiver.port}/v1/traces: The collector took a span.\n" in said.out
    (span,) = receiver.wait(lambda spans: len(spans) == 1)
    assert span.name == "haulier doctor"


@pytest.mark.parametrize(
    ("kind", "scheme", "state", "text", "remedy"),
    [
        ("garbage", "http", "ok", "The collector took a span.", ""),
        ("moved", "http", "wrong", "No span arrives: it answers with a redirect, status 302.", "where it leads to"),
        ("unknown", "http", "wrong", "No span arrives: it answers with status 404.", "without /v1/traces"),
        ("busy", "http", "warning", "No span arrives: it answers with status 429.", "It is busy."),
        ("dead", "http", "warning", "No span arrives: no connection, or none that lasts.", "Its port is 4318"),
        ("silent", "http", "warning", "No span arrives: it does not answer in time.", "Is a collector listening"),
        ("drip", "http", "warning", "No span arrives: it does not answer in time.", "Is a collector listening"),
        ("plain", "https", "wrong", "No span arrives: TLS failed.", "OTEL_EXPORTER_OTLP_CERTIFICATE"),
    ],
)
async def test_what_does_not_arrive_has_a_remedy(
    kind: str, scheme: str, state: str, text: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A redirect counts as delivered for the SDK alone. What may pass by itself is a warning: runs go on."""
    async with collector(kind) as port:
        monkeypatch.setenv(ENDPOINT, f"{scheme}://user:pass-word@127.0.0.1:{port}/path-word")
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
        monkeypatch.setattr(trial, "TRIAL_SECONDS", 1.0)
        found = await find_telemetry("shop")
    assert (found.check, found.state, found.text) == ("telemetry", state, text)
    assert remedy in found.remedy
    assert found.subject == f"{scheme}://127.0.0.1:{port}/v1/traces"


@pytest.mark.parametrize(
    ("variables", "state", "text"),
    [
        ({}, "ok", "It is off: nothing is sent to OpenTelemetry. To switch it on, set OTEL_EXPORTER_OTLP_ENDPOINT to"),
        ({ENDPOINT: "collector:4318"}, "wrong", "It is off: OTEL_EXPORTER_OTLP_ENDPOINT is no address"),
        ({TRACES: "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none"}, "ok", "It is off: nothing is sent"),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:9/m"}, "ok", "Metrics alone are sent"),
        ({ENDPOINT: "http://127.0.0.1:9", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "few"}, "wrong", "It is off: ValueError"),
    ],
)
async def test_what_is_not_sent_is_said(
    variables: dict[str, str], state: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = await find_telemetry("shop")
    assert found.state == state
    assert found.text.startswith(text)


async def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)  # As where another package has brought the API without the SDK.

    monkeypatch.setattr(set_up, "find_spec", missing)
    assert "install haulier with its extra 'otel', and set" in (await find_telemetry("shop")).text
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    found = await find_telemetry("shop")
    assert (found.state, found.remedy) == ("warning", "Install haulier with its extra 'otel'.")
