"""How the end of a body is known (RFC 9112 6.3)."""

from __future__ import annotations

from dataclasses import dataclass

from multidict import CIMultiDictProxy

from haulier.api.errors import Fault
from haulier.api.http.transport import TransportError

_BODILESS = {204, 304}


@dataclass(frozen=True, slots=True)
class Framing:
    """``length`` in bytes as announced; None for a body in chunks."""

    length: int | None
    is_delimited: bool = True
    """False where the closed connection ends the body; a crash looks alike."""


def framing_of(method: str, status: int, headers: CIMultiDictProxy[str]) -> Framing:
    """Raises `TransportError` for contradictions: a wrong guess would read another answer's bytes."""
    transfer = [value.strip().lower() for line in headers.getall("Transfer-Encoding", ()) for value in line.split(",")]
    lengths = [value.strip() for line in headers.getall("Content-Length", ()) for value in line.split(",")]
    if method == "HEAD" or status in _BODILESS or 100 <= status < 200:
        return Framing(0)
    if transfer not in ([], ["chunked"]):
        raise TransportError(
            Fault.PROTOCOL, f"the answer has Transfer-Encoding '{', '.join(transfer)}', which was not asked for"
        )
    if len(lengths) > 1:
        raise TransportError(Fault.PROTOCOL, f"the answer has several Content-Lengths: {', '.join(lengths)}")
    if transfer == ["chunked"]:
        if lengths:
            raise TransportError(Fault.PROTOCOL, "the answer has both a Content-Length and chunks")
        return Framing(None)
    if not lengths:
        return Framing(None, is_delimited=False)
    if not (lengths[0].isascii() and lengths[0].isdigit()):
        raise TransportError(Fault.PROTOCOL, f"the answer's Content-Length is '{lengths[0]}', which is not a number")
    return Framing(int(lengths[0]))
