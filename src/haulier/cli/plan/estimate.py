"""The estimate of a run that would start now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from haulier.api.scope.row import ScopeRow
from haulier.app.open_source import LiveSource
from haulier.cli.output import say
from haulier.cli.plan.api_bears import width_of
from haulier.cli.plan.duration import ASSUMED_SECONDS, RunDuration, Width, run_duration
from haulier.cli.plan.enumeration import Enumerated, PlannedStream, enumerate_items
from haulier.cli.plan.past import past_figures
from haulier.cli.plan.sample import SampledItem, sample_item
from haulier.cli.plan.span_sizes import growth
from haulier.cli.plan.stream_estimate import Known, StreamEstimate, estimate_stream, unbounded
from haulier.cli.plan.uncertain import Uncertain, between, exactly, sum_of
from haulier.errors import HaulierError, UsageError, sentence
from haulier.worker.trace import trace_of


@dataclass(frozen=True)
class PlanWish:
    """What is asked of a plan."""

    mode: str
    streams: tuple[str, ...]
    max_items: int
    samples: int
    """Items of each stream of which a page is looked at."""
    in_flight: int | None
    workers: int
    worker_cores: float


class PlanEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """Names stay, since ``plan --json`` prints them."""

    mode: str
    snapshot_time: datetime
    planned: int
    is_cut: bool
    """There are more items than were enumerated."""
    repeated: int
    streams: tuple[StreamEstimate, ...]
    other_requests: int
    """Of the enumeration, and for what the API promises, before and after."""
    items: Uncertain
    requests: Uncertain
    """Of all. Those that are sent again after a failure are not among them, unless the last run had such."""
    records: Uncertain
    read_bytes: Uncertain
    stored_bytes: Uncertain
    request_seconds: Uncertain
    seconds_by: Literal["run", "page", "nothing"]
    """What the time of a request is from: the last run; pages that were asked for alone; or it is assumed."""
    width: Width
    duration: RunDuration
    max_requests: int | None


@dataclass(frozen=True)
class Planned:
    enumerated: Enumerated
    estimate: PlanEstimate
    errors: tuple[HaulierError, ...]
    """Streams of which no page could be looked at."""


async def estimate_run(source: LiveSource, wish: PlanWish, row: ScopeRow | None) -> Planned:
    enumerated = await enumerate_items(source, wish.mode, wish.streams, wish.max_items)
    past = await past_figures(source.lake, source.app.name, wish.streams, wish.mode)
    errors: list[HaulierError] = []
    then = None if past is None else past.seal
    promised, asked = await _promised(source, wish, errors)
    streams: list[StreamEstimate] = []
    for planned in enumerated.streams:
        sampled, error = await _sampled(source, wish, planned, enumerated.snapshot_time)
        if error is not None:
            errors.append(error)
        problem = "" if error is None else source.client.redactor.redact(sentence(error))
        known = Known(
            past,
            promised.get(planned.stream),
            is_increment=wish.mode == "incremental",
            growth=None if then is None else growth(enumerated.seal, then, planned.stream),
        )
        found = estimate_stream(planned, sampled, known, problem)
        streams.append(unbounded(found) if enumerated.is_cut else found)
    estimate = _added_up(source, wish, row, enumerated, streams, asked)
    return Planned(enumerated, estimate, tuple(errors))


async def _promised(source: LiveSource, wish: PlanWish, errors: list[HaulierError]) -> tuple[Mapping[str, int], int]:
    """What the API promises by stream, and the requests that a run sends for it: before and after."""
    ask, before = source.app.expect_of(wish.mode, wish.streams), source.timed_transport.answers
    if ask is None:
        return {}, 0
    try:
        found = await ask(source.client.session())
    except HaulierError as error:
        errors.append(error)
        say(f"  The API does not say how many records it promises: {source.client.redactor.redact(sentence(error))}")
        found = {}
    return found, 2 * max(1, source.timed_transport.answers - before)


async def _sampled(
    source: LiveSource, wish: PlanWish, planned: PlannedStream, moment: datetime
) -> tuple[list[SampledItem], HaulierError | None]:
    """As many as could be looked at before one failed. A failure of one stream leaves the others."""
    found: list[SampledItem] = []
    for item in planned.chosen(wish.samples):
        try:
            found.append(await sample_item(source, wish.mode, moment, item))
        except HaulierError as error:
            return found, error
        except Exception as error:  # noqa: BLE001 - the item boundary, as a worker has it
            say(source.client.redactor.redact(trace_of(error)).rstrip())
            return found, UsageError(f"The processor of kind {item.kind!r} raised {type(error).__name__}: {error}")
    return found, None


def _added_up(
    source: LiveSource,
    wish: PlanWish,
    row: ScopeRow | None,
    enumerated: Enumerated,
    streams: list[StreamEstimate],
    asked: int,
) -> PlanEstimate:
    other = enumerated.requests + asked
    items = sum_of(stream.items for stream in streams)
    requests = sum_of(stream.requests for stream in streams) + exactly(other)
    read_bytes = sum_of(stream.read_bytes for stream in streams)
    seconds = _request_seconds(streams)
    side_by_side = source.app.recipes.parallel_streams if source.app.recipes is not None else set()
    at_once = sum(
        stream.requests.likely if stream.stream in side_by_side else stream.items.likely for stream in streams
    )
    mean, width = seconds or exactly(ASSUMED_SECONDS), width_of(source, row, wish.in_flight, at_once)
    api, is_of_run = source.app.api, all(stream.are_seconds_of_run for stream in streams if stream.planned)
    by: Literal["run", "page", "nothing"] = "nothing" if seconds is None else "run" if is_of_run else "page"
    return PlanEstimate(
        mode=wish.mode,
        snapshot_time=enumerated.snapshot_time,
        planned=enumerated.items,
        is_cut=enumerated.is_cut,
        repeated=enumerated.seal.repeated,
        streams=tuple(streams),
        other_requests=other,
        items=items,
        requests=requests,
        records=sum_of(stream.records for stream in streams),
        read_bytes=read_bytes,
        stored_bytes=sum_of(stream.stored_bytes for stream in streams),
        request_seconds=mean,
        seconds_by=by,
        width=width,
        duration=run_duration(
            requests,
            mean,
            width,
            api.rates,
            read_bytes=read_bytes,
            cores=wish.workers * wish.worker_cores,
            is_measured_at_work=by == "run",
        ),
        max_requests=api.max_requests,
    )


def _request_seconds(streams: list[StreamEstimate]) -> Uncertain | None:
    """The mean of the streams, by their requests."""
    timed = [(stream, stream.request_seconds) for stream in streams if stream.request_seconds is not None]
    weight = sum(stream.requests.likely for stream, _ in timed)
    if not timed or not weight:
        return None
    return between(
        min(seconds.low for _, seconds in timed),
        sum(stream.requests.likely * seconds.likely for stream, seconds in timed) / weight,
        max(seconds.likely if seconds.high is None else seconds.high for _, seconds in timed),
    )
