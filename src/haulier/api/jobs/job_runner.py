"""Starts a job, waits for its end, and reads its result."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar
from urllib.parse import urljoin

import msgspec

from haulier.api.answers.declared_wait import find_wait
from haulier.api.answers.judgement import BY_RULE, ExpectedAnswer, Rule, applies
from haulier.api.errors import Action, ApiError, BodyError, Shape
from haulier.api.http.transport import Request, Response
from haulier.api.http.urls import LinkError, OtherOriginError, join, origin
from haulier.api.jobs.job import Job, JobRequest
from haulier.api.paging.link_address import address_of
from haulier.api.paging.list_reader import Listing
from haulier.api.paging.paginator import PageAnswer, PageRequest, text_of_raw, whole_number
from haulier.api.paging.wire_request import wire_request
from haulier.api.records.page import Page, not_json_error, text_of
from haulier.api.records.paths import ROOT, explain_missing, raw_at
from haulier.api.requester import Answered, ApiParts, Requester

FIRST_WAIT_SECONDS: Final = 1.0
"""Before the first question, as many jobs are short; it doubles up to `Job.every`."""
TOLD_SECONDS: Final = 60.0
"""A log line tells so often that a job goes on."""
MAX_FILES: Final = 100_000
MAX_REDIRECTS: Final = 5
_SHOWN_HEADERS: Final = 12
_ACCEPTED: Final = (Rule(Action.OK, status=202),)
_GONE: Final = frozenset({401, 403, 404, 410})
"""How storage and APIs answer for a result, or a signed address, that has expired. At the API's own origin 401 is about
the credentials."""
_GONE_RULES: Final = tuple(Rule(Action.RESTART, status=status) for status in (404, 410))
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_MOVED_RULES: Final = tuple(Rule(Action.END, status=status) for status in sorted(_MOVED))
_FOREIGN_RULES: Final = (*(Rule(Action.RESTART, status=status) for status in sorted(_GONE)), *_MOVED_RULES)
_PASSING: Final = frozenset({Action.OUTAGE, Action.PAUSE, Action.RETRY_LATER})
"""What a question about a job may meet while the job goes on."""
_MOST_UNREAD: Final = 2
"""Answers in a row that lack what the source names, each asked for three times. They would until the time is over."""
_ABSENT_STATUSES: Final = frozenset({404, 410})

_T = TypeVar("_T")
Walk = Callable[[Listing, PageRequest], AsyncGenerator[Page, None]]

logger = logging.getLogger("haulier.api")


@dataclass(frozen=True)
class _Started:
    job_id: str
    address: str
    """Where to ask, if the answer says it; relative to ``base``."""
    base: str
    wait_seconds: float | None


@dataclass(frozen=True)
class _Told:
    """The answer about a job."""

    word: str
    body: bytes
    url: str
    wait_seconds: float | None
    is_done: bool


class _WholeFile:
    """A file has all of its records."""

    def first(self, request: PageRequest) -> PageRequest:
        return request

    def next(self, request: PageRequest, answer: PageAnswer) -> None:
        return None


class JobRunner:
    """For one item. What goes wrong begins it again with another job: to start one changes nothing at the API."""

    def __init__(self, requester: Requester, parts: ApiParts, job: Job, listing: Listing, walk: Walk) -> None:
        self._requester = requester
        self._parts = parts
        self._job = job
        self._listing = listing
        self._walk = walk
        self._stream_rules: tuple[Rule, ...] = getattr(listing.paginator, "rules", ())
        self._rules = (*_ACCEPTED, *self._stream_rules)
        self._start_rules: tuple[Rule, ...] = getattr(listing.paginator, "first_rules", ())
        statuses = listing.empty.statuses - _GONE
        self._listing = replace(listing, empty=replace(listing.empty, statuses=statuses))

    async def pages(self, start: PageRequest) -> AsyncGenerator[Page, None]:
        """Raises `ApiError` where the job fails, or has another number of records than it said."""
        start = replace(start, part="step")
        started = await self._start(start)
        if started is None:
            self._requester.usage.ended_lists += 1
            return
        poll = self._poll_request(start, started)
        told = await self._wait(poll, started)
        received, skipped_before = 0, self._requester.usage.counts.skipped
        for listing, request in self._results(start, poll, started, told):
            try:
                async with contextlib.aclosing(self._walked(listing, request, start)) as walk:
                    async for page in walk:
                        received += len(page)
                        yield page
                        del page  # As in `haulier.sources.rest`.
            except ApiError as error:
                if error.status not in _GONE or error.action in {Action.AUTH, Action.PAUSE}:
                    raise
                why = str(error).replace(BY_RULE, "")
                text = f"The result of the job is not there any more, so another one is started. {why}"
                raise ApiError(
                    text,
                    action=Action.RESTART,
                    status=error.status,
                    excerpt=error.excerpt,
                    shape=Shape.JOB_END,
                    likeness=(f"status {error.status}",),
                ) from error
        self._check_count(told, received + self._requester.usage.counts.skipped - skipped_before)

    async def _walked(self, listing: Listing, request: PageRequest, start: PageRequest) -> AsyncGenerator[Page, None]:
        """A file may be a redirect to a storage, which gets no credentials."""
        usage, ended_lists = self._requester.usage, self._requester.usage.ended_lists
        for _ in range(MAX_REDIRECTS + 1):
            usage.ended_by = None
            async with contextlib.aclosing(self._walk(listing, request)) as walk:
                async for page in walk:
                    yield page
                    del page
            moved: Response | None = usage.ended_by
            if moved is None or moved.status not in _MOVED or request.part not in ("file", "foreign file"):
                return
            usage.ended_lists = ended_lists
            request = self._file_request(moved.headers.get("Location", "").strip(), moved.url, start)
            if request.part == "file":
                break
        raise self._wrong("the address of a file is a redirect that is not followed, back to the API or in a circle")

    async def _start(self, start: PageRequest) -> _Started | None:
        """None where what is asked for is not there, and may be absent."""
        job = self._job

        def read(response: Response) -> _Started:
            address = response.headers.get(job.poll_header, "").strip() if job.poll_header else ""
            if job.poll_header and not address:
                there = ", ".join(list(dict.fromkeys(response.headers))[:_SHOWN_HEADERS])
                raise BodyError(
                    f"the answer that started a job has no header {job.poll_header!r}, which `poll_header` of `job` "
                    f"names; there are {there}. Correct it, or name what tells where to ask: `poll_at` the path of the "
                    "address in the body, or `id` and `poll` the path of an ID, and a request with it",
                    Shape.JOB,
                )
            if job.poll_at:
                address = _text_at(response.body, job.poll_at)
            job_id = _text_at(response.body, job.id) if job.id else ""
            return _Started(job_id, address, response.url, self._wait_of(response))

        expected = ExpectedAnswer(wants_json=bool(job.id or job.poll_at))
        answered = await self._accepted(self._wire(start), read, expected)
        if answered.value is None and self._start_rules and answered.response.status in _ABSENT_STATUSES:
            return None
        started = self._value_of(answered, self._wire(start))
        logger.info("a job was started", extra={"job": started.job_id} if started.job_id else {})
        return started

    async def _accepted(
        self, wire: Request, read: Callable[[Response], _Started], expected: ExpectedAnswer
    ) -> Answered[_Started]:
        """Ask again while the API says that it is busy with another job."""
        clock, job = self._parts.clock, self._job
        began_at, every, within = clock.monotonic(), job.every.total_seconds(), job.within.total_seconds()
        wait, rules = min(FIRST_WAIT_SECONDS, every), (*job.busy, *self._rules, *self._start_rules)
        while True:
            answered = await self._requester.send(wire, read, expected=expected, rules=rules, is_first_page=False)
            if answered.value is not None or not any(applies(rule, answered.response) for rule in job.busy):
                return answered
            left = within - (clock.monotonic() - began_at)
            if left <= 0.0:
                raise self._failure(wire, answered.response.body, f"the API was busy with other jobs for {within:g} s")
            logger.info("the API is busy with another job")
            await self._sleep(min(max(wait, self._wait_of(answered.response) or 0.0), left))
            wait = min(2 * wait, every)

    def _poll_request(self, start: PageRequest, started: _Started) -> PageRequest:
        if self._job.poll is None:
            job = self._job
            return PageRequest(
                started.address,
                headers=start.headers,
                base=started.base,
                part="step",
                link_origin=job.link_origin,
                link_base=job.link_base,
            )
        return self._request_of(self._job.poll, start, started)

    def _request_of(self, asked: JobRequest, start: PageRequest, started: _Started) -> PageRequest:
        filled = asked.of(started.job_id)
        url, own = join(self._parts.settings.url, filled.path)
        method = "GET" if filled.json is None else "POST"
        return PageRequest(url, (*own, *filled.query), method, start.headers, filled.json, part="step")

    async def _wait(self, poll: PageRequest, started: _Started) -> _Told:
        clock, job = self._parts.clock, self._job
        began_at = told_at = clock.monotonic()
        every, within = job.every.total_seconds(), job.within.total_seconds()
        wait = min(FIRST_WAIT_SECONDS, every)
        asked_wait, unread = started.wait_seconds, 0
        wire = self._wire(poll)
        while True:
            left = within - (clock.monotonic() - began_at)
            await self._sleep(min(max(wait, asked_wait or 0.0), max(left, 0.0)))
            try:
                told = await self._ask(wire, self._read_told, ExpectedAnswer(wants_json=bool(job.state)))
            except ApiError as error:
                # The job goes on meanwhile: another one would cost as much again.
                unread = unread + 1 if error.shape is Shape.JOB else 0
                if error.action not in _PASSING or unread == _MOST_UNREAD or clock.monotonic() - began_at >= within:
                    raise
                logger.info("a job could not be asked about, and is asked about again", extra={"error": str(error)})
                wait, asked_wait = min(2 * wait, every), error.retry_after_seconds
                continue
            now, unread = clock.monotonic(), 0
            if told.is_done:
                logger.info("a job is done", extra={"seconds": round(now - began_at, 3)})
                return told
            if told.word in job.failed:
                raise self._failure(wire, told.body, f"the job ended with the state {told.word!r}", "failed")
            if now - began_at >= within:
                state = f"; its state is {told.word!r}, which is no word of `done` or `failed`" if job.state else ""
                raise self._failure(wire, told.body, f"the job did not end within {within:g} s{state}", "not ended")
            if now - told_at >= TOLD_SECONDS:
                told_at = now
                logger.info("a job goes on", extra={"state": told.word, "seconds": round(now - began_at)})
            wait, asked_wait = min(2 * wait, every), told.wait_seconds

    async def _sleep(self, seconds: float) -> None:
        """Without a slot, and without counting against the item: the job has a time of its own."""
        self._requester.awaits_job = True
        try:
            await self._parts.clock.sleep(seconds)
        finally:
            self._requester.awaits_job = False

    def _read_told(self, response: Response) -> _Told:
        # Where it is empty, the job waits for its turn.
        word = _text_at(response.body, self._job.state, may_be_empty=True) if self._job.state else ""
        is_done = word in self._job.done if self._job.state else response.status != 202
        return _Told(word, response.body, response.url, self._wait_of(response), is_done)

    def _results(
        self, start: PageRequest, poll: PageRequest, started: _Started, told: _Told
    ) -> list[tuple[Listing, PageRequest]]:
        job = self._job
        if job.files:
            listing = replace(self._listing, paginator=_WholeFile())
            requests = [self._file_request(address, told.url, start) for address in self._addresses(told)]
            if twice := [each.url for each, count in Counter(requests).items() if count > 1]:
                shown = self._requester.describe(Request("GET", twice[0].partition("?")[0]))
                raise self._wrong(f"the job names a file twice, and its records would be there twice: {shown}")
            return [(listing, request) for request in requests]
        if job.result is not None:
            request = self._request_of(job.result, start, started)
            return [(self._listing, replace(request, end_rules=_GONE_RULES))]
        return [(self._listing, poll)]

    def _addresses(self, told: _Told) -> list[str]:
        try:
            found = _texts_at(told.body, self._job.files)
        except BodyError as error:
            raise self._wrong(f"{error}") from error
        if not found and not self._job.may_lack_files:
            raise self._wrong(
                f"the job is done, and there is no address at {self._job.files!r}. If a job without records has none, "
                'write empty = "no files" in `job`'
            )
        if len(found) > MAX_FILES:
            raise self._wrong(f"the job has {len(found):,} files; the limit is {MAX_FILES:,}")
        return found

    def _file_request(self, address: str, base: str, start: PageRequest) -> PageRequest:
        home, job = self._parts.settings.url, self._job
        try:
            url = urljoin(base, address)
            found = origin(url)
            if found != origin(home) and found in [origin(each) for each in job.download_origin]:
                return PageRequest(url, end_rules=_FOREIGN_RULES, part="foreign file")
            url = address_of(address, base=base, home=home, link_origin=job.link_origin, link_base=job.link_base)
            rules = (*_GONE_RULES, *_MOVED_RULES, *self._stream_rules)
            return PageRequest(url, headers=start.headers, end_rules=rules, part="file")
        except OtherOriginError as error:
            scheme, host, port = origin(urljoin(base, address))
            shown = f"{scheme}://{host}" + ("" if port in (80, 443) else f":{port}")
            raise self._wrong(
                f"a file is at another origin, {shown}, and nothing was sent there. If that is right, write "
                f'download_origin = ["{shown}"] in `job`: it is fetched without our credentials'
            ) from error
        except (LinkError, ValueError) as error:
            raise self._wrong(f"the address of a file cannot be used: {error}") from error

    def _check_count(self, told: _Told, received: int) -> None:
        if not self._job.count:
            return
        promised = whole_number(_text_at(told.body, self._job.count), self._job.count)
        if promised != received:
            raise ApiError(
                f"The job has {promised:,} records, as {self._job.count!r} says, and {received:,} came. Another one is "
                "started.",
                action=Action.RESTART,
                shape=Shape.JOB_END,
                likeness=("count",),
            )

    async def _ask(self, wire: Request, read: Callable[[Response], _T], expected: ExpectedAnswer) -> _T:
        answered = await self._requester.send(wire, read, expected=expected, rules=self._rules, is_first_page=False)
        return self._value_of(answered, wire)

    def _value_of(self, answered: Answered[_T], wire: Request) -> _T:
        if answered.value is None:
            raise ApiError(
                f"{self._requester.describe(wire)}: a rule of the source ends it with {answered.action}, and this is "
                "no list. Let the rule say retry_later or poison.",
                action=Action.POISON,
            )
        return answered.value

    def _wire(self, request: PageRequest) -> Request:
        try:
            return wire_request(request, self._parts.settings.url)
        except LinkError as error:
            raise self._wrong(
                f"the address of the job is not followed: {error}. If the API builds it with an inner host, behind a "
                'proxy, write link_origin = "own" in `job`: its path and query are then asked for at the API\'s own url'
            ) from error

    def _wait_of(self, response: Response) -> float | None:
        return find_wait(response, self._parts.clock.now(), self._parts.settings.wait_at).seconds

    def _failure(self, wire: Request, body: bytes, text: str, likeness: str = "") -> ApiError:
        """Without a ``likeness`` where the API was only busy."""
        excerpt = self._parts.redactor.excerpt(body)
        return ApiError(
            f"{self._requester.describe(wire)}: {text}. The answer begins: {excerpt}",
            action=Action.RETRY_LATER,
            excerpt=excerpt,
            shape=Shape.JOB_END if likeness else Shape.NONE,
            likeness=(likeness,) if likeness else (),
        )

    def _wrong(self, text: str) -> ApiError:
        return ApiError(text[:1].upper() + text[1:] + ".", action=Action.POISON, shape=Shape.JOB)


def _text_at(body: bytes, path: str, *, may_be_empty: bool = False) -> str:
    text = text_of(body)
    try:
        found = raw_at(text, path)
    except (msgspec.DecodeError, RecursionError) as error:
        raise not_json_error(text, error) from error
    is_empty = found is not None and bytes(found) in (b"null", b'""')
    if is_empty and may_be_empty:
        return ""
    if found is None or is_empty:
        raise BodyError(explain_missing(text, path) if found is None else f"nothing is at {path!r}", Shape.JOB)
    try:
        return text_of_raw(found, path)
    except BodyError as error:
        raise BodyError(str(error), Shape.JOB) from error


def _texts_at(body: bytes, path: str, *, is_member: bool = False) -> list[str]:
    """Addresses at a path; none for null, and for nothing. A member of a list has one."""
    head, star, tail = path.partition("*")
    text = text_of(body)
    try:
        found = raw_at(text, head.rstrip(".") or ROOT)
        if found is None or bytes(found) in (b"null", b'""'):
            if is_member:
                lack = f"a member of the list of files has nothing at {path!r}, where its address would be"
                raise BodyError(lack, Shape.JOB)
            return []
        if star:
            members = msgspec.json.decode(found, type=list[msgspec.Raw])
            return [
                address
                for each in members
                for address in _texts_at(bytes(each), tail.lstrip(".") or ROOT, is_member=True)
            ]
        if bytes(found)[:1] == b"[":
            addresses = msgspec.json.decode(found, type=list[str])
            if not all(addresses):
                raise BodyError(f"an address at {path!r} is empty", Shape.JOB)
            return addresses
    except (msgspec.DecodeError, RecursionError) as error:
        raise BodyError(f"there are no addresses at {path!r}: {error}", Shape.JOB) from error
    return [text_of_raw(found, path)]
