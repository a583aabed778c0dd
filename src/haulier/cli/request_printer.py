"""Every request that is sent, and its answer, shown to a person as they come."""

from __future__ import annotations

from urllib.parse import unquote_plus

import click

from haulier.api.http.transport import Request, Response, Transport, TransportError
from haulier.app.open_source import LiveSource
from haulier.cli.output import say
from haulier.plurals import count_of

SHOWN_RECORDS = 3


class RequestPrinter:
    """Wraps the transport and prints each request and answer. Credentials are added below it."""

    def __init__(self, *, as_json: bool) -> None:
        self.source: LiveSource | None = None
        self._as_json = as_json
        self.requests: list[dict[str, object]] = []
        self._transport: Transport | None = None

    def around(self, transport: Transport) -> Transport:
        self._transport = transport
        return self

    async def send(self, request: Request) -> Response:
        assert self._transport is not None
        url = self._redact(request.shown_url)
        try:
            response = await self._transport.send(request)
        except TransportError as error:
            say(f"{request.method} {unquote_plus(url)}\n    {self._redact(str(error))}")
            self.requests.append({"method": request.method, "url": url, "error": self._redact(str(error))})
            raise
        say(
            f"{request.method} {unquote_plus(url)}\n    {response.status}, {len(response.body):,} bytes "
            f"({response.wire_bytes:,} on the wire), first byte after {response.first_byte_seconds:.3f} s"
        )
        self.requests.append(
            {"method": request.method, "url": url, "status": response.status, "bytes": len(response.body)}
        )
        return response

    def page(self, number: int, lines: list[str]) -> None:
        """Print a page as soon as it came, so that a later failure stands below it."""
        where = "the first page" if number == 1 else f"page {number}"
        first = [] if self._as_json else lines[:SHOWN_RECORDS]
        say(f"{count_of(len(lines), 'record')} in {where}" + (f"; the first {len(first)}:" if first else "."))
        for line in first:
            click.echo(line)

    def _redact(self, text: str) -> str:
        return text if self.source is None else self.source.client.redactor.redact(text)
