"""The last good request, sent again to tell whether the API fails or the item."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from haulier.api.errors import Action
from haulier.api.http.transport import Request, Response, TransportError

Send = Callable[[Request], Awaitable[Response]]
Judge = Callable[[Response | TransportError], Action]
"""Judges an answer by the rules that the request was read by."""

REFUSAL_VALID_SECONDS: Final = 15.0
"""Time for which a refusal is believed: a hundred items that fail together ask once."""


class Witness:
    """Private to a process: a request may hold too much for a row that others read."""

    def __init__(self) -> None:
        self.send: Send | None = None
        self._request: Request | None = None
        self._judged: Judge = lambda _: Action.OK
        self._is_first_page = False

    @property
    def is_there(self) -> bool:
        return self.send is not None and self._request is not None

    def note(self, request: Request, judged: Judge, *, is_first_page: bool) -> None:
        """First pages are preferred: the token of a later one may expire."""
        if is_first_page or not self._is_first_page:
            self._request, self._judged, self._is_first_page = request, judged, is_first_page

    async def works(self) -> bool:
        """Send it. Any answer but that of an API in trouble shows that the API is up, even one to an old token."""
        judged, answer = self._judged, await self.ask()
        if not isinstance(answer, Response) or answer.status >= 500 or answer.status == 429:
            return False
        return judged(answer) not in {Action.RETRY_LATER, Action.OUTAGE}

    async def action(self) -> Action:
        judged = self._judged
        return judged(await self.ask())

    async def ask(self) -> Response | TransportError:
        assert self.send is not None
        assert self._request is not None
        try:
            return await self.send(self._request)
        except TransportError as error:
            return error
