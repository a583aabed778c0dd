"""The names that fields of log lines have in JSON: those of the same things on spans."""

from __future__ import annotations

from typing import Final

from haulier.telemetry import names

ATTRIBUTES: Final = {
    "source": names.SOURCE,
    "run_id": names.RUN_ID,
    "stream": names.STREAM,
    "item_key": names.ITEM_KEY,
    "failures": names.FAILURES,
    "error_type": names.ERROR_TYPE,
    "error": names.ERROR_TEXT,
}


def attribute_of(field: str) -> str:
    """The name of a field of which a span has none is its own."""
    return ATTRIBUTES.get(field, field)
