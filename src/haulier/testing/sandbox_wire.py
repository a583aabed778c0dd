"""HTTP/1.1 as bytes: the head of a request, and an answer made ready to be sent many times."""

from __future__ import annotations

import gzip
from http import HTTPStatus

from haulier.testing.sandbox_answers import Answer


class RequestHead:
    """A request line and its headers, unparsed: most requests are asked for two of them."""

    __slots__ = ("_lowered", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._lowered = raw.lower()

    def get(self, name: bytes) -> bytes:
        """The value of a header by its lower-case name, or nothing."""
        start = self._lowered.find(b"\r\n" + name + b":")
        if start < 0:
            return b""
        start += len(name) + 3
        end = self.raw.find(b"\r\n", start)
        return self.raw[start : end if end >= 0 else len(self.raw)].strip()


class RenderedAnswer:
    """An answer as it goes over the wire, plain and, once a client wanted it, compressed."""

    __slots__ = ("answer", "compressed", "plain")

    def __init__(self, made: Answer) -> None:
        self.answer = made
        self.plain = _render(made, made.body)
        self.compressed: bytes | None = None

    def wire(self, is_gzipped: bool) -> bytes:
        """Status line, headers and body."""
        if not is_gzipped:
            return self.plain
        if self.compressed is None:
            body = gzip.compress(self.answer.body, compresslevel=1, mtime=0)
            self.compressed = _render(self.answer, body, b"Content-Encoding: gzip\r\n")
        return self.compressed


def _render(made: Answer, body: bytes, headers: bytes = b"") -> bytes:
    if made.retry_after_seconds:
        headers += b"Retry-After: %d\r\n" % made.retry_after_seconds
    if made.status == 401:
        headers += b"WWW-Authenticate: Bearer\r\n"
    head = b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n"
    return head % (made.status, HTTPStatus(made.status).phrase.encode(), headers, len(body)) + body
