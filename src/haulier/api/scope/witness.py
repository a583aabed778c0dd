"""The last good request: sent again where nobody else can tell whether it is the API that fails, or the item."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from haulier.api.errors import Action
from haulier.api.http.transport import Request, Response, TransportError

Send = Callable[[Request], Awaitable[Response]]
Judge = Callable[[Response | TransportError], Action]
"""What an answer to the same request, under the same rules and read for the same, comes to."""

REFUSAL_VALID_SECONDS: Final = 15.0
"""For how long an answer "no" is believed: a hundred items that fail together ask once."""


class Witness:
    """Kept by each process for itself: a request may say too much for a row that others read."""

    def __init__(self) -> None:
        self.send: Send | None = None
        self._request: Request | None = None
        self._judged: Judge = lambda _: Action.OK
        self._is_first_page = False

    @property
    def is_there(self) -> bool:
        return self.send is not None and self._request is not None

    def note(self, request: Request, judged: Judge, *, is_first_page: bool) -> None:
        """It was answered well. First pages are preferred, since a later page's token may have died by the time."""
        if is_first_page or not self._is_first_page:
            self._request, self._judged, self._is_first_page = request, judged, is_first_page

    async def works(self) -> bool:
        """Send it. Any answer but those of an API in trouble says that the API is up, even that a token is old."""
        judged, answer = self._judged, await self.ask()
        if not isinstance(answer, Response) or answer.status >= 500 or answer.status == 429:
            return False
        return judged(answer) not in {Action.RETRY_LATER, Action.OUTAGE}

    async def action(self) -> Action:
        """Send it, and say what it comes to now."""
        judged = self._judged
        return judged(await self.ask())

    async def ask(self) -> Response | TransportError:
        """Send it."""
        assert self.send is not None
        assert self._request is not None
        try:
            return await self.send(self._request)
        except TransportError as error:
            return error
