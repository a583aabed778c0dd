"""Recipes: a source file's streams, typed.

They read neither files nor the environment, so Python code may build them too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from haulier.api.answers.judgement import Rule
from haulier.api.body_format import PLAIN_JSON, BodyFormat
from haulier.api.jobs.job import Job
from haulier.api.paging.feed_pages import Feed
from haulier.api.paging.link_address import LinkBase, LinkOrigin
from haulier.api.paging.paginator import Paginator
from haulier.api.paging.totals import Total
from haulier.api.records.empty_forms import EMPTY_LIST_ONLY, EmptyForms
from haulier.api.records.paths import ROOT, check_path
from haulier.api.records.record_finder import LIST
from haulier.api.records.skipped_rows import Skip
from haulier.api.search.search import Search
from haulier.errors import UsageError
from haulier.items.bounds import Bounds
from haulier.sources.joined import Join
from haulier.sources.prefixes import Prefixes
from haulier.sources.written_ids import WrittenIds

Pairs = tuple[tuple[str, str], ...]
"""Query parameters or headers, in order; names may repeat."""

SETTLE = timedelta(seconds=120)
"""Twice the longest time for which an API is known to hide its newest records: Zendesk a minute, Logstash 30 s."""


ALL_AT_ONCE = timedelta.max
"""A step that is never reached: one window has all that is due."""


@dataclass(frozen=True)
class Lookup:
    """A request for one value, such as ``Lookup("/count", at="total")``.

    Raises `UsageError` unless either ``at`` or ``header`` is named.
    """

    path: str
    """Below the API's url."""
    at: str = ""
    """Dotted path of the value in the JSON body; ``.`` for all of it."""
    query: Pairs = field(default=(), repr=False)
    header: str = ""
    """Name of the header that holds the value, whatever the body is."""
    method: str = "GET"
    """``HEAD`` where the API sends the header with such a request alone."""

    def __post_init__(self) -> None:
        if self.method not in ("GET", "HEAD") or (self.method == "HEAD" and not self.header):
            raise UsageError(f"The method of a lookup is GET, or HEAD with a header, not {self.method!r}.")
        if bool(self.at) == bool(self.header):
            raise UsageError(f"A lookup reads one value of {self.path}: name its path in the body (at) or its header.")
        if self.at:
            check_path(self.at)


@dataclass(frozen=True)
class IdsRecipe:
    """Ranges from ``first`` to ``last``, both included; `{start}` and `{end}` in ``query`` tell the API a range."""

    last: int | Lookup
    step: int
    first: int | Lookup = 1
    query: Pairs = ()
    bounds: Bounds = field(default_factory=Bounds)
    written: WrittenIds = field(default_factory=WrittenIds)
    only_start: bool = False
    """The start alone names the whole item to the API."""
    may_be_empty: bool = False
    """An API without items gives a run without items. Else it is an error: mostly the query is wrong."""
    lookback: int = 0
    """IDs that an incremental run reads once more."""


@dataclass(frozen=True)
class WindowsRecipe:
    """Windows from ``start`` to ``end``, or to the run's snapshot time less ``settle``."""

    start: datetime | None = None
    """None: where the finished windows of earlier incremental runs begin."""
    step: timedelta = ALL_AT_ONCE
    end: datetime | None = None
    query: Pairs = ()
    bounds: Bounds = field(default_factory=Bounds)
    lookback: timedelta = timedelta()
    """Time that an incremental run reads once more."""
    settle: timedelta = SETTLE
    only_start: bool = False


@dataclass(frozen=True)
class ListLookup:
    """One value for each element, over all pages of a list."""

    path: str
    records: str
    pages: Paginator
    at: str = ROOT
    """Path in an element; the element itself by default."""
    query: Pairs = field(default=(), repr=False)
    shape: str = LIST
    format: BodyFormat = PLAIN_JSON

    @property
    def empty(self) -> EmptyForms:
        return EMPTY_LIST_ONLY


JOINED_VALUES = 50
"""As many as MediaWiki and many others take at once."""


@dataclass(frozen=True)
class ValuesRecipe:
    """One item for each value, such as a region; `{value}` in ``query`` tells it to the API."""

    values: tuple[str, ...] | ListLookup | Prefixes
    query: Pairs = ()
    are_numbers: bool = False
    """Sent as numbers in a JSON body."""
    may_be_empty: bool = False
    join: Join | None = None
    """Makes one item, and one request, of ``batch`` values."""
    batch: int = JOINED_VALUES


@dataclass(frozen=True)
class OnceRecipe:
    """One item with everything."""

    query: Pairs = ()


@dataclass(frozen=True)
class FeedRecipe:
    """A feed that each run goes on with where the one before ended."""

    feed: Feed
    begin: Pairs = ()
    """Query parameters of the request that begins the feed, and of no other."""
    begin_reads_all: bool = field(default=False, metadata={"shapes_records": False})
    """The request with ``begin`` reads all there is, so that a feed whose token has expired begins anew with it."""
    values: ValuesRecipe | None = None
    """One feed for each value; None: one feed."""

    @property
    def query(self) -> Pairs:
        return () if self.values is None else self.values.query


NewEnumeration = IdsRecipe | WindowsRecipe | FeedRecipe
Enumeration = NewEnumeration | ValuesRecipe | OnceRecipe

BATCH_PARENTS = 100
"""Parents of one item. With one, each request would cost an item, an object and two writes."""


@dataclass(frozen=True)
class ParentRecipe:
    """A stream is asked for with one request for each record of the parent."""

    stream: str
    batch: int = BATCH_PARENTS
    skips_absent: bool = False
    """A 404 or 410 of one parent means that it has nothing; else it is a failure."""
    join: Join | None = None
    """Makes one request of all parents of an item."""


@dataclass(frozen=True)
class StreamRecipe:
    name: str
    path: str
    records: str
    pages: Paginator
    full: Enumeration | None = None
    incremental: NewEnumeration | None = None
    shape: str = LIST
    """How records stand at their path."""
    format: BodyFormat = PLAIN_JSON
    method: str = "GET"
    query: Pairs = field(default=(), repr=False)
    json: Any = field(default=None, repr=False)
    """Or a `GraphQL` query."""
    form: Pairs | None = field(default=None, repr=False)
    """Fields of a form, in place of ``json``."""
    headers: Pairs = field(default=(), repr=False)
    empty: EmptyForms = EMPTY_LIST_ONLY
    """Forms of a page without records, besides an empty list."""
    skip: tuple[Skip, ...] = ()
    """Rows that are no records."""
    total: Total | None = None
    expect: Lookup | None = None
    key: tuple[str, ...] = ()
    """Paths that together tell a record from all others of a run."""
    add: Pairs = ()
    """Fields in front of each record's own bytes, with placeholders filled in."""
    parent: ParentRecipe | None = None
    """Takes the place of ``full``."""
    link_origin: LinkOrigin = ""
    """``own``: links of the parent's records are asked for at the API's own origin."""
    link_base: LinkBase = ""
    """``api``: their paths go behind the API's url."""
    job: Job | None = None
    """The request starts a job, and all else is about its result."""
    rules: tuple[Rule, ...] = ()
    """Apply ahead of the source's own rules."""
    search: Search | None = None
    """Takes the place of path, records, pages and total."""
    priority: int = 0
    """Streams with a higher one are planned first."""

    def enumeration(self, mode: str) -> Enumeration | None:
        """None where the stream has no part in runs of that mode."""
        return self.full if mode == "full" else self.incremental
