"""Hits of an answer: their documents as the bytes that were sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import msgspec
from msgspec import UNSET, Raw, UnsetType

from haulier.api.errors import Action, ApiError, BodyError, Shape
from haulier.api.records.added_fields import add_to_each
from haulier.api.records.page import Page, not_json_error, text_of
from haulier.api.records.slices import Bytes, Records
from haulier.api.records.surrogates import Hidden, hide
from haulier.api.search.clusters import Clusters, require_clusters

LOST_POINT: Final = "search_context_missing_exception"
"""The type of error by which both servers say that a point in time is gone."""


@dataclass(frozen=True, slots=True)
class HitPage:
    page: Page
    places: list[int]
    """A number for each document, from its index, ID and routing: equal for the same document."""
    total: int | None
    """Of the whole search; None where it was not counted to its end."""
    shards: int
    """That were asked. 0: no index has the name."""
    point: str
    """The newest ID of the point in time."""
    after: list[Raw]
    """Sort values of the last hit, to be sent back byte for byte."""

    def __len__(self) -> int:
        return len(self.places)


def read_hits(body: bytes, add: tuple[str, ...] = ()) -> HitPage:
    """Raises `BodyError` for an answer that is none, or lacks some of the shards or of the time that it needed."""
    body, hidden = text_of(body), None
    try:
        answer = _DECODER.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        if isinstance(error, msgspec.ValidationError):
            raise BodyError(f"the answer is none of a search: {error}") from error
        hidden = hide(body)
        if hidden is None:
            raise not_json_error(body, error) from error
        try:
            answer = _DECODER.decode(hidden.body)
        except (msgspec.DecodeError, RecursionError) as other:
            raise not_json_error(body, other) from other
    _require_whole(answer)
    hits = answer.hits.hits
    total = answer.hits.total
    return HitPage(
        page=_page_of(hits, add, hidden),
        places=[hash((hit.index, hit.id, hit.routing)) for hit in hits],
        total=total.value if total is not None and total.relation == "eq" else None,
        shards=answer.shards.total,
        point=answer.pit_id,
        after=_after(hits[-1], hidden) if hits else [],
    )


def _page_of(hits: list[_Hit], add: tuple[str, ...], hidden: Hidden | None) -> Page:
    documents = [hit.source for hit in hits]
    if any(document is UNSET for document in documents):
        raise ApiError(
            "A hit has no `_source`: its index does not keep the documents that it was given, so that there is nothing "
            "to pull. Name other indices.",
            action=Action.POISON,
            shape=Shape.RECORD,
        )
    slices = cast("list[Bytes]", documents)
    if hidden is not None:
        slices = [hidden.restore(memoryview(document)) for document in slices]
    if add:
        openings = [_fields_of(hit, add) for hit in hits]
        openings = openings if hidden is None else [*map(hidden.restore, openings)]
        slices = cast("list[Bytes]", add_to_each(slices, openings, add))
    return Page(Records(slices), added=add)


def _fields_of(hit: _Hit, add: tuple[str, ...]) -> bytes:
    values = {"_id": hit.id, "_index": hit.index}
    return msgspec.json.encode({name: values[name] for name in add})[:-1]


def _after(hit: _Hit, hidden: Hidden | None) -> list[Raw]:
    if hit.sort is UNSET:
        return []
    values = msgspec.json.decode(hit.sort, type=list[Raw])
    if hidden is None:
        # A view would keep the whole answer in memory until the next page is there.
        return [value.copy() for value in values]
    return [Raw(hidden.restore(memoryview(value))) for value in values]


def _require_whole(answer: _SearchAnswer) -> None:
    require_clusters(answer.clusters)
    if answer.timed_out:
        raise BodyError("the search ran out of time, and what it found is not all (timed_out)", Shape.NONE)
    if answer.shards.failed:
        causes = {failure.reason.type for failure in answer.shards.failures}
        if LOST_POINT in causes:
            raise LostPointError("some shards have lost the point in time")
        words = f" ({', '.join(sorted(filter(None, causes)))})" if any(causes) else ""
        raise BodyError(
            f"{answer.shards.failed} of {answer.shards.total} shards failed{words}", Shape.NONE, is_outage=True
        )


class LostPointError(ApiError):
    """A point in time is gone. A part of the item would lose its own as well, so it is not divided.

    To do: write a longer `keep_alive` in `search`.
    """

    def __init__(self, shown: str) -> None:
        super().__init__(
            f"{shown}. The item begins again with another one. If it happens each time, write a longer `keep_alive` in "
            "`search`.",
            action=Action.RESTART,
            shape=Shape.PAGING,
        )


class _Hit(msgspec.Struct, frozen=True, gc=False):
    index: str = msgspec.field(name="_index")
    id: str = msgspec.field(name="_id")
    routing: str = msgspec.field(default="", name="_routing")
    source: Raw | UnsetType = msgspec.field(default=UNSET, name="_source")
    sort: Raw | UnsetType = UNSET


class _Total(msgspec.Struct, frozen=True):
    value: int
    relation: str


class _Hits(msgspec.Struct, frozen=True):
    hits: list[_Hit]
    total: _Total | None = None


class _Cause(msgspec.Struct, frozen=True):
    type: str = ""


class _Failure(msgspec.Struct, frozen=True):
    reason: _Cause = _Cause()


class _Shards(msgspec.Struct, frozen=True):
    total: int
    failed: int
    failures: tuple[_Failure, ...] = ()


class _SearchAnswer(msgspec.Struct, frozen=True):
    hits: _Hits
    timed_out: bool
    shards: _Shards = msgspec.field(name="_shards")
    clusters: Clusters | None = msgspec.field(default=None, name="_clusters")
    pit_id: str = ""


_DECODER: Final = msgspec.json.Decoder(_SearchAnswer)
