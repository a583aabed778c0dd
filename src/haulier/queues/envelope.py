"""The message: a small ASCII JSON envelope, decoded before anything else; its payload only once its kind is known."""

from __future__ import annotations

import json
import re

import msgspec

from haulier.errors import BrokenEnvelopeError, NewerFormatError, UsageError

FORMAT = 1
MAX_BODY_BYTES = 48 * 1024
"""The smallest limit of the backends: Azure Storage Queue takes 64 KiB of base64, which is 48 KiB of message."""

_KEY = re.compile(r"[a-z][a-z0-9_]*(-[a-z0-9_]+)*")


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message. ``redrives`` is the number of the message (protocol, section 2); ``resent`` is its mark."""

    v: int = FORMAT
    kind: str
    key: str
    run_id: str
    failures: int = 0
    """Times that this item failed and was charged."""
    releases: int = 0
    """Voluntary returns: delays, drains, give-ups, grace. With ``failures`` they leave the silent deliveries."""
    redrives: int = 0
    resent: bool = False
    payload: msgspec.Raw

    def marked(self) -> Envelope:
        """The same message, marked, with no failures: what sending a key again sends."""
        return msgspec.structs.replace(self, resent=True, failures=0, releases=0)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Envelope)


def encode(envelope: Envelope) -> bytes:
    """The message's bytes: ASCII, since queues that carry XML refuse some characters. Refuses over 48 KiB."""
    body = _encoder.encode(envelope)
    if not body.isascii():
        body = json.dumps(json.loads(body), ensure_ascii=True, separators=(",", ":")).encode("ascii")
    if len(body) > MAX_BODY_BYTES:
        raise UsageError(
            f"Item {envelope.key!r} takes {len(body)} bytes as a message; the limit is {MAX_BODY_BYTES}. "
            "Put less into its parameters: a range or an ID instead of the data itself."
        )
    return body


def decode(body: bytes) -> Envelope:
    """Read a message. `BrokenEnvelopeError` if it never can be; `NewerFormatError` if a newer haulier wrote it."""
    try:
        envelope = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        newer = _format_of(body)
        if newer > FORMAT:
            raise NewerFormatError("A message in the queue", newer, FORMAT) from error
        raise BrokenEnvelopeError(f"A message is not a work item: {error}") from error
    if envelope.v > FORMAT:
        raise NewerFormatError("A message in the queue", envelope.v, FORMAT)
    if len(envelope.key) > 120 or not _KEY.fullmatch(envelope.key) or "/" in envelope.run_id or "." in envelope.run_id:
        raise BrokenEnvelopeError(f"A message names an impossible key or run: {envelope.key[:120]!r}")
    return envelope


def _format_of(body: bytes) -> int:
    try:
        found = json.loads(body)
    except ValueError:
        return 0
    version = found.get("v") if isinstance(found, dict) else None
    return version if isinstance(version, int) else 0
