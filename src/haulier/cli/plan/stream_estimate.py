"""What one stream takes: by a page of some items, or by the receipts of the last run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from haulier.cli.plan.enumeration import PlannedStream
from haulier.cli.plan.list_size import leaves, list_records, list_requests
from haulier.cli.plan.past import PastFigures
from haulier.cli.plan.sample import SampledItem, SampledPage
from haulier.cli.plan.uncertain import NOTHING, Uncertain, at_least, between, exactly, sum_of
from haulier.plurals import count_of

LEAST_ITEMS = 5
"""Ended items of the last run, below which their mean tells no range."""
MOST_GROWTH = 2.0
"""Part by which the items may be larger or smaller than those of the last run, and their mean still tell a range."""
LEAST_DEVIATION = 0.05
"""Part by which a run may always differ from the one before: records are added, and requests are retried."""
_OTHER_PAGES = Uncertain(low=0.75, likely=1.0, high=1.25)
"""Bytes of a record on other pages, beside those on the pages that were looked at. Assumed."""


class StreamEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """Names stay, since ``plan --json`` prints them."""

    stream: str
    planned: int
    """Items of the plan."""
    items: Uncertain
    """Items that are worked to their end: those into which planned ones are divided, and the others."""
    requests: Uncertain
    records: Uncertain
    read_bytes: Uncertain
    """Bodies of answers, decoded."""
    stored_bytes: Uncertain
    """In the lake, compressed."""
    request_seconds: Uncertain | None = None
    are_seconds_of_run: bool = False
    """Of the last run, which had as many in flight; else of a page that was asked for alone."""
    by: str
    """What it was estimated from, in words."""
    problem: str = ""
    """Why no page of it could be looked at."""


@dataclass(frozen=True)
class Known:
    """What is known of a stream besides its items and their pages."""

    past: PastFigures | None = None
    promised: int | None = None
    is_increment: bool = False
    """Its items may be of another size each time. Those of a full run are taken to be as large as they were."""
    growth: float | None = None
    """Of an increment: how many times as much all its items read as those of the last run did. None: it is not
    known."""

    def size_of_item(self, planned: int, before: int) -> float | None:
        """How large an item is, beside those of the last run."""
        if not self.is_increment:
            return 1.0
        return None if self.growth is None else self.growth * before / planned


def estimate_stream(
    planned: PlannedStream, sampled: Sequence[SampledItem], known: Known, problem: str = ""
) -> StreamEstimate:
    """An exact total of every item beats the last run, which beats one page of some of the items."""
    promised = known.promised
    by_page = _by_page(planned, sampled, promised, problem) if sampled else None
    if by_page is not None and by_page.requests.is_exact:
        return by_page
    found = None if known.past is None else _by_run(planned, sampled, known.past, problem, known)
    if found is None:
        return by_page or _by_nothing(planned, promised, problem)
    if by_page is not None:  # What is certain now bounds what was then.
        requests = found.requests.at_least(by_page.requests.low).at_most(by_page.requests.high)
        records = found.records.at_least(by_page.records.low).at_most(by_page.records.high)
        read, stored = by_page.read_bytes.low, by_page.stored_bytes.low
        found = msgspec.structs.replace(
            found,
            requests=requests,
            records=records,
            read_bytes=found.read_bytes.at_least(read),
            stored_bytes=found.stored_bytes.at_least(stored),
        )
    return found if promised is None else msgspec.structs.replace(found, records=exactly(promised))


def unbounded(stream: StreamEstimate) -> StreamEstimate:
    """The same where there are more items than were enumerated, of whatever stream."""
    figures = ("items", "requests", "records", "read_bytes", "stored_bytes")
    found: dict[str, Uncertain] = {name: getattr(stream, name) for name in figures}
    return msgspec.structs.replace(stream, **{name: at_least(it.low, it.likely) for name, it in found.items()})


def _by_nothing(planned: PlannedStream, promised: int | None, problem: str) -> StreamEstimate:
    some = at_least(0) if planned.items else NOTHING
    records = exactly(promised) if planned.items and promised is not None else some
    return StreamEstimate(
        stream=planned.stream,
        planned=planned.items,
        items=some.at_least(planned.items),
        requests=some.at_least(planned.items),
        records=records,
        read_bytes=some,
        stored_bytes=some,
        by="no page: each item takes at least one request" if planned.items else "the plan, which has none of it",
        problem=problem,
    )


def _by_page(
    planned: PlannedStream, sampled: Sequence[SampledItem], promised: int | None, problem: str
) -> StreamEstimate:
    count, pages, ids = planned.items, [item.page for item in sampled], _ids(planned, sampled)
    is_divided = any(item.children for item in sampled)
    may_divide = is_divided or any(item.page.cap or item.halvings for item in sampled)
    items = _scaled(count, [_items(item) for item in sampled]) if may_divide else exactly(count)
    requests = _scaled(count, [_requests(item) for item in sampled])
    records = _scaled(count, [_records(item) for item in sampled])
    if promised is not None:
        records = exactly(promised)
    elif ids is not None and not is_divided:
        records = _of_ids(records, ids, pages)
    if count > len(sampled) and not is_divided and not any(item.halvings for item in sampled):
        requests = _bounded(requests, count, pages, promised, ids)
    leaf_pages = [page for item in sampled for page in item.leaf_pages]
    return StreamEstimate(
        stream=planned.stream,
        planned=count,
        items=items,
        requests=requests,
        records=records,
        read_bytes=_read_bytes(requests, records, leaf_pages),
        stored_bytes=_stored_bytes(items, records, leaf_pages),
        request_seconds=_seconds([page for item in sampled for page in item.pages]),
        by=_words(sampled, count),
        problem=problem,
    )


def _by_run(
    planned: PlannedStream, sampled: Sequence[SampledItem], past: PastFigures, problem: str, known: Known
) -> StreamEstimate | None:
    """None where that run had no such items."""
    kinds = past.of_stream(planned.stream)
    roots = {kind: figures for kind, figures in kinds.items() if kind in planned.kinds}
    # Items of other kinds came from division; where there are none, halves of items have their kind.
    halves = 0 if len(kinds) > len(roots) else 2
    before = sum(figures.entries - halves * figures.split for figures in roots.values())
    ended = sum(figures.done + figures.empty for figures in kinds.values())
    if not planned.items or before <= 0 or not ended:
        return None
    items = planned.items / before * ended
    figures, size = kinds.values(), known.size_of_item(planned.items, before)
    each = 1.0 if size is None else size
    share = planned.items / before * each
    """Of what that run took."""
    leaf_pages = [page for item in sampled for page in item.leaf_pages]
    records = sum(one.records for one in figures) * share
    requests = sum(one.requests for one in figures) * share
    is_alike = size is not None and 1 / MOST_GROWTH <= size <= MOST_GROWTH
    if not is_alike and (most := max((page.size for page in leaf_pages), default=0)):
        # Pages that were not full hold more of larger items.
        tail = max(page.extra_requests for page in leaf_pages)
        requests = min(requests, items * (max(1, math.ceil(records / items / most)) + tail))
    spread = max(one.spread for one in figures) * each
    # Two standard errors of the mean, times the items.
    deviation = max(2 * spread * items / math.sqrt(ended) / requests, LEAST_DEVIATION)
    is_bounded = is_alike and ended >= LEAST_ITEMS

    def about(figure: float) -> Uncertain:
        low, high = max(0.0, figure * (1 - deviation)), figure * (1 + deviation)
        return between(low, figure, high) if is_bounded else at_least(0, figure)

    def counted(figure: float) -> Uncertain:
        """A number of things is whole."""
        found = about(figure)
        return Uncertain(
            low=math.floor(found.low), likely=found.likely, high=None if found.high is None else math.ceil(found.high)
        )

    stored = sum(one.bytes for one in figures) * share
    timed = sum(one.timed_requests for one in figures)
    seconds = sum(one.seconds for one in figures) / timed if timed else 0.0
    unpacked = _unpacked(leaf_pages)
    times = f"{each:,.0f}" if each >= 10 else f"{each:.2g}"
    larger = f"; an item reads {times} times as much now" if not 0.95 <= each <= 1.05 else ""
    return StreamEstimate(
        stream=planned.stream,
        planned=planned.items,
        items=counted(items) if any(one.split for one in figures) else exactly(planned.items),
        requests=counted(requests).at_least(planned.items),
        records=counted(records),
        read_bytes=about(stored * unpacked) if unpacked else at_least(about(stored).low, stored),
        stored_bytes=about(stored),
        request_seconds=_with_past(_seconds([item.page for item in sampled]), seconds),
        are_seconds_of_run=seconds > 0,
        by=f"run {past.run_id}, in which {count_of(ended, 'item')} of it ended{larger}",
        problem=problem,
    )


def _items(item: SampledItem) -> Uncertain:
    found = _parents(item) * (item.children / item.parents) if item.children else leaves(item.page)
    if below := [child.children for child in item.child_items if child.children]:
        # What a batch of parents is divided into is known of single parents only.
        found = Uncertain(low=0, likely=found.likely * sum(below) / len(below), high=None)
    return _of_parts(item, found, 0)


def _requests(item: SampledItem) -> Uncertain:
    found = list_requests(item.page)
    if item.children:
        each = _mean([_requests(child) for child in item.child_items])
        found += _parents(item) * Uncertain(low=1, likely=each.likely, high=None)
    return _of_parts(item, found, 1)


def _records(item: SampledItem) -> Uncertain:
    found = list_records(item.page)
    if item.children:
        each = _mean([_records(child) for child in item.child_items])
        found = _parents(item) * Uncertain(low=0, likely=each.likely, high=None)
    return _of_parts(item, found, 0)


def _of_parts(item: SampledItem, found: Uncertain, each: int) -> Uncertain:
    """For the whole item, of a part of it: every half of a half is taken to be like it. ``each``: what it takes to
    learn that one is too large."""
    if not item.halvings:
        return found
    parts = item.pieces
    return at_least(found.low + each * item.halvings, found.likely * parts + each * (parts - 1))


def _parents(item: SampledItem) -> Uncertain:
    """Records of a list of parents may be parents twice, be on further pages, or be asked for several at once."""
    each = item.parents / item.page.records if item.page.records else 1.0
    return at_least(item.parents, max(item.parents, list_records(item.page).likely * each))


def _scaled(count: int, each: Sequence[Uncertain]) -> Uncertain:
    """The figures of some of ``count`` items, for all of them. Nothing bounds those that were not looked at."""
    if count <= len(each):
        return sum_of(each)
    own, others = sum_of(each), count - len(each)
    return own + Uncertain(low=0, likely=_mean(each).likely * others, high=None)


def _mean(each: Sequence[Uncertain]) -> Uncertain:
    return sum_of(each) * (1 / len(each)) if each else NOTHING


def _ids(planned: PlannedStream, sampled: Sequence[SampledItem]) -> int | None:
    """IDs of all items together, if an ID has one record at most: not where an item has more records than IDs."""
    lists = [(item.ids, max(item.page.records, item.page.total or 0)) for item in sampled]
    return None if any(ids is None or records > ids for ids, records in lists) else planned.ids


def _bounded(
    requests: Uncertain, count: int, pages: Sequence[SampledPage], promised: int | None, ids: int | None
) -> Uncertain:
    """Each item takes a request; and full pages, of the records that are promised, or of the IDs there are at most."""
    if all(page.is_only and not page.cap for page in pages):
        return exactly(count)
    tail = max(page.extra_requests for page in pages)
    size, most = max(page.size for page in pages), max(page.most for page in pages)
    least = requests.low + count - len(pages)
    if not size:
        return requests.at_least(least)
    if promised is not None:
        likely = count * (max(1, math.ceil(promised / count / size)) + tail)
        found = between(max(least, math.ceil(promised / most)), likely, promised // size + count * (1 + tail))
        return found if not any(page.cap for page in pages) else at_least(found.low, found.likely)
    if ids is None or any(page.cap for page in pages):
        return requests.at_least(least)
    most = ids // size + count * (1 + tail)
    if _goes_on(pages):
        return between(least, min(most, count * (math.ceil(ids / count / size) + tail)), most)
    return requests.at_least(least).at_most(most)


def _goes_on(pages: Sequence[SampledPage]) -> bool:
    """Whether nobody knows where a list ends. If it is of a range of IDs, they are taken for dense."""
    return any(page.has_more and page.total is None for page in pages)


def _of_ids(records: Uncertain, ids: int, pages: Sequence[SampledPage]) -> Uncertain:
    return between(records.low, ids, ids) if _goes_on(pages) else records.at_most(ids)


def _read_bytes(requests: Uncertain, records: Uncertain, pages: Sequence[SampledPage]) -> Uncertain:
    """By the record, where the pages had some; else by the request, if no other page has any either."""
    size = sum(page.body_bytes for page in pages)
    if count := sum(page.records for page in pages):
        return records * (size / count) * _other_pages(records, count)
    found = requests * (size / len(pages)) if pages else at_least(0)
    return found if records.high == 0 else at_least(min(size, found.low), found.likely)


def _stored_bytes(items: Uncertain, records: Uncertain, pages: Sequence[SampledPage]) -> Uncertain:
    """What each object takes by itself, and each record in it."""
    count = sum(page.records for page in pages)
    if not count:
        return NOTHING if records.high == 0 else at_least(0)
    each = sum(page.more_bytes * page.records for page in pages) / count
    around = max(0.0, sum(page.stored_bytes - page.more_bytes * page.records for page in pages) / len(pages))
    return (items * around + records * each) * _other_pages(records, count)


def _other_pages(records: Uncertain, count: int) -> Uncertain:
    return exactly(1) if records.is_exact and records.likely == count else _OTHER_PAGES


def _unpacked(pages: Sequence[SampledPage]) -> float:
    stored = sum(page.stored_bytes for page in pages)
    return sum(page.body_bytes for page in pages) / stored if stored else 0.0


def _seconds(pages: Sequence[SampledPage]) -> Uncertain | None:
    times = [page.seconds for page in pages if page.seconds]
    return between(min(times), sum(times) / len(times), max(times)) if times else None


def _with_past(measured: Uncertain | None, seconds: float) -> Uncertain | None:
    """An item's time has its waits and its publication too."""
    if not seconds:
        return measured
    return exactly(seconds) if measured is None else between(min(measured.low, seconds), seconds, measured.high)


def _words(sampled: Sequence[SampledItem], count: int) -> str:
    first = sampled[0].page
    if len(sampled) > 1:
        words = f"a page each of {len(sampled):,} of {count_of(count, 'item')}"
    else:
        words = f"one page of {'its item' if count == 1 else f'{first.item}, one of {count:,} items'}"
        if first.is_total_exact and first.total is not None:
            words += f", which has {count_of(first.total, 'record')} in all"
    if sampled[0].halvings:
        words += f", which the API calls too large, and of a part of it, one of {sampled[0].pieces:,}"
    if any(item.children for item in sampled):
        words += ", and of an item into which it is divided"
    return words
