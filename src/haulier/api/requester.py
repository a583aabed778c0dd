"""One request until it is answered well or given up: the gate, the repeats in place, the pauses, the error in words."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeGuard, TypeVar

from haulier.api.answers.body_problem import BodyProblem
from haulier.api.answers.declared_wait import find_wait
from haulier.api.answers.judgement import EXPECTED_PAGE, ExpectedAnswer, Judgement, Rule, judge
from haulier.api.errors import Action, ApiError, BodyError, Fault, is_stumble
from haulier.api.http.redactor import Redactor
from haulier.api.http.retry_after import DAY_SECONDS
from haulier.api.http.transport import Request, Response, Transport, TransportError
from haulier.api.limits.patience import Patience
from haulier.api.limits.retry_budget import RetryBudget
from haulier.api.records.next_sign import SignTotals, StreamSigns
from haulier.api.scope.scope import Scope
from haulier.api.settings import Api
from haulier.clock import Clock, wall_seconds

BACKOFF_BASE_SECONDS: Final = 0.5
BACKOFF_CAP_SECONDS: Final = 30.0
MAX_PAUSES_PER_REQUEST: Final = 4
"""Of one request. An API that goes on refusing after so many waits of its own choice is left to later."""
MAX_HELD_WAIT_SECONDS: Final = 900.0
"""The longest wait that an item is held for. Above a quarter of an hour it goes back, and makes room for others."""
DEFAULT_PAUSE_SECONDS: Final = 60.0
"""Where an API asks everybody to wait and does not say how long. It doubles, as GitHub wants it."""

CREDENTIAL_PAUSE_SECONDS: Final = 15.0
"""The pause where a person has to do something: workers that are started again by themselves ask no more often."""

MAX_PACE_WAIT_SECONDS: Final = 60.0
"""A longer wait is about a quota of an hour or a day, and says nothing of a pace."""

MAX_KEPT_BODY_BYTES: Final = 64 * 1024
"""Of a body that cannot be read, to be kept: a page of 100 records of 600 bytes whole."""
MAX_SUSPECT_RETRIES: Final = 1
"""Repeats in place for an item that is known to hold what cannot be read: it was asked for often enough before."""

_SHOWN_CHARACTERS: Final = 300

T = TypeVar("T")
logger = logging.getLogger("haulier.api")


@dataclass(frozen=True)
class FirstPage:
    """What the first page of a list tells of the others."""

    records: int
    total: int | None
    has_more: bool


@dataclass
class ClientFindings:
    """What all items of a client have seen so far, for whoever watches."""

    first_page: FirstPage | None = None
    """Of the first list that was read; for who estimates."""
    told: set[str] = field(default_factory=set)
    """What a person has been told already."""
    signs: dict[str, tuple[str, StreamSigns]] = field(default_factory=dict)
    """By stream: the newest of its runs, and what was seen in it of the signs of a next page."""


@dataclass(frozen=True)
class ApiParts:
    """What a client is made of. ``rules`` are the source's own, ahead of the table of actions."""

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


@dataclass(frozen=True, slots=True)
class MovedTotal:
    """A total that moved while the item was read. The records equal the one read last."""

    promised: int
    reread: int


@dataclass
class Usage:
    """What one item has asked of the API."""

    requests: int = 0
    """All that were sent, repeats too."""
    first_sent_at: float | None = None
    """Monotonic; None before the first was sent."""
    drift: MovedTotal | None = None
    """An exact total that moved while the item was read."""
    hidden: int = 0
    """Rows that the API counts and did not show."""
    repeated: int = 0
    """Pages that began with the record that the page before had ended with, where that is no error."""
    sign_totals: SignTotals = field(default_factory=SignTotals)
    """What was seen of the signs of a next page."""


async def _nobody_knows() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class ItemPlace:
    """Where an item belongs, as far as its requests must know."""

    stream: str = ""
    run_id: str = ""
    was_sign_seen: Callable[[], Awaitable[bool]] = _nobody_knows
    """Asks whether an item of the stream that was done by any process of the run showed the sign of a next page."""


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    """``value`` is what was read from the response; None under the actions END and ABSENT."""

    response: Response
    action: Action
    value: T | None


