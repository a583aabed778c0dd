"""Tools for the tests of users: one item or a small run worked within a test, a sandbox API with faults, contract
suites, a proxy with faults, and a fake clock."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [  # noqa: RUF022 - in groups
    # In tests: from haulier.testing import ...
    "run_item",
    "run_app",
    "ItemResult",
    "RunResult",
    "PoisonedItem",
    "RequestMade",
]

if TYPE_CHECKING:
    from haulier.testing.run_result import ItemResult, PoisonedItem, RequestMade, RunResult
    from haulier.testing.small_run import run_app, run_item

_HOMES = {
    "ItemResult": "run_result",
    "PoisonedItem": "run_result",
    "RequestMade": "run_result",
    "RunResult": "run_result",
    "run_app": "small_run",
    "run_item": "small_run",
}


def __getattr__(name: str) -> object:
    """Imported when first used: the sandbox needs none of it."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'haulier.testing' has no attribute {name!r}")
    found: object = getattr(import_module(f"haulier.testing.{home}"), name)
    globals()[name] = found
    return found
