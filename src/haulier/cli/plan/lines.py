"""A plan and its bill, for a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from haulier.cli.durations import duration_text
from haulier.cli.plan.actual import ActualRun
from haulier.cli.plan.bill import Bill, BillLine
from haulier.cli.plan.estimate import PlanEstimate
from haulier.cli.plan.stream_estimate import StreamEstimate
from haulier.cli.plan.uncertain import Uncertain
from haulier.plurals import count_of, were

_TIMED = {"run": "in the last run", "page": "measured alone", "nothing": "assumed"}
_UNITS = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("KB", 1e3))


def plan_lines(estimate: PlanEstimate, bill: Bill) -> Iterator[str]:
    """All of it, without the streams' due lines."""
    yield from _figure_lines(estimate)
    yield ""
    for stream in estimate.streams:
        yield from _stream_lines(stream)
    yield ""
    yield from bill_lines(bill)


def actual_lines(actual: ActualRun, bill: Bill) -> Iterator[str]:
    """What a run took, beside what it was said to take."""
    yield f"  run          {actual.run_id}, {actual.state.value}"
    divided = f"; {count_of(actual.divided, 'item')} {were(actual.divided)} divided" if actual.divided else ""
    yield f"  items        {actual.ended:,} of {actual.planned:,} ended with records or without{divided}"
    yield f"  requests     {shown(actual.requests)} for what is in the lake{_estimated_words(actual)}"
    if not actual.requests.is_exact:
        yield "               Those of divided, failed and poisoned items were not kept."
    yield f"  records      {actual.records:,}"
    yield f"  in the lake  {size_text(actual.stored_bytes)}, compressed"
    who = f"with {count_of(actual.workers, 'worker')}" if actual.workers else "and no worker brought a record"
    yield f"  time         {duration_text(actual.seconds)}, {who}"
    yield ""
    for stream in actual.streams:
        each = f", {duration_text(stream.seconds / stream.done)} an item with records" if stream.seconds else ""
        counts = f"{stream.requests:,} requests, {stream.records:,} records, {size_text(stream.stored_bytes)}"
        yield f"  {stream.stream}: {count_of(stream.items, 'item')}, {counts}{each}"
    yield ""
    yield from bill_lines(bill)


def _estimated_words(actual: ActualRun) -> str:
    found = actual.estimated
    return "" if found is None else f"; estimated {found.requests:,}, judging by {found.by}"


def _figure_lines(estimate: PlanEstimate) -> Iterator[str]:
    more = " and more: the enumeration goes on, and was read no further" if estimate.is_cut else ""
    again = f"; {count_of(estimate.repeated, 'equal item')} left out" if estimate.repeated else ""
    yield f"  items        {count_of(estimate.planned, 'item')} planned{more}{again}"
    if estimate.items.low != estimate.planned or not estimate.items.is_exact:
        yield f"               {shown(estimate.items)} to work, after division"
    other = f", {estimate.other_requests:,} of them to plan and to count" if estimate.other_requests else ""
    yield f"  requests     {shown(estimate.requests)}{other}"
    yield f"  records      {shown(estimate.records)}"
    yield f"  answers      {shown(estimate.read_bytes, size_text)}"
    yield f"  in the lake  {shown(estimate.stored_bytes, size_text)}, compressed"
    yield f"  time         {shown(estimate.duration.seconds, duration_text)}"
    each = f"{duration_text(estimate.request_seconds.likely)} each"
    measured = _TIMED[estimate.seconds_by]
    yield f"               {estimate.width.in_flight:,} in flight, {each} ({measured}); ruled by {estimate.duration.by}"
    most = estimate.max_requests
    if most is not None and estimate.planned > most:
        yield f"               max_requests is {most:,}: such a run is refused, and nothing of it enqueued"
    elif most is not None and estimate.requests.likely > most:
        yield f"               max_requests is {most:,}: the run would stop there, and not be complete"


def _count_words(figure: Uncertain, noun: str) -> str:
    return f"{shown(figure)} {noun}{'' if figure.is_exact and figure.likely == 1 else 's'}"


def _stream_lines(stream: StreamEstimate) -> Iterator[str]:
    figures = f"{_count_words(stream.requests, 'request')}, {_count_words(stream.records, 'record')}"
    yield f"  {stream.stream}: {count_of(stream.planned, 'item')}, {figures}"
    if stream.problem:
        yield f"    No page of it could be looked at: {stream.problem}"
    yield f"    judging by {stream.by}"


def bill_lines(bill: Bill) -> Iterator[str]:
    """The cost, line by line."""
    where = f"on Azure, {bill.region}, {bill.currency} at prices of {bill.date}"
    if bill.is_paid:
        yield f"  cost {where}"
    else:
        yield "  Queue and lake are files of this machine, and cost nothing. What the same run would cost"
        yield f"  {where}:"
    for line in bill.lines:
        yield _bill_line(line, bill)
    yield f"    {'in all':<16} {shown(bill.total, money)}"
    yield _bill_line(bill.storage, bill)
    yield "    Not counted: egress, logs, the image's registry, and what is free each month."


def _bill_line(line: BillLine, bill: Bill) -> str:
    of = f" of {count_of(bill.workers, 'worker')}" if line.what == "containers" else ""
    return f"    {line.what:<16} {shown(line.cost, money):<32} {_counted(line.count.likely)} {line.unit}{of}"


def shown(figure: Uncertain, text: Callable[[float], str] = lambda number: f"{round(number):,}") -> str:
    """Write ``340``, ``340 (337 to 404)``, ``at least 337`` or ``at least 337, likely 340``."""
    low, likely = text(figure.low), text(figure.likely)
    if figure.high is None:
        return f"at least {low}" if low == likely else f"at least {low}, likely {likely}"
    high = text(figure.high)
    return likely if low == high else f"{likely} ({low} to {high})"


def size_text(number: float) -> str:
    """Write ``1.2 GB``: powers of a thousand, as they are billed."""
    for unit, size in _UNITS:
        amount = float(f"{number / size:.3g}")
        if amount >= 1:
            return f"{amount:.3g} {unit}" if amount < 1_000 else f"{amount:,.0f} {unit}"
    return f"{number:.0f} bytes"


def money(amount: float) -> str:
    """Write two digits that count."""
    if amount >= 0.1 or amount == 0:
        return f"{amount:,.2f}"
    return f"{amount:.4f}" if amount >= 0.0001 else "below 0.0001"


def _counted(number: float) -> str:
    if number >= 10 or number == 0:
        return f"{number:,.0f}"
    return f"{number:.2g}" if number >= 0.0001 else "below 0.0001"
