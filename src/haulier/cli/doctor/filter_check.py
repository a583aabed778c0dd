"""Whether an API keeps to the filter of a stream. One that ignores it hands out everything for each item."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from haulier.api.errors import Action, ApiError
from haulier.app.open_source import LiveSource
from haulier.cli.doctor.answers import AnswerLog
from haulier.cli.doctor.finding import Finding, FoundState
from haulier.cli.doctor.first_page import PageFound, context_of, first_page
from haulier.cli.doctor.sample import Sample, before, beyond, smallest, span_in
from haulier.errors import ItemError
from haulier.items.ranges import IdRange
from haulier.items.workitem import WorkItem
from haulier.plurals import count_of

_STOPPING = frozenset({Action.PAUSE, Action.OUTAGE, Action.AUTH, Action.CONFIG})
"""Refusals that are about every request."""
_REMEDY = (
    "Look up how the API calls this filter, and correct the query of the stream: else each item brings what belongs to "
    "others."
)

_EMPTY_REMEDY = (
    "If the API holds records there, correct the query of the stream, or how `bounds` writes the ends: some APIs find "
    "nothing by a filter that they do not understand."
)


@dataclass(frozen=True)
class Answer:
    page: PageFound
    parameters: dict[str, str]
    """Of the request, by name."""


class FilterCheck:
    """Asks for items that can hold nothing, one request each: one beyond all others shows that the lower bound is kept,
    one before all others the upper bound. The latter is asked for only where a small part of an item begins as the
    whole one does."""

    def __init__(self, source: LiveSource, log: AnswerLog, mode: str, subject: str) -> None:
        self._source = source
        self._log = log
        self._mode = mode
        self._subject = subject

    async def find(self, sample: Sample, first: Answer) -> Finding | None:
        """None where the items of the stream differ in nothing that the API is told."""
        far = beyond(sample.first, self._source.clock.now(), sample.highest_id)
        if far is None:
            return None if sample.second is None else await self._compare(first, sample.second)
        try:
            return await self._of_lower(sample, first, far) or await self._of_upper(sample, first, far)
        except ApiError as error:
            if error.action in _STOPPING:
                raise
            text = f"Items that can hold nothing are refused, so that nothing can be told of the filter. {error}"
            return self._finding("warning", text)
        except ItemError:
            # An ID so high cannot be written.
            return None if sample.second is None else await self._compare(first, sample.second)

    async def _compare(self, first: Answer, other: WorkItem) -> Finding:
        answer = await self._ask(other)
        if answer.page.records and answer.page.records == first.page.records:
            held = count_of(len(first.page.records), "record")
            return self._ignored(f"The first two items begin with the same {held}", _differing(first, answer))
        return self._finding("ok", "The first two items begin with different records.")

    async def _of_lower(self, sample: Sample, first: Answer, far: WorkItem) -> Finding | None:
        answer = await self._ask(far)
        if not answer.page.records:
            return None
        names = _differing(first, answer)
        part = smallest(self._source.app, sample.first)
        if part is not None:
            small = await self._ask(part)
            # What tells a part from the whole is the upper bound. It is kept where the part begins otherwise.
            upper = _differing(first, small) if small.page.records != first.page.records else ()
            names = tuple(name for name in names if name not in upper)
        return self._holds_too_much(far, answer, names)

    async def _of_upper(self, sample: Sample, first: Answer, far: WorkItem) -> Finding:
        item, whole = sample.first, first
        if not whole.page.records and sample.last != item:
            item, whole = sample.last, await self._ask(sample.last)
        if not whole.page.records:
            return self._finding("warning", "Neither the first item nor the last one has a record.", _EMPTY_REMEDY)
        part, kept = smallest(self._source.app, item), f"{_words(far)} can hold nothing, and nothing came."
        if part is None or len(whole.page.records) < 2:
            return self._finding("ok", kept)
        small = await self._ask(part)
        if small.page.records != whole.page.records:
            return self._finding("ok", kept)
        early = before(sample.first)
        answer = await self._ask(early)
        if len(answer.page.records) < 2:
            return self._finding("ok", kept)
        return self._holds_too_much(early, answer, _differing(whole, small))

    async def _ask(self, item: WorkItem) -> Answer:
        page = await first_page(self._source, item, context_of(self._source, self._mode))
        return Answer(page, self._log.parameters)

    def _holds_too_much(self, item: WorkItem, answer: Answer, names: tuple[str, ...]) -> Finding:
        sent = count_of(len(answer.page.records), "record")
        return self._ignored(f"{_words(item)} can hold nothing, and the API sent {sent}", names)

    def _ignored(self, text: str, names: tuple[str, ...]) -> Finding:
        what = " and ".join(f"`{name}`" for name in names) or "what the request says of the item"
        return self._finding("wrong", f"{text}: it ignores {what}.", _REMEDY)

    def _finding(self, state: FoundState, text: str, remedy: str = "") -> Finding:
        return Finding(check="filter", subject=self._subject, state=state, text=text, remedy=remedy)


def _differing(first: Answer, second: Answer) -> tuple[str, ...]:
    return tuple(name for name, value in second.parameters.items() if first.parameters.get(name) != value)


def _words(item: WorkItem) -> str:
    named = span_in(item)
    assert named is not None
    span = named[1]
    if isinstance(span, IdRange):
        return f"ID {span.start}" if span.size == 1 else f"IDs from {span.start} to {span.end - 1}"
    return f"The time from {_moment(span.start)} to {_moment(span.end)}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
