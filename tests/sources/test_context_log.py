"""What an author logs is never the reason why an item fails."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from haulier.sources.context_log import ContextLog


@pytest.mark.parametrize("extra", [{"name": "x", "args": (1,), "message": "y", "city": "Rome"}, ["city"], None])
def test_no_extra_fails_an_item(extra: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A name that is taken gets a `_`; what is no mapping is left out."""
    ContextLog(logging.getLogger("haulier.processor"), {"item_key": "k"}).warning("seen %s", 1, extra=extra)
    (record,) = caplog.records
    assert (record.name, record.getMessage(), vars(record)["item_key"]) == ("haulier.processor", "seen 1", "k")
    if isinstance(extra, dict):
        shown = {name: vars(record)[name] for name in ("name_", "args_", "message_", "city")}
        assert shown == {"name_": "x", "args_": (1,), "message_": "y", "city": "Rome"}
