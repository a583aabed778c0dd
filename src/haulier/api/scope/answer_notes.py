"""What an answer tells of the API, and what is done about that: of another origin's answer, nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from haulier.api.answers.judgement import Judgement, Rule
from haulier.api.errors import Action
from haulier.api.http.transport import Request, Response, TransportError
from haulier.api.limits.patience import Patience
from haulier.api.limits.query_cost import QueryCost
from haulier.api.scope.scope import Scope
from haulier.clock import Clock

CREDENTIAL_PAUSE_SECONDS: Final = 15.0
"""Pause after refused credentials, so that workers restarted by a supervisor ask no more often."""
MAX_PACE_WAIT_SECONDS: Final = 60.0
"""Longest announced wait that slows the pace. A longer one is about a quota of an hour or a day."""

_OF_THE_API: Final = frozenset({Action.OUTAGE, Action.PAUSE, Action.AUTH, Action.CONFIG})

Outcome = Response | TransportError


class AnswerNotes(Protocol):
    @property
    def rules(self) -> tuple[Rule, ...]:
        """Of the source."""
        ...

    def note_end(self, response: Response, *, is_first_page: bool) -> None:
        """A good answer without a page."""
        ...

    def note_good(
        self,
        response: Response,
        request: Request,
        judged: Callable[[Outcome], Action],
        *,
        is_first_page: bool,
        is_repeatable: bool,
    ) -> float:
        """Returns the time that all requests have to wait, since the next query costs more than is left."""
        ...

    def note_outage(self, outcome: Outcome, reason: str) -> None: ...

    async def note_refusal(self, reason: str) -> None:
        """The credentials are refused, or what the source declares of the network."""
        ...

    def cost_wait(self, outcome: Outcome) -> float: ...

    async def pause(self, seconds: float, reason: str, outcome: Outcome, judgement: Judgement) -> bool:
        """Let all requests wait. True: this one alone has to."""
        ...

    def last_judgement(self, judgement: Judgement) -> Judgement:
        """Of a request that is given up."""
        ...


@dataclass(frozen=True, slots=True)
class ApiNotes:
    """Of the API's own answers to one item."""

    scope: Scope
    patience: Patience
    cost_at: QueryCost | None
    clock: Clock
    stream: str
    rules: tuple[Rule, ...]
    warned: set[str]
    say_once: Callable[..., None]

    def note_end(self, response: Response, *, is_first_page: bool) -> None:
        self.scope.note_success(response, is_first_page=is_first_page)

    def note_good(
        self,
        response: Response,
        request: Request,
        judged: Callable[[Outcome], Action],
        *,
        is_first_page: bool,
        is_repeatable: bool,
    ) -> float:
        if not request.part:
            if self.cost_at is not None:
                self._note_cost(self.cost_at, response)
            self.patience.note(self.stream, response.first_byte_seconds, is_first_page=is_first_page)
        self.scope.note_success(
            response, request=request if is_repeatable else None, judged=judged, is_first_page=is_first_page
        )
        return 0.0 if self.cost_at is None else self.cost_wait(response)

    def note_outage(self, outcome: Outcome, reason: str) -> None:
        self.scope.note_failure(outcome if isinstance(outcome, Response) else None, reason)

    async def note_refusal(self, reason: str) -> None:
        # Every other request would be refused too, and many logins are locked after a few refusals.
        await self.scope.pause(CREDENTIAL_PAUSE_SECONDS, reason, is_of_credentials=True)

    def cost_wait(self, outcome: Outcome) -> float:
        if self.cost_at is None or not isinstance(outcome, Response):
            return 0.0
        return self.cost_at.seconds(outcome.body, self.clock.now())

    async def pause(self, seconds: float, reason: str, outcome: Outcome, judgement: Judgement) -> bool:
        is_alone = (
            isinstance(outcome, Response)
            and judgement.is_throttling
            and seconds <= MAX_PACE_WAIT_SECONDS
            and self.scope.note_throttled(seconds, outcome)
        )
        if not is_alone:
            await self.scope.pause(seconds, reason)
        return is_alone

    def last_judgement(self, judgement: Judgement) -> Judgement:
        return judgement

    def _note_cost(self, cost_at: QueryCost, response: Response) -> None:
        """A misspelt path would limit nothing. Nobody looks again once a stream's answer told the cost."""
        known = f"{self.stream} cost"
        if known in self.warned:
            return
        self.warned.add(known)
        if lack := cost_at.lack(response.body):
            self.say_once("an answer does not tell what a query costs, so that `cost` limits nothing", missing=lack)


class ForeignNotes:
    """Of a file at another origin: it tells nothing of the API, nor does what goes wrong there."""

    rules: tuple[Rule, ...] = ()

    def note_end(self, response: Response, *, is_first_page: bool) -> None:
        return

    def note_good(
        self,
        response: Response,
        request: Request,
        judged: Callable[[Outcome], Action],
        *,
        is_first_page: bool,
        is_repeatable: bool,
    ) -> float:
        return 0.0

    def note_outage(self, outcome: Outcome, reason: str) -> None:
        return

    async def note_refusal(self, reason: str) -> None:
        return

    def cost_wait(self, outcome: Outcome) -> float:
        return 0.0

    async def pause(self, seconds: float, reason: str, outcome: Outcome, judgement: Judgement) -> bool:
        return True

    def last_judgement(self, judgement: Judgement) -> Judgement:
        """No worker stops for it."""
        return replace(judgement, action=Action.RETRY_LATER) if judgement.final in _OF_THE_API else judgement


FOREIGN_NOTES: Final = ForeignNotes()
