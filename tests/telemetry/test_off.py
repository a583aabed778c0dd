"""OpenTelemetry where nobody asked for it, and where its extra is not installed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.cli.conftest import RECORDS, Place

RUN = """
import sys
if {is_absent}:
    sys.modules["opentelemetry"] = None  # As if it were not installed: an import of it fails.
from haulier.cli.main import main
code = main(["run", {source!r}, "--json"])
print([name for name in sys.modules if name.startswith("opentelemetry") and sys.modules[name] is not None])
sys.exit(code)
"""
NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("environ", "is_absent"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": NOWHERE, "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": NOWHERE}, True),
    ],
    ids=["not asked for", "disabled", "not installed"],
)
def test_nothing_of_it_is_imported_by_a_whole_run(shop: Place, environ: dict[str, str], is_absent: bool) -> None:
    """Nor is it needed: a run without the extra is as complete."""
    code = RUN.format(source=str(shop.toml), is_absent=is_absent)
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    document, _, imported = ended.stdout.rstrip().rpartition("\n")
    assert (json.loads(document)["totals"]["records"], imported) == (RECORDS, "[]")
