"""The last request of an attempt that failed, noted for a person."""

from __future__ import annotations

from collections.abc import Callable

from haulier.api.http.redactor import MASK, Redactor
from haulier.api.http.secret_fields import is_secret_name, masked_body, masked_url
from haulier.api.http.transport import Request
from haulier.runs.records import RequestNote

URL_CHARACTERS = 2_048
BODY_CHARACTERS = 2_048
VALUE_CHARACTERS = 200
MAX_HEADERS = 20

NoteRequest = Callable[[RequestNote], None]


def request_note(request: Request, redactor: Redactor) -> RequestNote:
    """Without secrets (G7). Credentials are added below what is noted here."""

    def header(name: str, value: str) -> str:
        return MASK if is_secret_name(name) else redactor.excerpt(value.encode(), VALUE_CHARACTERS)

    return RequestNote(
        method=request.method,
        url=redactor.excerpt(masked_url(request.shown_url).encode(), URL_CHARACTERS),
        headers={name: header(name, value) for name, value in request.headers[:MAX_HEADERS]},
        body=redactor.excerpt(masked_body(request.body), BODY_CHARACTERS) if request.body else "",
    )
