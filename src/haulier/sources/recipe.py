"""What a source file says of a stream, typed: everything that `sources.rest` needs to make items and pages.

Nothing here reads a file or the environment, so that Python code may build the same recipes by hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from haulier.api.answers.judgement import Rule
from haulier.api.paging.paginator import Paginator
from haulier.api.paging.totals import Total
from haulier.api.records.empty_forms import EMPTY_LIST_ONLY, EmptyForms
from haulier.api.records.paths import ROOT
from haulier.items.bounds import Bounds

Pairs = tuple[tuple[str, str], ...]
"""Query parameters or headers, in their order; a name may stand twice."""

SETTLE = timedelta(seconds=120)
"""APIs show their newest records late: Zendesk hides the last minute, Logstash keeps 30 s away. Twice the worst."""


@dataclass(frozen=True)
class Lookup:
    """A request that is answered with one value: at the dotted path ``at``, or in a header."""

    path: str
    at: str = ""
    query: Pairs = field(default=(), repr=False)
    header: str = ""


@dataclass(frozen=True)
class IdsRecipe:
    """Ranges of IDs: [first, last] in steps. ``query`` says how the API is told a range, by `{start}` and `{end}`."""

    last: int | Lookup
    step: int
    first: int | Lookup = 1
    query: Pairs = ()
    bounds: Bounds = field(default_factory=Bounds)
    only_start: bool = False
    """The API is told the start alone, which names the whole range."""
    may_be_empty: bool = False
    """An API that holds no item gives a run without items; else that is an error, since it is mostly a wrong query."""


@dataclass(frozen=True)
class WindowsRecipe:
    """Windows of time: from ``start`` to ``end``, or to the run's snapshot time less ``settle``, in steps."""

    start: datetime
    step: timedelta
    end: datetime | None = None
    query: Pairs = ()
    bounds: Bounds = field(default_factory=Bounds)
    lookback: timedelta = timedelta()
    settle: timedelta = SETTLE
    only_start: bool = False
    """The API is told the start alone, which names the whole window: a day of reports."""


@dataclass(frozen=True)
class ListLookup:
    """A list that is asked for, over as many pages as it has: one value for each of its elements."""

    path: str
    records: str
    pages: Paginator
    at: str = ROOT
    """Path of the value in an element; the element itself unless given."""
    query: Pairs = field(default=(), repr=False)


@dataclass(frozen=True)
class ValuesRecipe:
    """One item for each value of a list: a region, an account. ``query`` says how the API is told it, by `{value}`."""

    values: tuple[str, ...] | ListLookup
    query: Pairs = ()
    are_numbers: bool = False
    """Whether they are sent as numbers in a JSON body."""
    may_be_empty: bool = False


@dataclass(frozen=True)
class OnceRecipe:
    """One item that holds everything."""

    query: Pairs = ()


Enumeration = IdsRecipe | WindowsRecipe | ValuesRecipe | OnceRecipe

BATCH_PARENTS = 100
"""Parents of one item. One alone would make an item, an object and two writes of each request."""


@dataclass(frozen=True)
class ParentRecipe:
    """The stream whose records a stream is asked for by, each with a request of its own: the comments of each post."""

    stream: str
    batch: int = BATCH_PARENTS
    skips_absent: bool = False
    """A 404 or 410 of one parent means that it has nothing. Else it is a failure, as of any list."""


@dataclass(frozen=True)
class StreamRecipe:
    """One stream: the request that gets a page, where the records stand in it, and how a run is divided into items."""

    name: str
    path: str
    records: str
    pages: Paginator
    full: Enumeration | None = None
    incremental: WindowsRecipe | None = None
    method: str = "GET"
    query: Pairs = field(default=(), repr=False)
    json: Any = field(default=None, repr=False)
    headers: Pairs = field(default=(), repr=False)
    empty: EmptyForms = EMPTY_LIST_ONLY
    """What is a page without records besides an empty list."""
    total: Total | None = None
    expect: Lookup | None = None
    key: tuple[str, ...] = ()
    """Paths in a record that together tell it from every other one of a run."""
    add: Pairs = ()
    """Fields that are put in front of each record's own bytes, with placeholders filled in."""
    parent: ParentRecipe | None = None
    """In place of ``full``."""
    rules: tuple[Rule, ...] = ()
    """What answers mean to this stream, ahead of the source's own rules."""

    def enumeration(self, mode: str) -> Enumeration | None:
        """How a run of that mode is divided; None where the stream has no part in such a run."""
        return self.full if mode == "full" else self.incremental
