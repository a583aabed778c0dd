"""How the end of a body is known (RFC 9112 6.3), and what is refused because it says two things at once."""

from __future__ import annotations

from dataclasses import dataclass

from multidict import CIMultiDictProxy

from haulier.api.errors import Fault
from haulier.api.http.transport import TransportError

_BODILESS = {204, 304}


@dataclass(frozen=True, slots=True)
class Framing:
    """``length`` in bytes as announced; None for a chunked body, which ends with its last chunk."""

    length: int | None
    is_delimited: bool = True
    """False where only the closing of the connection ends the body, which a crash of the server looks like too."""


def framing_of(method: str, status: int, headers: CIMultiDictProxy[str]) -> Framing:
    """Raises `TransportError` where the headers contradict themselves: whoever guesses right there reads somebody
    else's bytes."""
    transfer = [value.strip().lower() for line in headers.getall("Transfer-Encoding", ()) for value in line.split(",")]
    lengths = [value.strip() for line in headers.getall("Content-Length", ()) for value in line.split(",")]
    if method == "HEAD" or status in _BODILESS or 100 <= status < 200:
        return Framing(0)
    if transfer not in ([], ["chunked"]):
        raise TransportError(Fault.PROTOCOL, f"Transfer-Encoding '{', '.join(transfer)}', which was not asked for")
    if len(lengths) > 1:
        raise TransportError(Fault.PROTOCOL, f"several Content-Lengths: {', '.join(lengths)}")
    if transfer == ["chunked"]:
        if lengths:
            raise TransportError(Fault.PROTOCOL, "both a Content-Length and chunks")
        return Framing(None)
    if not lengths:
        return Framing(None, is_delimited=False)
    if not (lengths[0].isascii() and lengths[0].isdigit()):
        raise TransportError(Fault.PROTOCOL, f"Content-Length '{lengths[0]}', which is no number")
    return Framing(int(lengths[0]))
