"""Bodies that are no answer although the status is good."""

from __future__ import annotations

from dataclasses import dataclass

from haulier.api.body_format import CSV, PLAIN_JSON, BodyFormat
from haulier.api.errors import Shape
from haulier.api.http.login_page import is_login_page
from haulier.api.http.transport import Response
from haulier.api.records.paths import is_json

_NEUTRAL_TYPES = {"", "text/plain", "application/octet-stream", "binary/octet-stream"}
"""Media types under which JSON is often sent."""
_JSON_BEGINNINGS = frozenset({b"{", b"["})
_NAMES = {"json": "JSON", "ndjson": "lines of JSON", "json-seq": "a sequence of JSON", CSV: "CSV"}
_SNIFFED_BYTES = 64 * 1024
_CLOSED_SIGNS = (b"maintenance", b"temporarily unavailable", b"temporarily down", b"be right back", b"be back soon")
_LOGIN_PAGE = (
    "If that is how the API says that a session or token has ended, write a rule: "
    '{ status = 200, header = "Content-Type: text/html*", action = "auth" }'
)


@dataclass(frozen=True, slots=True)
class BodyProblem:
    """Why a complete body is no answer. ``is_outage``: every request gets the same now."""

    reason: str
    is_outage: bool = False
    shape: Shape = Shape.NONE


def find_body_problem(response: Response, form: BodyFormat = PLAIN_JSON) -> BodyProblem | None:
    """Judge by media type, first and last byte whether the body can be what it should be."""
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    body = response.body
    first = body[:1024].lstrip()[:1] or body.lstrip()[:1]
    if first == b"<":
        return _find_page_problem(body, form)
    if (charset := response.charset_problem) is not None and not charset.is_harmless:
        shape = Shape.UNPARSED if charset.is_of_data else Shape.CHARSET
        return BodyProblem(f"a body that cannot be read: {charset.reason}", shape=shape)
    if not first:
        # An empty line is an answer without lines; no byte at all may be a failure.
        return None if form.has_lines and body else BodyProblem("an empty body", shape=Shape.NO_BODY)
    if "html" in media_type and first not in _JSON_BEGINNINGS and not form.has_lines:
        return _find_page_problem(body, form)
    if form.has_lines:
        return _find_line_problem(body, first, form)
    is_told = "json" in media_type or "javascript" in media_type
    if not is_told and media_type not in _NEUTRAL_TYPES and "html" not in media_type:
        return BodyProblem(f"{media_type} instead of JSON", shape=Shape.NOT_JSON)
    if first in _JSON_BEGINNINGS:
        last = body[-1024:].rstrip()[-1:] or body.rstrip()[-1:]
        return None if last in {b"}", b"]"} else BodyProblem("JSON that stops before its end")
    # A bare number or text is JSON too, where the label says so.
    label = f"labelled {media_type}" if media_type else "without a media type"
    return None if is_told else BodyProblem(f"a body {label} that is not JSON", shape=Shape.NOT_JSON)


def _find_line_problem(body: bytes, first: bytes, form: BodyFormat) -> BodyProblem | None:
    """An error object under a good status would be taken for the names of columns."""
    if form.kind != CSV or first not in _JSON_BEGINNINGS:
        return None
    if is_json(body):
        return BodyProblem("JSON instead of CSV", shape=Shape.NOT_CSV)
    if is_json(body.lstrip().partition(b"\n")[0]):
        return BodyProblem('JSON in lines instead of CSV: write format = "ndjson"', shape=Shape.NOT_CSV)
    return None


def _find_page_problem(body: bytes, form: BodyFormat) -> BodyProblem:
    wanted = _NAMES[form.kind]
    page = body[:_SNIFFED_BYTES].lower()
    if any(sign in page for sign in _CLOSED_SIGNS):
        return BodyProblem(f"a maintenance page instead of {wanted}", is_outage=True)
    if is_login_page(page):
        return BodyProblem(f"a login page instead of {wanted}. {_LOGIN_PAGE}", is_outage=True)
    if page.lstrip().startswith(b"<?xml") and b"<html" not in page:
        return BodyProblem(f"XML, which is not read, instead of {wanted}", shape=Shape.NOT_JSON)
    return BodyProblem(f"HTML instead of {wanted}", shape=Shape.HTML)