class Requester:
    """Sends the requests of one item, one after another."""

    def __init__(self, parts: ApiParts, place: ItemPlace | None = None, *, is_suspect: bool = False) -> None:
        self._parts = parts
        self._place = place or ItemPlace()
        self._is_suspect = is_suspect
        self._wait_at = parts.settings.wait_at
        self.usage = Usage()
        self.is_waiting = False
        """Whether the item waits at the gate."""

    def note_first_page(self, records: int, total: int | None, *, has_more: bool) -> None:
        """The first page of a list was read."""
        if records and self._parts.findings.first_page is None:
            self._parts.findings.first_page = FirstPage(records, total, has_more)

    async def send(
        self,
        request: Request,
        read: Callable[[Response], T],
        *,
        expected: ExpectedAnswer = EXPECTED_PAGE,
        rules: Sequence[Rule] = (),
        is_first_page: bool = True,
        read_end: Callable[[Response, Action], T | None] | None = None,
        read_anew: Callable[[Response], object] | None = None,
    ) -> Answered[T]:
        """Send until there is an answer that ``read`` can read; it may be called again and must change nothing.

        ``read_end`` reads the body of a good status that a rule calls END or ABSENT; without it that body is not read.
        ``read_anew`` reads the same answer when it comes another time, as ``read`` did for the first time; it is
        ``read`` itself where that remembers nothing. ``rules`` come ahead of the source's. ``is_first_page``: it is not
        a later page of a list. Raises `ApiError` with an action about the item. Repeats wait outside of the gate, with
        full jitter and within the retry budget; pauses stop the whole scope at once.
        """
        parts = self._parts
        rules = (*rules, *parts.rules)

        def judged(outcome: Response | TransportError | BodyProblem) -> Judgement:
            return judge(outcome, now=parts.clock.now(), expected=expected, rules=rules, wait_at=self._wait_at)

        def judged_by_body(outcome: Response | TransportError) -> Action:
            """As the witness, with its body read: an error object under a good status is no good answer."""
            judgement = judged(outcome)
            if judgement.action is Action.OK and isinstance(outcome, Response):
                try:
                    (read_anew or read)(outcome)
                except BodyError as error:
                    judgement = judged(BodyProblem(str(error), shape=error.shape))
            return judgement.final

        repeats = pauses = silences = 0
        while True:
            outcome = await self._send_once(request, silences, is_first_page=is_first_page)
            judgement = judged(outcome)
            if isinstance(outcome, Response):
                if judgement.action in {Action.END, Action.ABSENT}:
                    is_good = 200 <= outcome.status < 300
                    try:
                        found = read_end(outcome, judgement.action) if read_end is not None and is_good else None
                    except BodyError as error:
                        judgement = judged(BodyProblem(str(error), shape=error.shape))
                    else:
                        parts.budget.note_success()
                        parts.scope.note_success(outcome, is_first_page=is_first_page)
                        return Answered(outcome, judgement.action, found)
                elif judgement.action is Action.OK:
                    try:
                        value = read(outcome)
                    except BodyError as error:
                        judgement = judged(BodyProblem(str(error), shape=error.shape))
                    else:
                        parts.budget.note_success()
                        parts.patience.note(self._place.stream, outcome.first_byte_seconds, is_first_page=is_first_page)
                        parts.scope.note_success(
                            outcome, request=request, judged=judged_by_body, is_first_page=is_first_page
                        )
                        return Answered(outcome, judgement.action, value)
            reason = parts.redactor.redact(judgement.reason)
            if judgement.is_outage:
                parts.scope.note_failure(outcome if isinstance(outcome, Response) else None, reason)
            wait, is_alone = judgement.retry_after_seconds, False
            if isinstance(outcome, Response) and outcome.status >= 400:
                self._note_wait(outcome)
            if judgement.action is Action.PAUSE:
                wait = min(MAX_HELD_WAIT_SECONDS, DEFAULT_PAUSE_SECONDS * 2.0**pauses) if wait is None else wait
                is_alone = (
                    isinstance(outcome, Response)
                    and judgement.is_throttling
                    and wait <= MAX_PACE_WAIT_SECONDS
                    and parts.scope.note_throttled(wait, outcome)
                )
                if not is_alone:
                    await parts.scope.pause(wait, reason)
                may_repeat = pauses < MAX_PAUSES_PER_REQUEST
                pauses += 1
            else:
                may_repeat = judgement.action is Action.RETRY and repeats < self._max_retries(judgement, outcome)
            if judgement.action in {Action.AUTH, Action.CONFIG}:
                # Whoever comes next would be refused too, and many a login is locked after a few of those.
                await parts.scope.pause(CREDENTIAL_PAUSE_SECONDS, reason, is_of_credentials=True)
            is_early = isinstance(outcome, TransportError) and outcome.is_early
            will_repeat = is_early or (may_repeat and (wait or 0.0) <= MAX_HELD_WAIT_SECONDS)
            parts.scope.failures.note(
                f"{self.shown(request)}: {reason}", wall_seconds(parts.clock), is_retried=will_repeat
            )
            if not will_repeat:
                if (wait or 0.0) > DAY_SECONDS and (refusal := parts.scope.refusal) is not None:
                    raise refusal
                raise self._error(request, outcome, judgement, wait)
            if is_early:
                # Asked for again at once, but for an API in trouble.
                silences += 1
                await parts.clock.sleep(parts.budget.take(parts.clock.monotonic()))
            elif is_alone:
                await self._held_back(wait or 0.0)
            elif judgement.action is Action.RETRY:
                # A pause needs no sleep here: the gate is shut for as long as it lasts.
                turn = parts.budget.take(parts.clock.monotonic())
                await parts.clock.sleep(max(wait or 0.0, self._jitter(repeats), turn))
                repeats += 1

    async def _send_once(self, request: Request, silences: int, *, is_first_page: bool) -> Response | TransportError:
        """Send through the gate, for as long as answers of this kind usually take."""
        wait = self._parts.patience.wait(self._place.stream, silences, is_first_page=is_first_page)
        counted = request.replace(wait=wait, onward=self._onward)
        async with self._parts.scope.slot(self._wait):
            self.usage.requests += 1
            if self.usage.first_sent_at is None:
                self.usage.first_sent_at = self._parts.clock.monotonic()
            try:
                return await self._parts.transport.send(counted)
            except TransportError as error:
                return error

    async def _onward(self) -> None:
        """The request takes one more than itself."""
        await self._parts.scope.onward()
        self.usage.requests += 1

    def _note_wait(self, response: Response) -> None:
        """What a person should know of the waits that an API asks for (docs/apis/answers.md#how-long-to-wait)."""
        parts = self._parts
        found, told = find_wait(response, parts.clock.now(), self._wait_at), parts.findings.told
        if found.unreadable and "unreadable" not in told:
            told.add("unreadable")
            value = parts.redactor.redact(found.unreadable[:100])
            logger.warning("a Retry-After means nothing, and counts as missing", extra={"value": value})
        if found.is_for_a_person and "long" not in told:
            told.add("long")
            logger.warning("the API asks everybody to wait for more than a day", extra={"seconds": found.seconds})

    def _max_retries(self, judgement: Judgement, outcome: Response | TransportError) -> int:
        is_of_item = judgement.then is Action.RETRY_LATER or (
            isinstance(outcome, Response) and is_stumble(outcome.status)
        )
        is_known = self._is_suspect and is_of_item
        return min(MAX_SUSPECT_RETRIES, judgement.retries) if is_known else judgement.retries

    async def _held_back(self, seconds: float) -> None:
        """Wait as the API asked of this request alone. It is no time of the item's, as at the gate."""
        self.is_waiting = True
        try:
            await self._parts.clock.sleep(seconds)
        finally:
            self.is_waiting = False

    def _wait(self, is_waiting: bool) -> None:
        self.is_waiting = is_waiting

    def _jitter(self, repeats: int) -> float:
        return self._parts.rng.uniform(0.0, min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2.0**repeats))

    @property
    def signs(self) -> StreamSigns:
        """What all items of the stream and run have seen of the signs of a next page, in this process."""
        place, known = self._place, self._parts.findings.signs
        run_id, signs = known.get(place.stream, ("", None))
        if signs is None or run_id != place.run_id:
            signs = StreamSigns()
            known[place.stream] = place.run_id, signs
        return signs

    async def was_sign_seen(self) -> bool:
        """Whether a done item of the stream showed the sign of a next page, in any process of the run."""
        return await self._place.was_sign_seen()

    def say_once(self, event: str, **fields: str) -> None:
        """A warning that is given once for a stream."""
        told, key = self._parts.findings.told, f"{self._place.stream} {event}"
        if key not in told:
            told.add(key)
            stream = {"stream": self._place.stream} if self._place.stream else {}
            redacted = {name: self._parts.redactor.redact(value) for name, value in fields.items()}
            logger.warning(event, extra={**stream, **redacted})

    def shown(self, request: Request) -> str:
        """The request for a message: method and address, without secrets."""
        text = self._parts.redactor.redact(f"{request.method} {request.url}")
        return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + " ..."

    def _error(
        self, request: Request, outcome: Response | TransportError, judgement: Judgement, wait: float | None
    ) -> ApiError:
        redactor = self._parts.redactor
        response = outcome if isinstance(outcome, Response) else None
        excerpt = redactor.excerpt(response.body) if response is not None else ""
        text = f"{self.shown(request)}: {redactor.redact(judgement.reason)}."
        if wait:
            text += f" It asks to wait {wait:g} s."
        if advice := judgement.shape.remedy or _advice(judgement, outcome):
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


def _is_unreadable(response: Response | None, judgement: Judgement) -> TypeGuard[Response]:
    """Whether an answer came whole, with a good status, and is still none."""
    return response is not None and 200 <= response.status < 300 and judgement.final is Action.RETRY_LATER


def _advice(judgement: Judgement, outcome: Response | TransportError) -> str:
    """What a person should look at. Nothing about what becomes of the item, which is decided later, or not at all."""
    match judgement.final:
        case Action.AUTH:
            return "The API refuses the credentials. Check `auth` of the source, and the variable that it names."
        case Action.CONFIG:
            return "Check the address, the proxy and the certificates that the source declares."
        case Action.PAUSE:
            return "The API asks everybody to wait."
        case Action.OUTAGE:
            return "The API does not answer well at present."
        case Action.SPLIT:
            return "Ask for less at a time: a smaller step, or smaller pages."
        case Action.POISON if isinstance(outcome, Response) and outcome.status == 404:
            return "Check the path of the stream."
        case Action.POISON if isinstance(outcome, TransportError) and outcome.kind is Fault.REDIRECT:
            return "Check path and `url`: has the API moved, or does it ask for a login?"
        case Action.POISON:
            return "It would be answered so each time. Check path, query and rights."
        case _:
            return ""
