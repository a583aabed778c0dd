"""The names that fields of log lines have in JSON: those of the same things on spans."""

from __future__ import annotations

ATTRIBUTES = {
    "source": "haulier.source",
    "run_id": "messaging.message.conversation_id",
    "stream": "haulier.stream",
    "item_key": "haulier.item.key",
    "failures": "haulier.item.failures",
    "error_type": "error.type",
    "error": "haulier.error.text",
}


def attribute_of(field: str) -> str:
    """The name of a field of which a span has none is its own."""
    return ATTRIBUTES.get(field, field)
