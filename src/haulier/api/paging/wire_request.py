"""The request of a page as it is sent."""

from __future__ import annotations

import msgspec

from haulier.api.errors import Action, ApiError
from haulier.api.http.transport import Request
from haulier.api.http.urls import Pairs, with_query
from haulier.api.paging.form_body import FORM_TYPE, encoded_form
from haulier.api.paging.link_address import address_of
from haulier.api.paging.paginator import PageRequest
from haulier.errors import UsageError


def wire_request(request: PageRequest, home: str) -> Request:
    """Raises `LinkError` where the request leaves the origin of ``home``."""
    if request.part == "foreign file":
        home = request.url  # `haulier.api.jobs` has looked at its origin.
    url = address_of(
        request.url,
        base=request.base or home,
        home=home,
        link_origin=request.link_origin,
        link_base=request.link_base,
    )
    body, headers = b"", request.headers
    if request.form is not None:
        body, headers = encoded_form(request.form), _with_content_type(headers, FORM_TYPE)
    if request.json is not None:
        try:
            body = msgspec.json.encode(request.json)
        except (TypeError, ValueError) as error:
            raise UsageError(f"The body of the request cannot be written as JSON: {error}.") from error
        headers = _with_content_type(headers, "application/json")
    for name, value in headers:
        if not value.isprintable():
            # A token from an answer could add headers of its own by a line end.
            raise ApiError(f"The header {name} would hold a control character; it is not sent.", action=Action.POISON)
    return Request(request.method, with_query(url, request.query), headers, body, part=request.part)


def _with_content_type(headers: Pairs, content_type: str) -> Pairs:
    if any(name.lower() == "content-type" for name, _ in headers):
        return headers
    return (*headers, ("Content-Type", content_type))
