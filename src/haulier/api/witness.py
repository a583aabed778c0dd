"""The last good request: sent again where nobody else can tell whether it is the API that fails, or the item."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from haulier.api.transport import Request, Response, TransportError

Send = Callable[[Request], Awaitable[Response]]

ASKED_SECONDS: Final = 15.0
"""For how long an answer "no" is believed: a hundred items that fail together ask once."""


class Witness:
    """Kept by each process for itself: a request may say too much for a row that others read."""

    def __init__(self) -> None:
        self.send: Send | None = None
        self._request: Request | None = None
        self._is_first_page = False

    @property
    def is_there(self) -> bool:
        return self.send is not None and self._request is not None

    def note(self, request: Request, *, is_first_page: bool) -> None:
        """It was answered well. First pages are preferred, since a later page's token may have died by the time."""
        if is_first_page or not self._is_first_page:
            self._request, self._is_first_page = request, is_first_page

    async def works(self) -> bool:
        """Send it. Any answer but those of an API in trouble says that the API is up, even that a token is old."""
        status = await self.status()
        return status is not None and status < 500 and status != 429

    async def status(self) -> int | None:
        """Send it; None where no answer comes."""
        if self.send is None or self._request is None:
            return None
        try:
            return (await self.send(self._request)).status
        except TransportError:
            return None
