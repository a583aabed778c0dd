"""Files that are gzip themselves, whatever their labels say."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

from multidict import CIMultiDict, CIMultiDictProxy

from haulier.api.body_format import BodyFormat
from haulier.api.http.transport import Response
from haulier.api.wire.body import decode_body, is_heavy
from haulier.api.wire.framing import Framing

_MAGIC: Final = b"\x1f\x8b"
"""Neither JSON nor CSV begins so."""
_LABELS: Final = ("Content-Type", "Content-Encoding", "Content-Length")
_GZIP: Final = CIMultiDictProxy(CIMultiDict({"Content-Encoding": "gzip"}))


async def unzipped(answer: Response, limit: int, form: BodyFormat) -> Response:
    """Raises `TransportError` where the file is cut, or has more than ``limit`` bytes."""
    if not 200 <= answer.status < 300 or not answer.body.startswith(_MAGIC):
        return answer
    framing = Framing(None)
    if is_heavy(answer.body, ("gzip",), framing):
        body, problem = await asyncio.to_thread(decode_body, answer.body, _GZIP, framing, limit, form)
    else:
        body, problem = decode_body(answer.body, _GZIP, framing, limit, form)
    headers = CIMultiDict(answer.headers)
    for name in _LABELS:
        headers.popall(name, None)  # They are about the archive.
    return replace(answer, body=body, headers=CIMultiDictProxy(headers), charset_problem=problem)
