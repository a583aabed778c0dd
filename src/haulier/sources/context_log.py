from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any


class ContextLog(logging.LoggerAdapter[logging.Logger]):
    """Adds the run, and the item where there is one, to the fields of each event. The adapter of the standard library
    drops those that the event itself has."""

    def __init__(self, logger: logging.Logger, fields: Mapping[str, object]) -> None:
        super().__init__(logger, fields)
        self._fields = fields

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**self._fields, **(kwargs.get("extra") or {})}
        return msg, kwargs
