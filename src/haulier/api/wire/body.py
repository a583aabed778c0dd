"""Proves that a body is complete (G1): each HTTP client for Python returns cut bodies as success in some case.

Pure; may run in a thread.
"""

from __future__ import annotations

import struct
from typing import Any, cast

import msgspec
from isal import isal_zlib
from multidict import CIMultiDictProxy

from haulier.api.body_format import CSV, PLAIN_JSON, BodyFormat, CharsetProblem
from haulier.api.errors import Fault
from haulier.api.http.transport import TransportError
from haulier.api.records.paths import ROOT, raw_at
from haulier.api.wire.charset import CharsetError, to_utf8
from haulier.api.wire.framing import Framing

HEAVY_BODY_BYTES = 256 * 1024
"""Larger bodies are decoded in a thread: ISA-L takes 0.5 ms for so many bytes, and releases the GIL."""

_GZIP_MAGIC = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_MAX_MEMBERS = 10_000
"""More members of a gzip body are an attack: each copies the rest."""
_STEP_BYTES = 64 * 1024
_InflateError = cast("type[Exception]", isal_zlib.error)
"""The stubs of isal type it as an instance."""
_NO_CODINGS = frozenset(
    ("", "identity", "none", "null", "plain", "binary", "7bit", "8bit", "utf-8", "utf8", "ascii", "us-ascii")
)
"""Seen in `Content-Encoding` where nothing is encoded: names of charsets, and of how mail is sent."""
_NEWLINE_TYPES = ("ndjson", "jsonl", "jsonlines", "json-seq", "x-json-stream")


def codings_of(headers: CIMultiDictProxy[str]) -> tuple[str, ...]:
    names = (name.strip().lower() for line in headers.getall("Content-Encoding", ()) for name in line.split(","))
    return tuple(name.removeprefix("x-") for name in names if name not in _NO_CODINGS)


def is_heavy(wire: bytes, codings: tuple[str, ...], framing: Framing) -> bool:
    """Whether `decode_body` would block the event loop for too long."""
    if not codings:
        return not framing.is_delimited and len(wire) > HEAVY_BODY_BYTES
    # The trailer of gzip holds the decoded size. A lying one costs a pause of the loop and nothing else.
    announced = struct.unpack("<I", wire[-4:])[0] if codings == ("gzip",) and len(wire) >= 4 else 0
    return len(wire) > HEAVY_BODY_BYTES // 8 or announced > HEAVY_BODY_BYTES


def decode_body(
    wire: bytes, headers: CIMultiDictProxy[str], framing: Framing, limit: int, form: BodyFormat = PLAIN_JSON
) -> tuple[bytes, CharsetProblem | None]:
    """Return the body in UTF-8; or as it came, and why it cannot be.

    Raises `TransportError`: CUT where the body is incomplete, PROTOCOL where it contradicts its headers, TOO_LARGE
    where it would decode to more than ``limit`` bytes."""
    if framing.length is not None and len(wire) != framing.length:
        raise TransportError(Fault.CUT, f"the body has {len(wire)} bytes where Content-Length says {framing.length}")
    body = wire
    # An empty body may carry a Content-Encoding; whether it may be empty is judged elsewhere.
    for coding in reversed(codings_of(headers)) if wire else ():
        body = _decode(body, coding, limit)
    problem: CharsetProblem | None = None
    content_type = headers.get("Content-Type", "")
    try:
        # A file that is gzip itself is unzipped first (`haulier.api.wire.gzip_file`).
        if not body.startswith(_GZIP_MAGIC):
            body, problem = to_utf8(body, content_type, form.charset, is_json=form.kind != CSV)
    except CharsetError as error:
        problem = error.problem
    if len(body) > limit:
        raise TransportError(Fault.TOO_LARGE, f"the body has {len(body)} bytes in UTF-8; max_body_bytes is {limit}")
    body = strip_bom(body)
    # What has lines is told apart by its last one, or by a total (`haulier.api.records.line_reader`).
    if not framing.is_delimited and not form.has_lines and (problem is None or problem.is_harmless):
        _demand_end(body, content_type)
    return body, problem


def strip_bom(body: bytes) -> bytes:
    """Remove a UTF-8 byte order mark before JSON (RFC 8259 8.1); other formats may need it."""
    return body[len(_BOM) :] if body[:3] == _BOM and body[3:].lstrip()[:1] in {b"{", b"["} else body


def _decode(wire: bytes, coding: str, limit: int) -> bytes:
    match coding:
        case "gzip":
            return _inflate(wire, "gzip", 31, limit)
        case "deflate":
            # RFC 9110 8.4.1.2 means zlib's format; some servers send the bare stream, whose first byte tells.
            is_zlib = len(wire) > 1 and wire[0] & 0x0F == 8 and (wire[0] << 8 | wire[1]) % 31 == 0
            return _inflate(wire, "deflate", 15 if is_zlib else -15, limit)
        case _:
            raise TransportError(Fault.PROTOCOL, f"the answer has Content-Encoding '{coding}', which was not asked for")


def _inflate(wire: bytes, coding: str, wbits: int, limit: int) -> bytes:
    view = memoryview(wire)
    parts: list[bytes] = []
    room = limit + 1
    at = 0
    for _ in range(_MAX_MEMBERS):
        inflater = isal_zlib.decompressobj(wbits=wbits)
        step = len(view) if at == 0 else _STEP_BYTES
        while not inflater.eof:
            # An inflater that is not at its end after the last byte wants more of it: checksum and size are a part of
            # the stream.
            piece = inflater.unconsumed_tail or view[at : at + step]
            if not piece:
                raise TransportError(Fault.CUT, f"{coding} ends in the middle of its stream")
            part, taken = _inflate_piece(inflater, piece, coding, room)
            at += taken
            room -= len(part)
            parts.append(part)
            if room <= 0:
                raise TransportError(Fault.TOO_LARGE, f"the body decodes to more than {limit} bytes")
        if at == len(view):
            return parts[0] if len(parts) == 1 else b"".join(parts)
        if coding != "gzip" or bytes(view[at : at + 2]) != _GZIP_MAGIC:
            raise TransportError(Fault.PROTOCOL, f"{len(view) - at} bytes follow the end of the {coding} stream")
    raise TransportError(Fault.PROTOCOL, f"the body has more than {_MAX_MEMBERS} gzip members")


def _inflate_piece(inflater: Any, piece: bytes | memoryview, coding: str, room: int) -> tuple[bytes, int]:
    """Also returns how many bytes of ``piece`` belong to the stream."""
    try:
        part = inflater.decompress(piece, room)
    except _InflateError as exc:
        raise TransportError(Fault.PROTOCOL, f"the body is labelled {coding} but is not: {exc}") from exc
    return part, len(piece) - len(inflater.unused_data) - len(inflater.unconsumed_tail)


def _demand_end(body: bytes, content_type: str) -> None:
    """Without length and chunks, only a JSON object or array shows its own end; lines and tables do not."""
    media_type = content_type.partition(";")[0].strip().lower()
    if any(name in media_type for name in (*_NEWLINE_TYPES, "csv")):
        raise TransportError(Fault.CUT, f"neither Content-Length nor chunks, and {media_type} cannot show its own end")
    if body.lstrip()[:1] not in {b"{", b"["}:
        raise TransportError(Fault.CUT, "neither Content-Length nor chunks, and the body is not a JSON object or array")
    try:
        raw_at(body, ROOT)
    except msgspec.DecodeError as exc:
        raise TransportError(
            Fault.CUT, f"neither Content-Length nor chunks, and the JSON is incomplete: {exc}"
        ) from exc
