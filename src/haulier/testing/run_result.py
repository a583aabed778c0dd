"""What a run in a test came to, all of it in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from haulier.items.workitem import WorkItem


@dataclass(frozen=True)
class RequestMade:
    """A request of a run in a test, in the order in which they were sent."""

    method: str
    target: str
    """Path and query, without a credential that is sent there."""
    status: int | None
    """None where there was no answer."""
    body: bytes = field(default=b"", repr=False)
    """What was sent with it; empty for a GET."""


@dataclass(frozen=True)
class PoisonedItem:
    """Why an item was poisoned, as `haulier poison show` tells it."""

    key: str
    reason: str
    """``failed``, ``poison`` (the API refuses it), ``cap``, ``undecodable``, ``unknown_kind`` or ``damaged``."""
    error: str
    """The last failure, in words."""
    error_class: str
    """The name of its class, such as ``ApiError`` or ``KeyError``."""
    status: int | None
    """The HTTP status; None where it is not about an answer."""
    traceback: str = field(default="", repr=False)
    excerpt: str = field(default="", repr=False)
    """How the answer begins, redacted."""


@dataclass(frozen=True)
class ItemResult:
    """How one item of a run in a test ended."""

    item: WorkItem
    key: str
    state: str
    """``done``, ``empty``, ``split`` (divided), ``poisoned`` or ``damaged``, as in the manifest."""
    lines: tuple[bytes, ...] = field(default=(), repr=False)
    """Its records as they stand in the lake: the API's own bytes, a line each."""
    parts: tuple[WorkItem, ...] = ()
    """The items that it was divided into."""
    poison: PoisonedItem | None = None
    """Why it was poisoned, if it was."""

    @property
    def records(self) -> list[Any]:
        """``lines``, decoded."""
        return [msgspec.json.decode(line) for line in self.lines]


@dataclass(frozen=True)
class RunResult:
    """What a run in a test came to. The lake that it wrote is gone, unless you gave one."""

    state: str
    """``complete`` or ``partial``."""
    reasons: dict[str, int]
    """Why it is partial: ``poison``, ``damaged``, ``count``."""
    items: tuple[ItemResult, ...] = field(repr=False)
    """Each item, in the order of the plan; the parts of one that was divided stand behind it."""
    requests: tuple[RequestMade, ...] = field(repr=False)
    """Each request to the API, repeats and those of the enumerator too."""
    expected: dict[str, tuple[int, int]]
    """By stream, the fewest and the most records that the API promised."""

    @property
    def lines(self) -> list[bytes]:
        """The records of all items as they stand in the lake: the API's own bytes, a line each."""
        return [line for item in self.items for line in item.lines]

    @property
    def records(self) -> list[Any]:
        """The records of all items, decoded."""
        return [record for item in self.items for record in item.records]

    @property
    def poison(self) -> list[PoisonedItem]:
        """Why items were poisoned, one for each."""
        return [item.poison for item in self.items if item.poison is not None]

    def records_of(self, stream: str) -> list[Any]:
        """The records of one stream, decoded."""
        return [record for item in self.items if item.item.stream == stream for record in item.records]
