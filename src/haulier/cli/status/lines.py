"""A look at a run in lines for people: a label of eight letters, and a fact."""

from __future__ import annotations

import math
from collections.abc import Iterable

from haulier.cli.api_state import api_lines, order_lines, state_lines
from haulier.cli.due_lines import again_lines
from haulier.cli.durations import duration_text
from haulier.cli.failures import failure_lines
from haulier.cli.pace import RunRate, eta_words
from haulier.cli.report import anew_lines, count_lines, shape_lines, unseen_lines
from haulier.cli.status.facts import OtherRun, QueueFacts, StatusFacts
from haulier.cli.status.worker_facts import worker_words
from haulier.plurals import count_of
from haulier.queues.seam import Holder
from haulier.runs.state import RunState
from haulier.runs.status import RunStatus


def status_lines(facts: StatusFacts) -> list[str]:
    """The state first."""
    return [heading(facts.status), *fact_lines(facts, facts.leases), *worker_lines(facts), *other_lines(facts)]


def fact_lines(facts: StatusFacts, leases: Iterable[Holder]) -> list[str]:
    """Of the run, its queue with these ``leases``, and its API: first of all what holds the run back."""
    status, lines = facts.status, []
    api = facts.api if facts.is_api_shown else None
    is_held_back = api is not None and api.state != "well"
    if status.state is not RunState.PLANNING:
        lines += _item_lines(status)
    if api is not None and is_held_back:
        lines += state_lines(api)
    lines += _pace_lines(facts)
    lines += failure_lines(facts.failures, is_complete=status.state is RunState.COMPLETE)
    if facts.poison_by_reason:
        lines.append(f"  poison   {_poison_words(facts.poison_by_reason, facts.poison_unread)}")
    if facts.queue is not None and not status.state.is_closed:
        lines.append(_queue_line(facts.queue))
        lines += map(_lease_line, leases)
    if status.reasons:
        lines.append("  because  " + ", ".join(f"{reason}: {count:,}" for reason, count in status.reasons.items()))
    lines += [f"  again    {line}" for line in again_lines(status.overlaps)]
    lines += [
        f"  {line}"
        for line in (
            *unseen_lines(status.unseen),
            *anew_lines(status.feeds_anew),
            *shape_lines(status.shapes),
            *count_lines(status),
        )
    ]
    lines += [f"  removed  {stream}, by haulier gc on {moment:%Y-%m-%d}" for stream, moment in status.removed.items()]
    if status.is_stranded:
        lines.append("  Items are missing from the queue: haulier work SOURCE sends them again.")
    if status.needs_api and not status.missing and all(worker.is_silent for worker in facts.workers):
        lines.append("  It is drained. Closing it needs the API: haulier work SOURCE closes it.")
    if api is not None:
        lines += order_lines(api) if is_held_back else api_lines(api)
    return lines


def worker_lines(facts: StatusFacts, most: int | None = None) -> list[str]:
    """Those that are silent or gone come first; of the rest no more than ``most`` in all."""
    if facts.status.state.is_closed:
        return []
    leases = {holder.name: holder.leases for holder in facts.leases}
    workers = sorted(facts.workers, key=lambda one: (not (one.is_silent or one.whereabouts == "gone"), one.name))
    lines = [f"  worker   {worker_words(worker, leases.get(worker.name))}" for worker in workers[:most]]
    left = len(workers) - len(lines)
    return [*lines, f"           and {count_of(left, 'more worker')}"] if left else lines


def other_lines(facts: StatusFacts) -> list[str]:
    return [_other_line(other) for other in facts.others]


def heading(status: RunStatus) -> str:
    return f"{status.run_id}: {status.state.value}{' (stranded)' if status.is_stranded else ''}"


def _item_lines(status: RunStatus) -> list[str]:
    others = {
        "empty": status.empty,
        "divided": status.split,
        "poisoned": status.poisoned,
        "discarded": status.discarded,
        "damaged": status.damaged,
        "unfinished": status.missing,
    }
    ended = "".join(f", {count:,} {name}" for name, count in others.items() if count)
    size = count_of(status.bytes, "byte")
    return [
        f"  items    {status.planned:,} planned: {status.done:,} done{ended}",
        f"  records  {status.records:,} in {size}, by {count_of(status.requests, 'request')}",
    ]


def _pace_lines(facts: StatusFacts) -> list[str]:
    lines = []
    if facts.rate is not None:
        lines.append(f"  rate     {_rate_words(facts.rate)}")
    if facts.eta is not None:
        lines.append(f"  left     {eta_words(facts.eta)}")
    if facts.latency is not None:
        half, late = facts.latency.p50_seconds, facts.latency.p95_seconds
        lines.append(f"  answers  half within {duration_text(half)}, 95 of 100 within {duration_text(late)}")
    return lines


def _rate_words(rate: RunRate) -> str:
    items = f"{rate.items_per_second:,.3g}" if rate.items_per_second < 100 else f"{rate.items_per_second:,.0f}"
    return f"{rate.records_per_second:,.0f} records/s, {items} items/s in the last {duration_text(rate.over_seconds)}"


def _poison_words(by_reason: dict[str, int], unread: int) -> str:
    words = [f"{count:,} {reason}" for reason, count in by_reason.items()]
    return ", ".join([*words, f"{unread:,} not looked at yet"] if unread else words)


def _queue_line(queue: QueueFacts) -> str:
    if queue.is_exact:
        return f"  queue    {queue.ready:,} ready, {queue.delayed:,} delayed, {queue.leased:,} leased"
    return f"  queue    about {count_of(queue.unsettled, 'message')}, ready, delayed or worked"


def _lease_line(holder: Holder) -> str:
    """Say who holds leases, and for how long they are waited for."""
    fate = {
        "here": "which is alive",
        "gone": "which has ended: free at once",
        "unknown": f"which cannot be seen from here: waited for up to {math.ceil(holder.seconds)} s",
    }
    return f"  leased   {count_of(holder.leases, 'item')} by {holder.name or 'a process'}, {fate[holder.whereabouts]}"


def _other_line(other: OtherRun) -> str:
    ended = f", {other.ended:,} of {count_of(other.planned, 'item')}, {count_of(other.records, 'record')}"
    return f"  also     {other.run_id}: {other.state}{ended if other.planned else ''}"
