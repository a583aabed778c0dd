"""Bodies that are no answer although the status is good."""

from __future__ import annotations

from dataclasses import dataclass

from haulier.api.errors import Shape
from haulier.api.http.transport import Response

_NEUTRAL_TYPES = {"", "text/plain", "application/octet-stream", "binary/octet-stream"}
"""Media types under which JSON is often sent."""
_SNIFFED_BYTES = 64 * 1024
_CLOSED_SIGNS = (b"maintenance", b"temporarily unavailable", b"temporarily down", b"be right back", b"be back soon")
_LOGIN_SIGNS = (b'type="password"', b"type='password'", b"type=password")


@dataclass(frozen=True, slots=True)
class BodyProblem:
    """Why a complete body is no answer. ``is_outage``: every request gets the same now."""

    reason: str
    is_outage: bool = False
    shape: Shape = Shape.NONE


def find_body_problem(response: Response) -> BodyProblem | None:
    """Judge by media type, first and last byte whether the body can be JSON or lines of it."""
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    body = response.body
    first = body[:1024].lstrip()[:1] or body.lstrip()[:1]
    if not first:
        return BodyProblem("an empty body", shape=Shape.NO_BODY)
    if first == b"<" or "html" in media_type:
        return _find_page_problem(body)
    is_told = "json" in media_type or "javascript" in media_type
    if not is_told and media_type not in _NEUTRAL_TYPES:
        return BodyProblem(f"{media_type} instead of JSON", shape=Shape.NOT_JSON)
    if first in {b"{", b"["}:
        last = body[-1024:].rstrip()[-1:] or body.rstrip()[-1:]
        return None if last in {b"}", b"]"} else BodyProblem("JSON that stops before its end")
    # A bare number or text is JSON too, where the label says so.
    label = f"labelled {media_type}" if media_type else "without a media type"
    return None if is_told else BodyProblem(f"a body {label} that is not JSON", shape=Shape.NOT_JSON)


def _find_page_problem(body: bytes) -> BodyProblem:
    page = body[:_SNIFFED_BYTES].lower()
    if any(sign in page for sign in _CLOSED_SIGNS):
        return BodyProblem("a maintenance page instead of JSON", is_outage=True)
    if any(sign in page for sign in _LOGIN_SIGNS):
        return BodyProblem("a login page instead of JSON", is_outage=True)
    return BodyProblem("HTML instead of JSON", shape=Shape.HTML)
