"""HTTP/1.1 as the proxy reads and writes it, and the three ways in which it cuts a body."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import re
from dataclasses import dataclass
from enum import Enum

import msgspec

JSON_HEADERS = [(b"Content-Type", b"application/json")]
# Refused in a head, since a line end among them would begin another header.
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Cut(Enum):
    """The ways in which half a body looks whole to some clients."""

    LENGTH = "length"  # Content-Length promises the whole body; the connection closes after half
    GZIP = "gzip"  # half of a gzip stream, with a Content-Length that agrees; LENGTH if the client takes no gzip
    CHUNKED = "chunked"  # half the body in a chunk, and no last chunk


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A whole request, with ``target`` and header values as the client wrote them."""

    method: str
    target: str
    version: str
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def get(self, name: bytes) -> bytes:
        return next((value for key, value in self.headers if key.lower() == name), b"")

    def asking_for_identity(self) -> WireRequest:
        """The same request for a body that is not compressed."""
        kept = [(key, value) for key, value in self.headers if key.lower() != b"accept-encoding"]
        return dataclasses.replace(self, headers=[*kept, (b"Accept-Encoding", b"identity")])


@dataclass(frozen=True, slots=True)
class WireResponse:
    """A whole answer, not decompressed. ``headers`` lacks those that frame the body, save in the answer to HEAD."""

    status: int
    reason: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    is_own: bool = False
    """Whether it is the proxy's own error, and not the service's answer."""


def cut_wire(response: WireResponse, cut: Cut) -> bytes:
    headers, body = response.headers, response.body
    half = body[: len(body) // 2]
    if cut is Cut.LENGTH:
        return _head(response, [*headers, (b"Content-Length", b"%d" % len(body))]) + half
    if cut is Cut.CHUNKED:
        return _head(response, [*headers, (b"Transfer-Encoding", b"chunked")]) + b"%x\r\n%s\r\n" % (len(half), half)
    if not any(name.lower() == b"content-encoding" for name, _ in headers):
        headers = [*headers, (b"Content-Encoding", b"gzip")]
        body = gzip.compress(body, compresslevel=1, mtime=0)
    half = body[: len(body) // 2]
    return _head(response, [*headers, (b"Content-Length", b"%d" % len(half))]) + half


def error_response(status: int, reason: str) -> WireResponse:
    """Make an error: ``{"error": reason}``. Its list of headers may be changed."""
    return WireResponse(status, reason, list(JSON_HEADERS), msgspec.json.encode({"error": reason}))


def whole_wire(response: WireResponse, *, is_head: bool = False) -> bytes:
    """Render the answer; the answer to HEAD has no body."""
    headers = response.headers
    if response.status not in (204, 304) and not is_head:
        headers = [*headers, (b"Content-Length", b"%d" % len(response.body))]
    return _head(response, headers) + (b"" if is_head else response.body)


def _head(response: WireResponse, headers: list[tuple[bytes, bytes]]) -> bytes:
    lines = [b"HTTP/1.1 %d %s" % (response.status, response.reason.encode("latin-1", "replace"))]
    lines += [b"%s: %s" % header for header in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


async def read_request(reader: asyncio.StreamReader) -> WireRequest | None:
    """Read the next request; None if it cannot be read or its body has no length.

    Raises ``IncompleteReadError`` if the client has left, ``LimitOverrunError`` for a head above the reader's limit.
    """
    raw = (await reader.readuntil(b"\r\n\r\n"))[:-4]
    first, *lines = raw.split(b"\r\n")
    if any(_CONTROL.search(line) for line in (first, *lines)):
        return None
    method, _, rest = first.decode("latin-1").partition(" ")
    target, _, version = rest.rpartition(" ")
    headers = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    request = WireRequest(method, target, version, headers, b"")
    length_text = request.get(b"content-length") or b"0"
    if not target.startswith("/") or request.get(b"transfer-encoding") or not length_text.isdigit():
        return None
    return dataclasses.replace(request, body=await reader.readexactly(int(length_text)))
