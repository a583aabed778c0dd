"""The client of one API: what is shared by all items of a process."""

from __future__ import annotations

import random

from haulier.api.answers.judgement import Rule
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Transport
from haulier.api.limits.patience import Patience
from haulier.api.paging.totals import Total
from haulier.api.requester import ApiParts, ItemPlace, MovedTotal, Usage
from haulier.api.scope.scope import Scope
from haulier.api.session import ItemApi
from haulier.api.settings import Api
from haulier.clock import Clock

__all__ = ["Client", "ItemApi", "ItemPlace", "MovedTotal", "Total", "Usage"]


class Client:
    """Hands out an `ItemApi` for each item. It owns neither transport nor scope: whoever made them closes them."""

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

    def session(self, place: ItemPlace | None = None, *, is_suspect: bool = False) -> ItemApi:
        """The API for one item. Its account starts at nothing.

        ``place``: where it belongs. ``is_suspect``: it comes from an item that could not
        be read, so that what fails is not asked for often.
        """
        return ItemApi(self._parts, place, is_suspect=is_suspect)
