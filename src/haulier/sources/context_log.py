from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any

_TAKEN = vars(logging.makeLogRecord({})).keys() | {"message", "asctime"}
"""Fields of each record: the standard library raises `KeyError` for an ``extra`` that has one."""


class ContextLog(logging.LoggerAdapter[logging.Logger]):
    """Adds the run, and the item where there is one, to the fields of each event. The adapter of the standard library
    drops those that the event itself has. An event fails no item: a field whose name is taken gets a ``_`` behind it,
    and an ``extra`` that is no mapping is left out."""

    def __init__(self, logger: logging.Logger, fields: Mapping[str, object]) -> None:
        super().__init__(logger, fields)
        self._fields = fields

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        given = kwargs.get("extra")
        own = given if isinstance(given, Mapping) else {}
        fields = {f"{name}_" if name in _TAKEN else name: value for name, value in own.items()}
        kwargs["extra"] = {**self._fields, **fields}
        return msg, kwargs
