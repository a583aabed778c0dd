"""Feeds: each run goes on where the one before ended, as the API's answers say."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from haulier.api.answers.judgement import applies
from haulier.api.errors import PagingError
from haulier.api.paging.feed_pages import FeedPages
from haulier.api.records.page import Page
from haulier.errors import HaulierError, UsageError
from haulier.items.feed_start import FeedStart
from haulier.items.span_group import group_of
from haulier.items.workitem import WorkItem
from haulier.sources.context import Context
from haulier.sources.fingerprint import canonical, shape_of
from haulier.sources.finished import Finished
from haulier.sources.recipe import FeedRecipe, Pairs, StreamRecipe
from haulier.sources.stream_pages import fetch_pages
from haulier.sources.templates import PlaceholderValues
from haulier.sources.values import ValuesDivision

_MARK: Final = "haulier-request:"
_MARK_DIGITS: Final = 12
_HIDDEN_CHARACTERS: Final = 8
"""A shorter value of a link is a number or a word."""


class FeedDivision:
    """One item for the feed, or one for each value of a list. They are not divided: a feed has one order."""

    def __init__(self, stream: str, kind: str, where: str, recipe: FeedRecipe) -> None:
        @dataclass(frozen=True)
        class FeedItem(WorkItem, stream=stream, kind=kind):
            since: FeedStart

        @dataclass(frozen=True)
        class ValueFeedItem(WorkItem, stream=stream, kind=kind):
            value: str
            since: FeedStart

        self._values: ValuesDivision | None = None
        if recipe.values is not None:
            self._values = ValuesDivision(stream, kind, f"{where}.values", recipe.values)
        self.item: type[WorkItem] = FeedItem if self._values is None else ValueFeedItem
        self._rule = recipe
        self.query: Pairs = () if recipe.values is None else recipe.values.query
        self._make: Callable[..., WorkItem] = self.item

    @property
    def placeholders(self) -> tuple[str, ...]:
        return () if self._values is None else self._values.placeholders

    @property
    def groups(self) -> tuple[str, ...] | None:
        """None where the API tells the values."""
        if self._rule.values is None:
            return ("",)
        values = self._rule.values.values
        return tuple(group_of({"value": value}) for value in values) if isinstance(values, tuple) else None

    async def items(self, context: Context) -> AsyncIterator[WorkItem]:
        stream = self.item.stream
        if self._values is None:
            self._check_lost(context.finished)
            yield self._make(since=context.finished.feed(stream))
            return
        async for each in self._values.items(context):
            value = each.value  # type: ignore[attr-defined]
            self._check_lost(context.finished, value=value)
            yield self._make(value=value, since=context.finished.feed(stream, value=value))

    def _check_lost(self, finished: Finished, **others: Any) -> None:
        if lost := finished.lost_feed(self.item.stream, **others):
            of = "".join(f" for {value!r}" for value in others.values())
            why = f"A run that has read the feed of {self.item.stream!r}{of} does not count any more ({lost})"
            _check_anew(self._rule, why, UsageError)

    def fill(self, item: WorkItem) -> PlaceholderValues:
        return {} if self._values is None else self._values.fill(self._values.item(value=item.value))  # type: ignore[call-arg, attr-defined]

    def halves(self, item: WorkItem) -> tuple[WorkItem, ...]:
        return ()

    def begins(self, finished: Finished) -> bool:
        """Whether no run has read anything of it."""
        return not finished.feeds.get(self.item.stream)


def feed_processor(
    recipe: StreamRecipe, rule: FeedRecipe, division: FeedDivision
) -> Callable[[WorkItem, Context], AsyncGenerator[Page | WorkItem, None]]:
    mark = request_mark(recipe, rule)

    async def process(item: WorkItem, context: Context) -> AsyncGenerator[Page | WorkItem, None]:
        since: FeedStart = item.since  # type: ignore[attr-defined]
        usage, values = context.api.usage, division.fill(item)
        known, place = split_place(since.feed)
        has_changed = bool(known) and known != mark
        if has_changed and not rule.feed.is_condition:
            _check_anew(rule, "The stream asks for something else than the run did that the feed goes on from")
            context.log.warning(
                "the stream asks for something else than before, and its feed begins anew: all of it is read",
                extra={"stream": recipe.name},
            )
        for name in _hidden_names(recipe, rule, place):
            context.api.hide_parameter(name)
        for start in dict.fromkeys(("" if has_changed else place, "")):
            usage.feed_mark = usage.ended_by = None
            asked = replace(recipe, pages=FeedPages(recipe.pages, rule.feed, start))
            query = division.query if start else (*division.query, *rule.begin)
            async for page in fetch_pages(asked, query, values, context):
                yield page
                del page  # As in `haulier.sources.rest`.
            end: str | None = usage.feed_mark
            if end is None and start:
                ended = usage.ended_by
                if ended is None or not any(applies(each, ended) for each in rule.feed.expiry_rules):
                    # It is as it was; or a rule of the source says that there is nothing new.
                    context.api.end_feed(f"{mark}{start}", since)
                    return
                _check_anew(rule, "The API does not go on where the last run of the feed ended")
                context.log.warning(
                    "the API does not go on where the last run of a feed ended, and the feed begins anew: all of it is "
                    "read, and what was deleted meanwhile is told by nobody",
                    extra={"stream": recipe.name},
                )
                continue
            if end:
                has_expired = bool(since.feed) and not start and not rule.feed.is_condition
                context.api.end_feed(f"{mark}{end}", since, has_expired=has_expired)
            elif context.api.most_pages is None:  # `haulier try` reads the first pages alone.
                raise PagingError(_lack(rule))
            return

    return process


def _hidden_names(recipe: StreamRecipe, rule: FeedRecipe, place: str) -> Iterator[str]:
    """Parameters that hold the token: some open more than a place. Of a link, those that the stream does not send."""
    feed = rule.feed
    if feed.query or feed.body:
        yield feed.query or feed.body.rpartition(".")[2]
    elif feed.link and place:
        own = {name for name, _ in (*recipe.query, *rule.query, *rule.begin)}
        with contextlib.suppress(ValueError):
            for name, value in parse_qsl(urlsplit(place).query):
                if name not in own and len(value) >= _HIDDEN_CHARACTERS:
                    yield name


def request_mark(recipe: StreamRecipe, rule: FeedRecipe) -> str:
    """Stands before a token: it is one for this request. What a person sets has none. A validator is one for the
    records too: an answer that is as it was is to be read again, once the source makes other records of it."""
    if rule.feed.is_condition:
        shape: Any = shape_of(recipe, "incremental")
    else:
        shape = canonical([recipe.method, recipe.path, recipe.query, rule.query, recipe.json, recipe.form])
    digits = hashlib.sha256(msgspec.json.encode(shape, order="deterministic")).hexdigest()[:_MARK_DIGITS]
    return f"{_MARK}{digits} "


def split_place(place: str) -> tuple[str, str]:
    """The mark of the request, "" for none, and the token."""
    if not place.startswith(_MARK):
        return "", place
    mark, space, token = place.partition(" ")
    return f"{mark}{space}", token


def _check_anew(rule: FeedRecipe, why: str, error: type[HaulierError] = PagingError) -> None:
    if rule.begin and not rule.begin_reads_all:
        of = "" if rule.values is None else " --value VALUE"
        raise error(
            f"{why}, and `first` may ask for less than all there is: what changed since would be left out. If `first` "
            'asks for all, write first_reads = "all" in `feed`. Else let the feed begin anew, and read a full run: '
            f"haulier state reset SOURCE STREAM{of} --why TEXT, then haulier run SOURCE incremental, then haulier run "
            "SOURCE full, which has what changed before."
        )


def _lack(rule: FeedRecipe) -> str:
    key = "if_changed" if rule.feed.is_condition else "feed"
    return (
        f"The {rule.feed.page} page has nothing at {rule.feed.where}, where the feed goes on, so the next run would "
        f"not know where to begin. Correct `{key}` of the stream, or `pages` if that was not the last page."
    )
