"""haulier hauls HTTP APIs into a data lake: in parallel, politely, and without losing a record.

The names below are public; everything else may change from one version to the next. They are imported when they are
first used, so that ``import haulier`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [  # noqa: RUF022 - in groups
    # The source, and the API behind it
    "App",
    "Api",
    "Tls",
    "Rule",
    "Action",
    "Lookup",
    # Credentials
    "ApiKey",
    "Auth",
    "AwsSignature",
    "Basic",
    "Bearer",
    "Digest",
    "Login",
    "ClientCredentials",
    "RefreshToken",
    "JwtBearer",
    "Jwt",
    "Secret",
    "env",
    # Work items, and what they are divided by
    "WorkItem",
    "IdRange",
    "id_ranges",
    "TimeWindow",
    "time_windows",
    "day_windows",
    "FeedStart",
    "due_ids",
    "due_windows",
    "Bounds",
    # In a processor
    "Context",
    "RunInfo",
    "Finished",
    "ItemApi",
    "Encoded",
    "GraphQL",
    "Link",
    "Page",
    "Response",
    "Search",
    # From one page to the next
    "Continuation",
    "Cursor",
    "Key",
    "LinkHeader",
    "LinkList",
    "NextUrl",
    "OData",
    "Offset",
    "PageNumber",
    "Seek",
    "Single",
    "Total",
    "Guard",
    "BodyFormat",
    "Skip",
    "Job",
    "JobRequest",
    # A kind of paging of one's own
    "Paginator",
    "PageRequest",
    "PageAnswer",
    # Errors
    "HaulierError",
    "UsageError",
    "ItemError",
    "ApiError",
    "BodyError",
    "PagingError",
    "Fault",
]

if TYPE_CHECKING:
    from haulier.api.answers.judgement import Rule
    from haulier.api.body_format import BodyFormat
    from haulier.api.errors import Action, ApiError, BodyError, Fault, PagingError
    from haulier.api.http.transport import Response
    from haulier.api.http.urls import Encoded, Link
    from haulier.api.identity.auth import ApiKey, Auth, Basic, Bearer, Secret, env
    from haulier.api.identity.digest import Digest
    from haulier.api.identity.jwt_bearer import Jwt, JwtBearer
    from haulier.api.identity.login import Login
    from haulier.api.identity.oauth2 import ClientCredentials
    from haulier.api.identity.refresh_token import RefreshToken
    from haulier.api.identity.sigv4 import AwsSignature
    from haulier.api.identity.tls import Tls
    from haulier.api.jobs.job import Job, JobRequest
    from haulier.api.paging.continuation import Continuation
    from haulier.api.paging.cursors import Cursor, Key, Seek
    from haulier.api.paging.graphql import GraphQL
    from haulier.api.paging.link_list import LinkList
    from haulier.api.paging.links import LinkHeader, NextUrl, OData
    from haulier.api.paging.paginator import PageAnswer, PageRequest, Paginator, Single
    from haulier.api.paging.positions import Offset, PageNumber
    from haulier.api.paging.totals import Guard, Total
    from haulier.api.records.page import Page
    from haulier.api.records.skipped_rows import Skip
    from haulier.api.search.search import Search
    from haulier.api.session import ItemApi
    from haulier.api.settings import Api
    from haulier.app.app import App
    from haulier.errors import HaulierError, ItemError, UsageError
    from haulier.items.bounds import Bounds
    from haulier.items.due import due_ids, due_windows
    from haulier.items.feed_start import FeedStart
    from haulier.items.ranges import IdRange, id_ranges
    from haulier.items.windows import TimeWindow, day_windows, time_windows
    from haulier.items.workitem import WorkItem
    from haulier.sources.context import Context, RunInfo
    from haulier.sources.finished import Finished
    from haulier.sources.recipe import Lookup

_HOMES = {
    "Action": "api.errors",
    "Api": "api.settings",
    "ApiError": "api.errors",
    "ApiKey": "api.identity.auth",
    "App": "app.app",
    "Auth": "api.identity.auth",
    "AwsSignature": "api.identity.sigv4",
    "Basic": "api.identity.auth",
    "Bearer": "api.identity.auth",
    "BodyError": "api.errors",
    "BodyFormat": "api.body_format",
    "Bounds": "items.bounds",
    "ClientCredentials": "api.identity.oauth2",
    "Context": "sources.context",
    "Cursor": "api.paging.cursors",
    "Digest": "api.identity.digest",
    "Encoded": "api.http.urls",
    "Fault": "api.errors",
    "FeedStart": "items.feed_start",
    "Finished": "sources.finished",
    "Guard": "api.paging.totals",
    "HaulierError": "errors",
    "IdRange": "items.ranges",
    "ItemApi": "api.session",
    "ItemError": "errors",
    "Jwt": "api.identity.jwt_bearer",
    "JwtBearer": "api.identity.jwt_bearer",
    "Job": "api.jobs.job",
    "JobRequest": "api.jobs.job",
    "Key": "api.paging.cursors",
    "Continuation": "api.paging.continuation",
    "Link": "api.http.urls",
    "LinkHeader": "api.paging.links",
    "LinkList": "api.paging.link_list",
    "Login": "api.identity.login",
    "Lookup": "sources.recipe",
    "NextUrl": "api.paging.links",
    "OData": "api.paging.links",
    "Offset": "api.paging.positions",
    "Page": "api.records.page",
    "PageAnswer": "api.paging.paginator",
    "PageNumber": "api.paging.positions",
    "PageRequest": "api.paging.paginator",
    "Paginator": "api.paging.paginator",
    "PagingError": "api.errors",
    "RefreshToken": "api.identity.refresh_token",
    "Response": "api.http.transport",
    "Rule": "api.answers.judgement",
    "RunInfo": "sources.context",
    "Search": "api.search.search",
    "Secret": "api.identity.auth",
    "Seek": "api.paging.cursors",
    "GraphQL": "api.paging.graphql",
    "Single": "api.paging.paginator",
    "Skip": "api.records.skipped_rows",
    "TimeWindow": "items.windows",
    "Tls": "api.identity.tls",
    "Total": "api.paging.totals",
    "UsageError": "errors",
    "WorkItem": "items.workitem",
    "day_windows": "items.windows",
    "due_ids": "items.due",
    "due_windows": "items.due",
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


def __dir__() -> list[str]:
    """The public names, though none may be imported yet: what a REPL completes."""
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
