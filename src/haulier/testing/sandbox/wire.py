"""HTTP/1.1 as bytes: the head of a request, an answer, and an answer rendered once to be sent many times."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus

import msgspec

JSON_TYPE = b"application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a JSON body. A first page may take longer (``first_page_seconds``)."""

    status: int
    body: bytes
    is_first_page: bool = False
    headers: tuple[tuple[bytes, bytes], ...] = ()
    took_token: bytes = b""
    """The page token that the client sent."""
    gave_token: bytes = b""
    """The page token of the next page."""
    walk: tuple[int, int] | None = None
    """The ranks at which the list begins and the next page begins; None on the last page."""
    content_type: bytes = JSON_TYPE


def error(status: int, message: str, *, code: str = "") -> Answer:
    """Make an error: ``{"error": message}`` or ``{"error": {"code": code, "message": message}}``."""
    said = {"code": code, "message": message} if code else message
    return Answer(status, msgspec.json.encode({"error": said}))


class RequestHead:
    """A request line and its headers. They are not parsed, since most requests need only two headers."""

    __slots__ = ("_lowered", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._lowered = raw.lower()

    def get(self, name: bytes) -> bytes:
        start = self._lowered.find(b"\r\n" + name + b":")
        if start < 0:
            return b""
        start += len(name) + 3
        end = self.raw.find(b"\r\n", start)
        return self.raw[start : end if end >= 0 else len(self.raw)].strip()


class RenderedAnswer:
    """An answer rendered as bytes; the compressed form is made when a client first wants it."""

    __slots__ = ("answer", "compressed", "plain")

    def __init__(self, made: Answer) -> None:
        self.answer = made
        self.plain = render(made, made.body)
        self.compressed: bytes | None = None

    def wire(self, is_gzipped: bool) -> bytes:
        if not is_gzipped:
            return self.plain
        if self.compressed is None:
            body = gzip.compress(self.answer.body, compresslevel=1, mtime=0)
            self.compressed = render(self.answer, body, b"Content-Encoding: gzip\r\n")
        return self.compressed


def render(
    made: Answer, body: bytes, headers: bytes = b"", *, length: int | None = None, content_type: bytes = b""
) -> bytes:
    """Render the answer with a body; ``length`` replaces its true Content-Length."""
    for header in made.headers:
        headers += b"%s: %s\r\n" % header
    head = b"HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%sContent-Length: %d\r\n\r\n"
    told = len(body) if length is None else length
    return (
        head % (made.status, HTTPStatus(made.status).phrase.encode(), content_type or made.content_type, headers, told)
        + body
    )


def add_headers(wire: bytes, headers: bytes) -> bytes:
    start = wire.find(b"\r\n") + 2
    return wire[:start] + headers + wire[start:]


def head_of(wire: bytes, now: datetime) -> bytes:
    """The head of an answer alone, as HEAD has it, with the time that it was made at."""
    date = format_datetime(now.replace(microsecond=0), usegmt=True)
    return add_headers(wire[: wire.find(b"\r\n\r\n") + 4], b"Date: %s\r\n" % date.encode())
