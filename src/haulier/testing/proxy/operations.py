"""The names of what is asked of Azure's storage, by method and query, for rules and counters."""

from __future__ import annotations

from urllib.parse import parse_qs

from haulier.testing.proxy.wire import WireRequest, WireResponse

_BLOB_PARTS = {
    "block": {"PUT": "put-block"},
    "blocklist": {"PUT": "put-block-list", "GET": "get-block-list"},
    "appendblock": {"PUT": "append-block"},
    "page": {"PUT": "put-page"},
    "metadata": {"PUT": "set-metadata", "GET": "get-metadata", "HEAD": "get-metadata"},
    "properties": {"PUT": "set-properties", "GET": "get-service"},
    "lease": {"PUT": "lease"},
    "tags": {"PUT": "set-tags", "GET": "get-tags"},
    "list": {"GET": "list"},
    "batch": {"POST": "batch"},
    "userdelegationkey": {"POST": "get-delegation-key"},
}
_BLOBS = {"PUT": "put-blob", "GET": "get", "HEAD": "head", "DELETE": "delete"}
_CONTAINERS = {"PUT": "create-container", "GET": "get-container", "HEAD": "get-container", "DELETE": "delete-container"}
_QUEUES = {"PUT": "create-queue", "DELETE": "delete-queue"}


def blob_operation(request: WireRequest) -> str:
    """Name a request to the blob service: ``put-blob``, ``put-block``, ``put-block-list``, ``copy``, ``get``, ``head``,
    ``list``, ``delete``, ``batch`` and others; ``other`` for what has no name here.

    >>> blob_operation(WireRequest("PUT", "/account/c/a?comp=block&blockid=YQ==", "HTTP/1.1", [], b""))
    'put-block'
    """
    query = query_of(request)
    part = query.get("comp", "")
    if part:
        return _BLOB_PARTS.get(part, {}).get(request.method, "other")
    if request.get(b"x-ms-copy-source"):
        return "copy"
    return (_CONTAINERS if query.get("restype") == "container" else _BLOBS).get(request.method, "other")


def queue_operation(request: WireRequest) -> str:
    """Name a request to the queue service: ``put``, ``get``, ``peek``, ``update``, ``delete`` and ``clear`` of
    messages, ``create-queue``, ``delete-queue``, ``get-metadata``, ``set-metadata``; ``other`` for what has no name
    here."""
    query = query_of(request)
    parts = request.target.partition("?")[0].strip("/").split("/")
    if len(parts) == 4 and parts[2] == "messages":
        return {"PUT": "update", "DELETE": "delete"}.get(request.method, "other")
    if len(parts) == 3 and parts[2] == "messages":
        if request.method == "GET" and query.get("peekonly", "").lower() == "true":
            return "peek"
        return {"POST": "put", "GET": "get", "DELETE": "clear"}.get(request.method, "other")
    if len(parts) == 2 and query.get("comp") == "metadata":
        return {"GET": "get-metadata", "HEAD": "get-metadata", "PUT": "set-metadata"}.get(request.method, "other")
    if len(parts) == 2 and "comp" not in query:
        return _QUEUES.get(request.method, "other")
    return "other"


def storage_error(status: int, code: str, message: str) -> WireResponse:
    """An error as Azure's storage words it: the code in a header, and in a body of XML."""
    body = (
        f'\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}\n</Message></Error>'
    )
    headers = [(b"Content-Type", b"application/xml"), (b"x-ms-error-code", code.encode())]
    return WireResponse(status, code, headers, body.encode())


_REFUSALS = {
    500: ("InternalError", "The server encountered an internal error. Please retry the request."),
    503: ("ServerBusy", "The server is currently unable to receive requests. Please retry your request."),
    429: ("TooManyRequests", "Too many requests were sent."),
    403: ("AuthorizationFailure", "This request is not authorized to perform this operation."),
}


def storage_refusal(status: int) -> WireResponse:
    """The error that Azure's storage answers with this status, when it is not about what was asked."""
    code, message = _REFUSALS[status]
    return storage_error(status, code, message)


def query_of(request: WireRequest) -> dict[str, str]:
    """The parameters of a request, by their names in small letters."""
    found = parse_qs(request.target.partition("?")[2], keep_blank_values=True)
    return {name.lower(): values[-1] for name, values in found.items()}
