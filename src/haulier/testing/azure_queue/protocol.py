"""The REST protocol of Azure Queue Storage: from a request to the store, and back as XML.

Limits and codes are those of the service's documentation: "Queue Service REST API" and "Queue Service error codes".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import unquote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from haulier.testing.azure_queue.store import QueueStore, StorageError, StoredMessage
from haulier.testing.proxy.operations import query_of
from haulier.testing.proxy.wire import WireRequest, WireResponse

MAX_TEXT_BYTES = 64 * 1024
"""Of a message's text as UTF-8, before it is escaped for XML."""
MAX_BATCH = 32
MAX_VISIBILITY_SECONDS = 7 * 24 * 3600
DEFAULT_VISIBILITY_SECONDS = 30
DEFAULT_TTL_SECONDS = 7 * 24 * 3600
_QUEUE_NAME = re.compile(r"[a-z0-9](?:-?[a-z0-9])*")
_SHOWN = ("MessageId", "InsertionTime", "ExpirationTime")
_HELD = ("PopReceipt", "TimeNextVisible")


class QueueProtocol:
    """Answers requests whose credentials were accepted."""

    def __init__(self, store: QueueStore, account: str) -> None:
        self._store = store
        self._account = account
        self._answers: dict[str, Callable[[str, str, dict[str, str], WireRequest], WireResponse]] = {
            "create-queue": self._create,
            "delete-queue": self._delete_queue,
            "get-metadata": self._get_metadata,
            "set-metadata": self._set_metadata,
            "put": self._put,
            "get": self._get,
            "peek": self._peek,
            "clear": self._clear,
            "update": self._update,
            "delete": self._delete,
        }

    def answer(self, request: WireRequest, operation: str) -> WireResponse:
        """Raises `StorageError`."""
        account, name, _, message_id = (unquote(request.target.partition("?")[0]).strip("/").split("/") + [""] * 3)[:4]
        if account != self._account:
            raise StorageError(404, "ResourceNotFound", "The specified resource does not exist.")
        if operation not in self._answers:
            raise StorageError(405, "UnsupportedHttpVerb", f"The model does not speak {request.method} of this path.")
        if not 3 <= len(name) <= 63:
            raise StorageError(400, "OutOfRangeInput", "A queue's name has 3 to 63 letters.")
        if not _QUEUE_NAME.fullmatch(name):
            raise StorageError(400, "InvalidResourceName", "The specified resource name contains invalid characters.")
        return self._answers[operation](name, message_id, query_of(request), request)

    def _create(self, name: str, _: str, query: dict[str, str], request: WireRequest) -> WireResponse:
        return _empty(201 if self._store.create(name, _metadata(request)) else 204)

    def _delete_queue(self, name: str, _: str, query: dict[str, str], request: WireRequest) -> WireResponse:
        self._store.delete_queue(name)
        return _empty(204)

    def _get_metadata(self, name: str, _: str, query: dict[str, str], request: WireRequest) -> WireResponse:
        headers = [(f"x-ms-meta-{key}".encode(), value.encode()) for key, value in self._store.metadata(name).items()]
        count = self._store.approximate_count(name)
        return _empty(200, [*headers, (b"x-ms-approximate-messages-count", b"%d" % count)])

    def _set_metadata(self, name: str, _: str, query: dict[str, str], request: WireRequest) -> WireResponse:
        self._store.set_metadata(name, _metadata(request))
        return _empty(204)

    def _put(self, name: str, _: str, query: dict[str, str], request: WireRequest) -> WireResponse:
        delay_seconds = _number(query, "visibilitytimeout", 0, 0, MAX_VISIBILITY_SECONDS)
        ttl_seconds = _number(query, "messagettl", DEFAULT_TTL_SECONDS, -1, 2**31 - 1)
        if ttl_seconds == 0 or (ttl_seconds != -1 and delay_seconds >= ttl_seconds):
            raise StorageError(
                400, "InvalidQueryParameterValue", "messagettl must be -1, or above 0 and above visibilitytimeout."
            )
        message = self._store.put(name, _text(request.body), delay_seconds, ttl_seconds)
        return _list([message], (*_SHOWN, *_HELD), status=201)

    def _get(self, name: str, _: str, query: dict[str, str], request: WireRequest) -> WireResponse:
        limit = _number(query, "numofmessages", 1, 1, MAX_BATCH)
        seconds = _number(query, "visibilitytimeout", DEFAULT_VISIBILITY_SECONDS, 1, MAX_VISIBILITY_SECONDS)
        return _list(self._store.get(name, limit, seconds), (*_SHOWN, *_HELD, "DequeueCount", "MessageText"))

    def _peek(self, name: str, _: str, query: dict[str, str], request: WireRequest) -> WireResponse:
        limit = _number(query, "numofmessages", 1, 1, MAX_BATCH)
        return _list(self._store.peek(name, limit), (*_SHOWN, "DequeueCount", "MessageText"))

    def _clear(self, name: str, _: str, query: dict[str, str], request: WireRequest) -> WireResponse:
        self._store.clear(name)
        return _empty(204)

    def _update(self, name: str, message_id: str, query: dict[str, str], request: WireRequest) -> WireResponse:
        if "visibilitytimeout" not in query:
            raise StorageError(400, "MissingRequiredQueryParameter", "visibilitytimeout is missing.")
        seconds = _number(query, "visibilitytimeout", 0, 0, MAX_VISIBILITY_SECONDS)
        text = _text(request.body) if request.body else None
        message = self._store.update(name, message_id, _receipt(query), seconds, text)
        headers = [
            (b"x-ms-popreceipt", message.receipt.encode()),
            (b"x-ms-time-next-visible", http_date(message.visible_at).encode()),
        ]
        return _empty(204, headers)

    def _delete(self, name: str, message_id: str, query: dict[str, str], request: WireRequest) -> WireResponse:
        self._store.delete(name, message_id, _receipt(query))
        return _empty(204)


