"""One page of an item, fetched and measured; written nowhere."""

from __future__ import annotations

from contextlib import aclosing
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

import msgspec

from haulier.api.errors import Action, ApiError
from haulier.api.paging.form_body import FORM_TYPE
from haulier.api.records.first_page import FirstPage
from haulier.api.records.next_sign import asked_sizes
from haulier.api.requester import ClientFindings
from haulier.app.open_source import LiveSource
from haulier.cli.child_parts import child_parts
from haulier.cli.plan.enumeration import context_of, ids_of
from haulier.items.codec import decode_payload
from haulier.items.keys import item_key
from haulier.items.workitem import WorkItem
from haulier.lake.ndjson import LineCompressor, to_lines
from haulier.runs.records import PlannedItem
from haulier.sources.context import Context
from haulier.worker.dispatch import page_of

MOST_HALVINGS = 12
"""An item that the API calls too large is halved so often, until a part of it is answered."""
SAMPLED_PARENTS = 5
"""Parents of which a page of children is looked at: they differ more than pages of one list."""


class SampledPage(msgspec.Struct, frozen=True, kw_only=True):
    """The first page of a list, and what it says of the rest."""

    item: str
    """The key of the item that it is of."""
    records: int = 0
    total: int | None = None
    """Records of the whole list, as the API tells it."""
    is_total_exact: bool = False
    is_total_least: bool = False
    """There are so many or more."""
    has_more: bool = False
    is_only: bool = False
    """No list of this kind has another page."""
    is_known: bool = True
    """Whether a paging of haulier's told that. If not, it is the first piece of a processor's own, and nobody knows
    what comes behind it."""
    size: int = 0
    """Records of a full page: as many as came, where more follow; else as many as were asked for; 0 if nothing says."""
    most: int = 0
    """The larger of both, above which no page is."""
    extra_requests: int = 0
    """Behind the last record."""
    looks_behind_full_end: bool = False
    """One more, if the last page is full."""
    beside_requests: int = 0
    """Of a list of several pages, those that ask for none of them: a point in time is made and given back."""
    cap: int = 0
    """Items with more records are divided; 0: none is."""
    requests: int = 0
    body_bytes: int = 0
    wire_bytes: int = 0
    stored_bytes: int = 0
    """Its records in the lake, compressed by themselves."""
    more_bytes: float = 0.0
    """What each further record adds there: compression has seen its like by then."""
    seconds: float = 0.0
    """Of one request."""


@dataclass(frozen=True)
class SampledItem:
    page: SampledPage
    """Of an item that is divided: of the list of its parents."""
    ids: int | None = None
    """In its range of IDs."""
    halvings: int = 0
    """How often it was divided before it was answered."""
    pieces: int = 1
    """The page is of one of so many parts."""
    parents: int = 0
    """Of an item that is divided: on that page. Its items have one or several of them each."""
    children: int = 0
    """Items into which that page divides it."""
    child_items: tuple[SampledItem, ...] = ()
    """Of one parent each."""

    @property
    def pages(self) -> tuple[SampledPage, ...]:
        return self.page, *(page for child in self.child_items for page in child.pages)

    @property
    def leaf_pages(self) -> tuple[SampledPage, ...]:
        """Those whose records are the stream's."""
        if not self.children:
            return (self.page,)
        return tuple(page for child in self.child_items for page in child.leaf_pages)


async def sample_item(source: LiveSource, mode: str, moment: datetime, planned: PlannedItem) -> SampledItem:
    """Ask for one page of the item. If that divides the item, for one page each of some of the parts too."""
    ids, item = ids_of(planned), decode_payload(source.app.registry.get(planned.kind), bytes(planned.payload))
    page, children, halvings, pieces = await _answered(source, mode, moment, item)
    if not children:
        return SampledItem(page, ids, halvings, pieces)
    parents, found = await _parts(source, mode, moment, children, SAMPLED_PARENTS)
    return SampledItem(page, ids, halvings, pieces, parents, len(children), found)


