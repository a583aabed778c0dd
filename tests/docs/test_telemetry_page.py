"""docs/telemetry.md names what is sent, and nothing else. Its queries are run in tests/telemetry/test_received.py."""

from __future__ import annotations

import dataclasses

import haulier.telemetry.names as names
from haulier.telemetry.names import ATTRIBUTES, METRICS, SPANS
from tests.docs.telemetry_tables import PAGE, refreshed

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_code() -> None:
    assert refreshed(TEXT) == TEXT, "python -m tests.docs.telemetry_tables writes the tables anew"


def test_every_attribute_has_a_row() -> None:
    """Each name that the code knows, but those of spans and metrics."""
    constants = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
    others = {row.name for row in METRICS}
    assert {value for value in constants - others if "." in value} == {row.name for row in ATTRIBUTES}


def test_rows_are_sentences() -> None:
    for row in (*SPANS, *ATTRIBUTES, *METRICS):
        assert dataclasses.asdict(row)["text"].endswith("."), row
