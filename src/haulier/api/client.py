"""The client of one API, shared by all items of a process."""

from __future__ import annotations

import random

from haulier.api.answers.judgement import Rule, judge
from haulier.api.errors import Action, ApiError
from haulier.api.http.redactor import Redactor
from haulier.api.http.server_time import ServerTime, ask_server_time
from haulier.api.http.transport import Transport, TransportError
from haulier.api.limits.patience import Patience
from haulier.api.paging.totals import Total
from haulier.api.records.item_counts import MovedTotal
from haulier.api.requester import ApiParts, ItemPlace, Usage
from haulier.api.scope.scope import Scope
from haulier.api.search.knowledge import SearchKnowledge
from haulier.api.session import ItemApi
from haulier.api.settings import Api
from haulier.clock import Clock

__all__ = ["Client", "ItemApi", "ItemPlace", "MovedTotal", "Total", "Usage"]


class Client:
    """Makes an `ItemApi` for each item. The caller closes transport and scope."""

    def __init__(
        self,
        settings: Api,
        transport: Transport,
        scope: Scope,
        clock: Clock,
        rng: random.Random,
        redactor: Redactor,
        rules: tuple[Rule, ...] = (),
    ) -> None:
        self._parts = ApiParts(
            settings, transport, scope, clock, rng, redactor, Patience(settings.first_byte_timeout_seconds), rules
        )
        scope.attach(transport.send)
        self.scope = scope
        self.findings = self._parts.findings
        self.redactor = redactor
        self._search_knowledge = SearchKnowledge(clock)

    def session(self, place: ItemPlace | None = None, *, is_suspect: bool = False) -> ItemApi:
        """``is_suspect``: the item failed before, so failures are retried less often."""
        return ItemApi(self._parts, place, is_suspect=is_suspect, search_knowledge=self._search_knowledge)

    async def ask_time(self) -> ServerTime:
        """What the API's own clock shows. It waits for its turn as any request does. Raises `ApiError` where no answer
        comes."""
        parts, url = self._parts, self._parts.settings.url
        try:
            return await ask_server_time(url, parts.transport, parts.scope.slot, parts.clock, parts.rng)
        except TransportError as error:
            reason = parts.redactor.redact(error.text)
            action = judge(error, now=parts.clock.now()).final
            is_persons = action in (Action.CONFIG, Action.AUTH)
            todo = (
                "Put that right, and run the same command again" if is_persons else "Run the same command again later"
            )
            raise ApiError(
                f"{parts.redactor.redact(url)} was asked for its time, and does not answer: {reason}. No run was "
                f"claimed, since only the API's clock can say up to when it may read. {todo}.",
                action=action,
                fault=error.kind,
                reason=reason,
            ) from error
