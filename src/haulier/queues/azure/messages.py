"""Messages as the service keeps them, and the tokens of their leases."""

from __future__ import annotations

import base64
import binascii
import math
import re
from dataclasses import dataclass

import msgspec
from azure.storage.queue import QueueMessage

from haulier.errors import BrokenEnvelopeError, UsageError
from haulier.queues.envelope import decode, encode

MAX_HIDDEN_SECONDS = 7 * 86_400
"""The service's limit for leases and delays."""
MAX_TEXT_BYTES = 64 * 1024
"""The service's limit for a message, in UTF-8. One byte more is answered with 413 RequestBodyTooLarge."""

_TOKEN = re.compile(r"([0-9A-Za-z-]{1,64})/([\x21-\x7e]{1,512})")
# What XML 1.0 cannot carry at all: the service answers 500 or 400.
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass(frozen=True)
class MessageReceipt:
    """What a delivery or renewal gives, and the next one replaces."""

    id: str
    """The message's."""
    text: str


def token_of(message: QueueMessage) -> str:
    return f"{message.id}/{message.pop_receipt}"


def receipt_of(token: str) -> MessageReceipt | None:
    found = _TOKEN.fullmatch(token)
    return None if found is None else MessageReceipt(found[1], found[2])


def body_of(text: str | None) -> bytes:
    """Base64 of JSON is read, too: Azure's own tools write it when somebody moves a message back by hand."""
    body = (text or "").encode()
    if body.lstrip().startswith(b"{"):
        return body
    try:
        decoded = base64.b64decode(body.strip(), validate=True)
    except binascii.Error:
        return body
    return decoded if decoded.lstrip().startswith(b"{") else body


def text_of(body: bytes) -> str:
    """As it is, so that Storage Explorer shows it. What XML cannot carry is escaped: no message of ours has any, but a
    stranger's may be copied to the poison queue."""
    return _NO_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", body.decode("utf-8", "backslashreplace"))


def text_that_fits(body: bytes) -> str:
    """Escapes may make a stranger's message longer than the service takes."""
    return text_of(body).encode()[:MAX_TEXT_BYTES].decode("utf-8", "ignore")


def marked(body: bytes) -> bytes:
    """The message of a send that is repeated, since the first may stand: it costs its worker a look-up (P2)."""
    try:
        return encode(msgspec.structs.replace(decode(body), resent=True))
    except (BrokenEnvelopeError, UsageError):  # Not ours, or too long with the mark.
        return body


def whole_seconds(seconds: float, least: int = 0) -> int:
    """The service takes no fractions, and the SDK cuts them off."""
    return max(least, math.ceil(min(max(0.0, seconds), MAX_HIDDEN_SECONDS)))