def http_date(wall_seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(int(wall_seconds), UTC), usegmt=True)


def _empty(status: int, headers: Iterable[tuple[bytes, bytes]] = ()) -> WireResponse:
    return WireResponse(status, {200: "OK", 201: "Created"}.get(status, "No Content"), list(headers), b"")


def _list(messages: Iterable[StoredMessage], fields: tuple[str, ...], *, status: int = 200) -> WireResponse:
    rendered = "".join(f"<QueueMessage>{_render(message, fields)}</QueueMessage>" for message in messages)
    body = f'\ufeff<?xml version="1.0" encoding="utf-8"?><QueueMessagesList>{rendered}</QueueMessagesList>'
    headers = [(b"Content-Type", b"application/xml")]
    return WireResponse(status, "Created" if status == 201 else "OK", headers, body.encode())


def _render(message: StoredMessage, fields: tuple[str, ...]) -> str:
    values = {
        "MessageId": message.id,
        "InsertionTime": http_date(message.inserted_at),
        "ExpirationTime": http_date(message.expires_at),
        "PopReceipt": message.receipt,
        "TimeNextVisible": http_date(message.visible_at),
        "DequeueCount": str(message.deliveries),
        # XML would make a line feed of a carriage return.
        "MessageText": escape(message.text, {"\r": "&#xD;"}),
    }
    return "".join(f"<{name}>{values[name]}</{name}>" for name in fields)


def _text(body: bytes) -> str:
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - from the clients of a test.
    except ElementTree.ParseError as exc:
        raise StorageError(400, "InvalidXmlDocument", f"XML specified is not syntactically valid: {exc}.") from exc
    if root.tag != "QueueMessage" or (found := root.find("MessageText")) is None:
        raise StorageError(400, "InvalidXmlDocument", "A QueueMessage with a MessageText is expected.")
    text = found.text or ""
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise StorageError(
            413, "RequestBodyTooLarge", "The request body is too large and exceeds the maximum permissible limit."
        )
    return text


def _receipt(query: dict[str, str]) -> str:
    if not query.get("popreceipt"):
        raise StorageError(400, "MissingRequiredQueryParameter", "popreceipt is missing.")
    return query["popreceipt"]


def _number(query: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"-?[0-9]{1,10}", text):
        raise StorageError(400, "InvalidQueryParameterValue", f"{name} is {text!r}, which is no whole number.")
    if not least <= int(text) <= most:
        raise StorageError(
            400, "OutOfRangeQueryParameterValue", f"{name} is {text}; it must be from {least} to {most}."
        )
    return int(text)


def _metadata(request: WireRequest) -> dict[str, str]:
    named = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.headers]
    return {name.removeprefix("x-ms-meta-"): value for name, value in named if name.startswith("x-ms-meta-")}
