"""haulier hauls HTTP APIs into a data lake: in parallel, politely, and without losing a record.

These names are public; everything else may change from one version to the next. They are imported when they are first
used, so that ``import haulier`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [
    "Api",
    "ApiKey",
    "App",
    "Basic",
    "Bearer",
    "Bounds",
    "ClientCredentials",
    "Context",
    "Cursor",
    "Encoded",
    "HaulierError",
    "IdRange",
    "ItemError",
    "Offset",
    "Page",
    "Paginator",
    "Single",
    "TimeWindow",
    "Total",
    "UsageError",
    "WorkItem",
    "env",
    "id_ranges",
    "time_windows",
]

if TYPE_CHECKING:
    from haulier.api.http.urls import Encoded
    from haulier.api.identity.auth import ApiKey, Basic, Bearer, env
    from haulier.api.identity.oauth2 import ClientCredentials
    from haulier.api.paging.cursors import Cursor
    from haulier.api.paging.paginator import Paginator, Single
    from haulier.api.paging.positions import Offset
    from haulier.api.paging.totals import Total
    from haulier.api.records.page import Page
    from haulier.api.settings import Api
    from haulier.app.app import App
    from haulier.errors import HaulierError, ItemError, UsageError
    from haulier.items.bounds import Bounds
    from haulier.items.ranges import IdRange, id_ranges
    from haulier.items.windows import TimeWindow, time_windows
    from haulier.items.workitem import WorkItem
    from haulier.sources.context import Context

_HOMES = {
    "Api": "api.settings",
    "ApiKey": "api.identity.auth",
    "App": "app.app",
    "Basic": "api.identity.auth",
    "Bearer": "api.identity.auth",
    "Bounds": "items.bounds",
    "ClientCredentials": "api.identity.oauth2",
    "Context": "sources.context",
    "Cursor": "api.paging.cursors",
    "Encoded": "api.http.urls",
    "HaulierError": "errors",
    "IdRange": "items.ranges",
    "ItemError": "errors",
    "Offset": "api.paging.positions",
    "Page": "api.records.page",
    "Paginator": "api.paging.paginator",
    "Single": "api.paging.paginator",
    "TimeWindow": "items.windows",
    "Total": "api.paging.totals",
    "UsageError": "errors",
    "WorkItem": "items.workitem",
    "env": "api.identity.auth",
    "id_ranges": "items.ranges",
    "time_windows": "items.windows",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'haulier' has no attribute {name!r}")
    found: object = getattr(import_module(f"haulier.{home}"), name)
    globals()[name] = found
    return found