async def _parts(
    source: LiveSource, mode: str, moment: datetime, children: list[WorkItem], most: int
) -> tuple[int, tuple[SampledItem, ...]]:
    """How many parents there are, and a page each of some of them; further down of fewer."""
    parents = [part for child in children for part in child_parts(source.app, child)]
    found = []
    for part in parents[:: max(1, len(parents) // most)][:most]:
        page, below = await _sample(source, context_of(source, mode, moment), part)
        count, items = await _parts(source, mode, moment, below, max(1, most // 2)) if below else (0, ())
        found.append(SampledItem(page, parents=count, children=len(below), child_items=items))
    return len(parents), tuple(found)


async def _answered(
    source: LiveSource, mode: str, moment: datetime, item: WorkItem
) -> tuple[SampledPage, list[WorkItem], int, int]:
    """The first page of the item or, where the API refuses it as too large, of a part; how often it was divided, and
    how many such parts there are."""
    pieces = 1
    for halvings in range(MOST_HALVINGS + 1):
        try:
            return *(await _sample(source, context_of(source, mode, moment), item)), halvings, pieces
        except ApiError as error:
            parts = source.app.divide(item) if error.action is Action.SPLIT else ()
            if not parts or halvings == MOST_HALVINGS:
                raise
            item, pieces = parts[0], pieces * len(parts)
    raise AssertionError("the last try returns or raises")


async def _sample(source: LiveSource, context: Context, item: WorkItem) -> tuple[SampledPage, list[WorkItem]]:
    counted, findings = source.timed_transport, source.client.findings
    before = copy(counted)
    context.api.most_pages, findings.first_page = 1, None
    children: list[WorkItem] = []
    records: list[bytes] = []
    try:
        async with aclosing(source.app.processors[type(item)](item, context)) as pieces:
            async for piece in pieces:
                if not isinstance(piece, WorkItem):
                    records = [bytes(record) for record in page_of(piece, item.kind).records]
                    break
                children.append(piece)
    except ApiError as error:
        if error.action is not Action.SPLIT or _told(findings) is None:
            raise
        # It has more records than the API hands out. The page itself was read.
    answers = counted.answers - before.answers
    told = _told(findings)
    first = told or FirstPage(len(records), None, has_more=False)
    asked, stored = _asked_size(context, first.records), _stored_bytes(records)
    page = SampledPage(
        item=item_key(item),
        records=first.records,
        total=first.total,
        is_total_exact=first.is_total_exact,
        is_total_least=first.is_total_least,
        has_more=first.has_more,
        is_only=first.is_only,
        is_known=told is not None or not records,
        size=first.records if first.has_more else asked,
        most=max(first.records, asked),
        extra_requests=first.extra_requests,
        looks_behind_full_end=first.looks_behind_full_end,
        beside_requests=first.beside_requests,
        cap=first.divide_above,
        requests=answers,
        body_bytes=counted.body_bytes - before.body_bytes,
        wire_bytes=counted.wire_bytes - before.wire_bytes,
        stored_bytes=stored,
        more_bytes=_more_bytes(records, stored),
        seconds=(counted.seconds - before.seconds) / answers if answers else 0.0,
    )
    return page, children


def _told(findings: ClientFindings) -> FirstPage | None:
    return findings.first_page


def _asked_size(context: Context, records: int) -> int:
    request = context.api.usage.last_request
    if request is None:
        return 0
    parameters = parse_qsl(urlsplit(request.url).query)
    if any(value.startswith(FORM_TYPE) for name, value in request.headers if name.lower() == "content-type"):
        parameters += parse_qsl(request.body.decode())
    sizes = asked_sizes(parameters, _decoded(request.body))
    return max((size for size in sizes if size >= records), default=0)


def _decoded(body: bytes) -> object:
    try:
        return msgspec.json.decode(body) if body else None
    except msgspec.DecodeError:
        return None


def _stored_bytes(records: list[bytes]) -> int:
    if not records:
        return 0
    compressor = LineCompressor()
    compressor.add(to_lines(records), len(records))
    return len(compressor.finish())


def _more_bytes(records: list[bytes], stored: int) -> float:
    half = len(records) // 2
    # Small regular records may take less together than half of them do.
    return max(0.0, stored - _stored_bytes(records[:half])) / (len(records) - half) if half else float(stored)
