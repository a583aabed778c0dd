"""A search as a source declares it."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Final

from haulier.errors import UsageError

MAX_SIZE: Final = 10_000
"""Most hits of one page that servers give unless told otherwise (`index.max_result_window`)."""
MAX_SLICES: Final = 32
"""Each holds a page or two in memory. (`index.max_slices_per_pit` of both servers is 1,024.)"""
HIT_FIELDS: Final = ("_id", "_index")
"""Fields of a hit that can be put in front of its document."""
UNITS: Final = ("s", "ms")

_KEEP_ALIVE: Final = re.compile(r"[1-9][0-9]{0,3}[sm]")
_NO_INDEX: Final = re.compile(r"[\s/\\?#\"<>|]")


@dataclass(frozen=True, slots=True)
class Search:
    """Documents of an index of Elasticsearch or OpenSearch: ``Search("clicks-*", time="@timestamp")``.

    ``ctx.api.search(search, item.window)`` reads those of a window. Raises `UsageError` for values that cannot work.
    """

    index: str
    """An index, data stream or alias, or a pattern; several with commas between them."""
    _: KW_ONLY
    time: str = ""
    """The field that windows are about. An index that is mapped without it is an error."""
    unit: str = ""
    """``s`` or ``ms`` where that field is a number; "" for the types ``date`` and ``date_nanos``."""
    query: Any = field(default=None, repr=False)
    """More conditions, in the query DSL. They filter, and score nothing."""
    add: tuple[str, ...] = ()
    """``_id`` and ``_index`` of a hit that are put in front of its document's own bytes."""
    size: int = field(default=5_000, metadata={"shapes_records": False})
    """Documents of a page, 10,000 at most; halved where they are too large. An item with no more is one request."""
    tie: str = field(default="", metadata={"shapes_records": False})
    """A field that is different in each document, to page by where the server has no ``_shard_doc``."""
    slices: int = field(default=1, metadata={"shapes_records": False})
    """Slices of a large item that are read at once, 32 at most."""
    keep_alive: str = field(default="1m", metadata={"shapes_records": False})
    """Time for which the server keeps a point in time after each page, such as ``30s``."""

    def __post_init__(self) -> None:
        if not self.index or _NO_INDEX.search(self.index) or self.index.startswith(("_", ",")):
            raise UsageError(f"The index of a search cannot be {self.index!r}. Write a name or a pattern: clicks-*")
        if self.unit and self.unit not in UNITS:
            raise UsageError(f"The unit of a search is {self.unit!r}. Write s or ms.")
        if self.unit and not self.time:
            raise UsageError("A search with a unit has no time. Write the field of the time, or leave out the unit.")
        wrong = next((name for name in self.add if name not in HIT_FIELDS), None)
        if wrong is not None or len(set(self.add)) < len(self.add):
            raise UsageError(
                f"A search can add {' and '.join(HIT_FIELDS)} of a hit, each once, not {wrong or self.add}."
            )
        if not 1 <= self.size <= MAX_SIZE:
            raise UsageError(f"The size of a search is {self.size}: write a whole number from 1 to {MAX_SIZE:,}.")
        if not 1 <= self.slices <= MAX_SLICES:
            raise UsageError(
                f"The slices of a search are {self.slices}: write a whole number from 1 to {MAX_SLICES:,}."
            )
        if not _KEEP_ALIVE.fullmatch(self.keep_alive):
            raise UsageError(
                f"The keep_alive of a search is {self.keep_alive!r}: write seconds or minutes, such as 1m."
            )


def keep_alive_seconds_of(search: Search) -> int:
    return int(search.keep_alive[:-1]) * (60 if search.keep_alive.endswith("m") else 1)


def names_clusters(search: Search) -> bool:
    """Indices of other clusters are named ``cluster:index``."""
    return ":" in search.index
