"""Sends one request until it is answered well or given up."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeGuard, TypeVar

from haulier.api.answers.advice import advice_of
from haulier.api.answers.body_problem import BodyProblem
from haulier.api.answers.cause_word import cause_word
from haulier.api.answers.declared_wait import find_wait
from haulier.api.answers.judgement import EXPECTED_PAGE, ExpectedAnswer, Judgement, Rule, judge
from haulier.api.answers.refusal import refusal_test
from haulier.api.errors import Action, ApiError, BodyError, is_stumble
from haulier.api.http.cookies import ItemCookies
from haulier.api.http.redactor import Redactor
from haulier.api.http.retry_after import DAY_SECONDS
from haulier.api.http.transport import Request, Response, Trail, Transport, TransportError
from haulier.api.limits.ahead_room import AheadRoom
from haulier.api.limits.patience import Patience
from haulier.api.limits.retry_budget import RetryBudget
from haulier.api.records.first_page import FirstPage
from haulier.api.records.item_counts import ItemCounts, MovedTotal
from haulier.api.records.next_sign import SignTotals, StreamSigns
from haulier.api.scope.answer_notes import FOREIGN_NOTES, AnswerNotes, ApiNotes
from haulier.api.scope.current_run import current_run
from haulier.api.scope.gate import Ahead
from haulier.api.scope.scope import Scope
from haulier.api.settings import Api
from haulier.clock import Clock, wall_seconds
from haulier.items.feed_start import FeedEnd

BACKOFF_BASE_SECONDS: Final = 0.5
BACKOFF_CAP_SECONDS: Final = 30.0
MAX_PAUSES_PER_REQUEST: Final = 4
"""An API that refuses longer gets the item later."""
MAX_HELD_WAIT_SECONDS: Final = 900.0
"""For a longer wait the item is handed back, to make room for others."""
DEFAULT_PAUSE_SECONDS: Final = 60.0
"""Pause where the API does not say how long to wait. It doubles each time, as GitHub wants it."""

MAX_KEPT_BODY_BYTES: Final = 64 * 1024
"""Room for a page of 100 records of 600 bytes."""
HEAVY_LINES_BYTES: Final = 1024 * 1024
"""30 ms of the event loop, where a thread costs 0.1."""
MAX_SUSPECT_RETRIES: Final = 1
"""Such an item was asked for often before."""

_SHOWN_CHARACTERS: Final = 300

T = TypeVar("T")
G = TypeVar("G")
logger = logging.getLogger("haulier.api")


@dataclass
class ClientFindings:
    """Findings of all items, to warn once or to estimate a run."""

    first_page: FirstPage | None = None
    warned: set[str] = field(default_factory=set)
    signs: dict[str, tuple[str, StreamSigns]] = field(default_factory=dict)
    """By stream: its newest run, and signs of a next page seen in it."""


@dataclass(frozen=True)
class ApiParts:
    settings: Api
    transport: Transport
    scope: Scope
    clock: Clock
    rng: random.Random
    redactor: Redactor
    patience: Patience
    rules: tuple[Rule, ...] = ()
    findings: ClientFindings = field(default_factory=ClientFindings)
    budget: RetryBudget = field(default_factory=RetryBudget)
    ahead_room: AheadRoom = field(default_factory=AheadRoom)


@dataclass
class Usage:
    requests: int = 0
    """Includes retries, redirects and renewals."""
    last_request: Request | None = None
    """The newest that was sent."""
    first_sent_at: float | None = None
    """Monotonic seconds."""
    drift: MovedTotal | None = None
    counts: ItemCounts = field(default_factory=ItemCounts)
    sign_totals: SignTotals = field(default_factory=SignTotals)
    feed_mark: str | None = None
    """Where a feed goes on, by the newest page that can tell; "" where that page does not say it."""
    feed_end: FeedEnd | None = None
    ended_by: Response | None = None
    """The answer that a rule took for the end of the newest list, where it was its first."""
    ended_lists: int = 0
    """Lists that a rule ended before their first page, whether or not they are counted."""


async def _nobody_knows() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class ItemPlace:
    stream: str = ""
    run_id: str = ""
    was_sign_seen: Callable[[], Awaitable[bool]] = _nobody_knows
    """Whether a done item of the stream, in any process, showed the sign of a next page."""


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    """``value`` was read from the response; None under END and ABSENT where the body was not read, or held nothing."""

    response: Response
    action: Action
    value: T | None
    is_by_rule: bool = False
    """A rule found something in the body, and calls it good."""


class UnwantedError(Exception):
    """A request before its turn was not answered well, and is not wanted yet. It is made again in its turn."""


class Requester:
    def __init__(self, parts: ApiParts, place: ItemPlace | None = None, *, is_suspect: bool = False) -> None:
        self._parts = parts
        self._place = place or ItemPlace()
        self._is_suspect = is_suspect
        self._wait_at = parts.settings.wait_at
        self._cookies = ItemCookies() if parts.settings.cookies else None
        self._notes = ApiNotes(
            parts.scope,
            parts.patience,
            parts.settings.cost_at,
            parts.clock,
            self._place.stream,
            parts.rules,
            parts.findings.warned,
            self.say_once,
        )
        self.usage = Usage()
        self._sends = self._waits = 0
        self.awaits_job = False
        self.ahead: set[asyncio.Task[Any]] = set()
        """Requests of this item that are made before their turn (`haulier.api.paging.pages_ahead`)."""

    @property
    def is_waiting(self) -> bool:
        """The item waits for its turn, with all of its requests; its deadline stands still meanwhile."""
        return 0 < self._waits == self._sends

    @property
    def ahead_room(self) -> AheadRoom:
        return self._parts.ahead_room

    @property
    def share(self) -> int:
        """Requests that this process may have in flight now."""
        return self._parts.scope.share

    async def take(self, lock: asyncio.Lock) -> None:
        """The item waits until another one gives the lock back."""
        self._sends += 1
        try:
            await self._wait_for(lock.acquire())
        finally:
            self._sends -= 1

    async def end_ahead(self) -> None:
        """Cancel them, and wait until their places are free."""
        tasks = list(self.ahead)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def note_first_page(self, page: FirstPage) -> None:
        if page.records and self._parts.findings.first_page is None:
            self._parts.findings.first_page = page

    async def send(
        self,
        request: Request,
        read: Callable[[Response], T],
        *,
        expected: ExpectedAnswer = EXPECTED_PAGE,
        rules: Sequence[Rule] = (),
        is_first_page: bool = True,
        read_end: Callable[[Response, Judgement], T | None] | None = None,
        read_anew: Callable[[Response], object] | None = None,
        ahead: Ahead | None = None,
        is_repeatable: bool = True,
    ) -> Answered[T]:
        """Send until ``read`` can read an answer. Raises `ApiError` with an action about the item.

        Retries wait with full jitter, within the retry budget and without a slot; pauses stop all requests of the
        source. ``rules`` precede the source's. ``read_end`` reads the body of a good status that a rule calls END or
        ABSENT. ``read_anew`` reads a later answer to the same request, where ``read`` remembers what it read.
        ``is_repeatable``: it is answered alike some minutes later, so that it can be the witness.
        """
        self._sends += 1
        is_repeatable = is_repeatable and not request.part
        try:
            return await self._send(
                request, read, expected, rules, is_first_page, read_end, read_anew, ahead, is_repeatable
            )
        finally:
            self._sends -= 1

    async def _send(
        self,
        request: Request,
        read: Callable[[Response], T],
        expected: ExpectedAnswer,
        rules: Sequence[Rule],
        is_first_page: bool,
        read_end: Callable[[Response, Judgement], T | None] | None,
        read_anew: Callable[[Response], object] | None,
        ahead: Ahead | None,
        is_repeatable: bool,
    ) -> Answered[T]:
        parts = self._parts
        notes: AnswerNotes = FOREIGN_NOTES if request.part == "foreign file" else self._notes
        rules = (*rules, *notes.rules)
        if (is_refusal := refusal_test(rules, expected)) is not None:
            request = request.replace(is_refusal=is_refusal)

        def judge_outcome(outcome: Response | TransportError | BodyProblem) -> Judgement:
            return judge(outcome, now=parts.clock.now(), expected=expected, rules=rules, wait_at=self._wait_at)

        def judge_body(error: BodyError) -> Judgement:
            return judge_outcome(BodyProblem(str(error), is_outage=error.is_outage, shape=error.shape))

        def judge_with_body(outcome: Response | TransportError) -> Action:
            """An error object under a good status is no good answer."""
            judgement = judge_outcome(outcome)
            if judgement.action is Action.OK and isinstance(outcome, Response):
                try:
                    (read_anew or read)(outcome)
                except BodyError as error:
                    judgement = judge_body(error)
            return judgement.final

        repeats = pauses = silences = 0
        run_id = self._place.run_id or current_run() or parts.scope.failures.run_id
        trail, wanted_at = Trail(run_id, self._place.stream), parts.clock.monotonic()
        while True:
            outcome = await self._send_once(request, silences, trail, wanted_at, ahead, is_first_page=is_first_page)
            wanted_at = parts.clock.monotonic()
            judgement = await _at_leisure(judge_outcome, outcome, expected)
            if isinstance(outcome, Response):
                if judgement.action in {Action.END, Action.ABSENT}:
                    is_good = 200 <= outcome.status < 300
                    try:
                        found = read_end(outcome, judgement) if read_end is not None and is_good else None
                    except BodyError as error:
                        judgement = judge_body(error)
                    else:
                        parts.budget.note_success()
                        notes.note_end(outcome, is_first_page=is_first_page)
                        return Answered(outcome, judgement.action, found)
                elif judgement.action is Action.OK:
                    try:
                        value = await _at_leisure(read, outcome, expected)
                    except BodyError as error:
                        judgement = judge_body(error)
                    else:
                        parts.budget.note_success()
                        seconds = notes.note_good(
                            outcome,
                            request,
                            judge_with_body,
                            is_first_page=is_first_page,
                            is_repeatable=is_repeatable,
                        )
                        if seconds > 0.0:
                            await parts.scope.pause(seconds, "the next query costs more than is left")
                        return Answered(outcome, judgement.action, value, judgement.is_by_body)
            reason = parts.redactor.redact(judgement.reason)
            is_unwanted = ahead is not None and not ahead.is_wanted
            if judgement.is_outage and not is_unwanted:
                notes.note_outage(outcome, reason)
            wait, is_alone = judgement.retry_after_seconds, False
            if isinstance(outcome, Response) and outcome.status >= 400:
                self._note_wait(outcome)
            if judgement.action is Action.PAUSE:
                wait = notes.cost_wait(outcome) or None if wait is None else wait
                wait = min(MAX_HELD_WAIT_SECONDS, DEFAULT_PAUSE_SECONDS * 2.0**pauses) if wait is None else wait
                is_alone = await notes.pause(wait, reason, outcome, judgement)
                may_repeat = pauses < MAX_PAUSES_PER_REQUEST
                pauses += 1
            else:
                may_repeat = judgement.action is Action.RETRY and repeats < self._max_retries(judgement, outcome)
            is_own = request.may_be_forbidden and isinstance(outcome, Response) and outcome.status != 401
            if judgement.action in {Action.AUTH, Action.CONFIG} and not is_own:
                await notes.note_refusal(reason)
            is_early = isinstance(outcome, TransportError) and outcome.is_early
            will_repeat = is_early or (may_repeat and (wait or 0.0) <= MAX_HELD_WAIT_SECONDS)
            parts.scope.failures.note(
                f"{self.describe(request)}: {reason}",
                wall_seconds(parts.clock),
                is_retried=will_repeat or is_unwanted,
                word=cause_word(
                    outcome.status if isinstance(outcome, Response) else None,
                    outcome.kind if isinstance(outcome, TransportError) else None,
                    judgement.shape,
                ),
            )
            if is_unwanted:
                if is_alone or judgement.action is Action.RETRY:
                    await self._wait_for(parts.clock.sleep(wait or 0.0))
                raise UnwantedError
            if not will_repeat:
                judgement = notes.last_judgement(judgement)
                if (wait or 0.0) > DAY_SECONDS and (refusal := parts.scope.refusal) is not None:
                    raise refusal
                raise self._error(request, outcome, judgement, wait)
            if is_early:
                # Sent again at once unless the retry budget is spent.
                silences += 1
                await parts.clock.sleep(parts.budget.take(parts.clock.monotonic()))
            elif is_alone:
                await self._wait_for(parts.clock.sleep(wait or 0.0))
            elif judgement.action is Action.RETRY:
                # A pause needs no sleep here: the gate is shut for as long as it lasts.
                turn = parts.budget.take(parts.clock.monotonic())
                await parts.clock.sleep(max(wait or 0.0, self._jitter(repeats), turn))
                repeats += 1

    async def _send_once(
        self,
        request: Request,
        silences: int,
        trail: Trail,
        wanted_at: float,
        ahead: Ahead | None,
        *,
        is_first_page: bool,
    ) -> Response | TransportError:
        """Wait no longer for the first byte than such answers usually take."""
        # What answers of a job take is told by nothing before, and a second request would start a second job.
        wait = None
        if not request.part:
            wait = self._parts.patience.wait(self._place.stream, silences, is_first_page=is_first_page)
        cookies = None if request.part == "foreign file" else self._cookies
        counted = request.replace(wait=wait, before_follow_up=self._before_follow_up, trail=trail, cookies=cookies)
        async with self._parts.scope.slot(self._wait, ahead):
            self.usage.requests += 1
            self.usage.last_request = request
            sent_at = self._parts.clock.monotonic()
            trail.wait_seconds = sent_at - wanted_at
            if self.usage.first_sent_at is None:
                self.usage.first_sent_at = sent_at
            try:
                return await self._parts.transport.send(counted)
            except TransportError as error:
                return error

    async def send_in_vain(self, request: Request) -> None:
        """Send once, at the gate as all others; whatever comes of it counts neither as success nor as failure. It does
        not become the item's last request."""
        last = self.usage.last_request
        try:
            await self._send_once(
                request, 0, Trail(self._place.run_id, self._place.stream), 0.0, None, is_first_page=False
            )
        finally:
            self.usage.last_request = last

    async def _before_follow_up(self) -> None:
        await self._parts.scope.before_follow_up()
        self.usage.requests += 1

    def _note_wait(self, response: Response) -> None:
        """Tell a person once of strange waits (docs/apis/answers.md#how-long-to-wait)."""
        parts = self._parts
        found, warned = find_wait(response, parts.clock.now(), self._wait_at), parts.findings.warned
        if found.unreadable and "unreadable" not in warned:
            warned.add("unreadable")
            value = parts.redactor.redact(found.unreadable[:100])
            logger.warning("a Retry-After cannot be read and is ignored", extra={"value": value})
        if found.is_for_a_person and "long" not in warned:
            warned.add("long")
            logger.warning("the API asks everybody to wait for more than a day", extra={"seconds": found.seconds})

    def _max_retries(self, judgement: Judgement, outcome: Response | TransportError) -> int:
        is_of_item = judgement.then is Action.RETRY_LATER or (
            isinstance(outcome, Response) and is_stumble(outcome.status)
        )
        is_known = self._is_suspect and is_of_item
        return min(MAX_SUSPECT_RETRIES, judgement.retries) if is_known else judgement.retries

    async def _wait_for(self, end: Awaitable[object]) -> None:
        self._wait(True)
        try:
            await end
        finally:
            self._wait(False)

    def _wait(self, is_waiting: bool) -> None:
        self._waits += 1 if is_waiting else -1

    def _jitter(self, repeats: int) -> float:
        return self._parts.rng.uniform(0.0, min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2.0**repeats))

    @property
    def signs(self) -> StreamSigns:
        """Seen by items of this stream and run in this process."""
        place, known = self._place, self._parts.findings.signs
        run_id, signs = known.get(place.stream, ("", None))
        if signs is None or run_id != place.run_id:
            signs = StreamSigns()
            known[place.stream] = place.run_id, signs
        return signs

    async def was_sign_seen(self) -> bool:
        return await self._place.was_sign_seen()

    def say_once(self, event: str, **fields: str) -> None:
        warned, key = self._parts.findings.warned, f"{self._place.stream} {event}"
        if key not in warned:
            warned.add(key)
            stream = {"stream": self._place.stream} if self._place.stream else {}
            redacted = {name: self._parts.redactor.redact(value) for name, value in fields.items()}
            logger.warning(event, extra={**stream, **redacted})

    def describe(self, request: Request) -> str:
        """Without secrets."""
        text = self._parts.redactor.redact(f"{request.method} {request.shown_url}")
        return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + " ..."

    def _error(
        self, request: Request, outcome: Response | TransportError, judgement: Judgement, wait: float | None
    ) -> ApiError:
        redactor = self._parts.redactor
        response = outcome if isinstance(outcome, Response) else None
        excerpt = redactor.excerpt(response.body) if response is not None else ""
        text = f"{self.describe(request)}: {redactor.redact(judgement.reason)}."
        if wait:
            text += f" The API asks to wait {wait:g} s."
        if advice := judgement.shape.remedy or advice_of(judgement, outcome):
            text += f" {advice}"
        if excerpt:
            text += f" The answer begins: {' '.join(excerpt.split())[:_SHOWN_CHARACTERS]}"
        return ApiError(
            text,
            action=judgement.final,
            status=None if response is None else response.status,
            excerpt=excerpt,
            retry_after_seconds=wait,
            fault=outcome.kind if isinstance(outcome, TransportError) else None,
            body=redactor.head(response.body, MAX_KEPT_BODY_BYTES) if _is_unreadable(response, judgement) else b"",
            shape=judgement.shape,
            reason=redactor.redact(judgement.reason),
        )


async def _at_leisure(function: Callable[[G], T], outcome: G, expected: ExpectedAnswer) -> T:
    """In a thread where there are many lines: a table of 64 MiB takes seconds, in which leases would not be renewed."""
    if isinstance(outcome, Response) and expected.form.has_lines and len(outcome.body) > HEAVY_LINES_BYTES:
        return await asyncio.to_thread(function, outcome)
    return function(outcome)


def _is_unreadable(response: Response | None, judgement: Judgement) -> TypeGuard[Response]:
    return response is not None and 200 <= response.status < 300 and judgement.final is Action.RETRY_LATER
