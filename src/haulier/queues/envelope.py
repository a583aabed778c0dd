"""The message: a small ASCII JSON envelope."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Annotated

import msgspec

from haulier.errors import BrokenEnvelopeError, NewerFormatError, UsageError

FORMAT = 2
"""The newest. Only a message that needs it has it, so that an older haulier reads all others: 2 is one without
parameters, which names a file of its run that holds them."""
MAX_BODY_BYTES = 48 * 1024
"""Azure Storage Queue, the smallest, takes 64 KiB of base64, which is 48 KiB of message."""
MAX_PAYLOAD_BYTES = 47 * 1024
"""What a message holds itself. The rest is room for names, counts and marks: no message outgrows its queue later."""
NO_PAYLOAD = msgspec.Raw()

_MAX_NAME = 120
_KIND = re.compile(r"[a-z][a-z0-9_]*")
_KEY = re.compile(r"[a-z][a-z0-9_]*(-[a-z0-9_]+)*")
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_SOURCE = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]*)?")
_HELD_IN = re.compile(r"plan/[0-9a-f]{32}/[0-9]{6,20}\.ndjson|children/[a-z][a-z0-9_-]{0,119}\.json")

MAX_ATTEMPTS = 8
"""Attempts that a message tells of: 1.5 KB at most."""
_MAX_NOTE_CHARACTERS = 80

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**31)]


class AttemptNote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An attempt that failed, for the story of a poisoned item. Never with the text of the failure (G7)."""

    number: int
    """Of all attempts of the item that ended in words, from 1."""
    at: datetime
    worker: str
    error_class: str
    status: int | None = None
    settled: str
    """``charged``, ``released`` (not the item's fault) or ``poisoned``."""


# A default is left out of a message only where every format to come will read its absence alike; so `v` never is.
class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``redrives`` is the message's number (docs/protocol.md#terms), ``resent`` its mark."""

    v: int = msgspec.field(default_factory=lambda: 1)
    kind: str
    key: str
    run_id: str
    source: str = ""
    """The run's. Two sources that share a queue may have runs of one ID. Empty in the messages of older versions."""
    failures: _Count = 0
    """Charged failures so far."""
    releases: _Count = 0
    """Voluntary returns: delays, drains, give-ups, grace. Deliveries less these and ``failures`` were silent."""
    redrives: _Count = 0
    resent: bool = False
    depth: _Count = 0
    """Divisions between the item of the plan and this one."""
    suspect: str = ""
    """Why the parent was divided, if its data or its crashes were the reason: one of the children has it. A message
    that is sent again has lost it, which costs some more requests."""
    held_in: str = ""
    """The file that holds the payload (claim check), below the folder of the run: a plan shard or a child list."""
    attempts: tuple[AttemptNote, ...] = ()
    """The newest that failed, at most `MAX_ATTEMPTS`, and fewer where the message would be too large."""
    trace: str = ""
    """The W3C ``traceparent`` of the span under which it was sent, where telemetry was on."""
    payload: msgspec.Raw = NO_PAYLOAD
    """With ``held_in`` it is never sent; a worker fills it in from there."""

    def is_of(self, source: str) -> bool:
        return self.source in ("", source)

    def with_attempt(
        self, error: Exception, status: int | None, settled: str, *, at: datetime, worker: str
    ) -> Envelope:
        """Of more than `MAX_ATTEMPTS` the oldest release goes first: an outage of hours must not hide what was
        charged."""
        note = AttemptNote(
            number=self.failures + self.releases + 1,
            at=at.replace(microsecond=0),
            worker=worker[:_MAX_NOTE_CHARACTERS],
            error_class=type(error).__name__[:_MAX_NOTE_CHARACTERS],
            status=status,
            settled=settled,
        )
        notes = [*self.attempts, note]
        if len(notes) > MAX_ATTEMPTS:
            notes.remove(next((old for old in notes[:-1] if old.settled == "released"), notes[0]))
        return msgspec.structs.replace(self, attempts=tuple(notes))

    @property
    def is_in_full(self) -> bool:
        return len(bytes(self.payload)) > 0


class _Version(msgspec.Struct, frozen=True):
    """Read first: a newer format may have none of the other fields."""

    v: int


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Envelope)
_version_decoder = msgspec.json.Decoder(_Version)


def encode(envelope: Envelope) -> bytes:
    """ASCII, since queues that carry XML refuse some characters. Raises `UsageError` over 48 KiB, and for a name that
    `decode` would refuse."""
    if envelope.held_in:
        envelope = msgspec.structs.replace(envelope, v=2, payload=NO_PAYLOAD)
    if problem := _problem(envelope):
        raise UsageError(f"Item {envelope.key[:_MAX_NAME]!r} cannot be a message: {problem}.")
    body = _encoder.encode(envelope)
    if not body.isascii():
        # Such characters stand in strings alone. The numbers, escapes and order of the rest stay as they are.
        body = re.sub(r"[^\x00-\x7f]", lambda found: json.dumps(found[0])[1:-1], body.decode()).encode("ascii")
    if len(body) > MAX_BODY_BYTES and envelope.attempts:
        return encode(msgspec.structs.replace(envelope, attempts=envelope.attempts[1:]))
    if len(body) > MAX_BODY_BYTES:
        raise UsageError(
            f"Item {envelope.key!r} takes {len(body)} bytes as a message; the limit is {MAX_BODY_BYTES}. "
            "Put less into its parameters: a range or an ID instead of the data itself."
        )
    return body


def decode(body: bytes) -> Envelope:
    """Raises `BrokenEnvelopeError` if nobody can ever read it, `NewerFormatError` if a newer haulier wrote it."""
    try:
        version = _version_decoder.decode(body).v
        if version > FORMAT:
            raise NewerFormatError("A message in the queue", version, FORMAT)
        envelope = _decoder.decode(body)
    # Brackets nested by the thousand end in a RecursionError.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenEnvelopeError(f"A message is not a work item: {error}") from error
    if problem := _problem(envelope):
        raise BrokenEnvelopeError(f"A message is not a work item: {problem}.")
    return envelope


def _problem(envelope: Envelope) -> str | None:
    """Names become paths in the lake and fields of every log line."""
    if envelope.v < 1:
        return f"there never was a format {envelope.v}"
    names = (
        ("kind", envelope.kind, _KIND),
        ("key", envelope.key, _KEY),
        ("run", envelope.run_id, _RUN_ID),
        ("source", envelope.source, _SOURCE),
    )
    for what, name, pattern in names:
        if len(name) > _MAX_NAME or not pattern.fullmatch(name):
            return f"its {what} is not a valid name: {name[:_MAX_NAME]!r}"
    if envelope.held_in and (envelope.v < 2 or not _HELD_IN.fullmatch(envelope.held_in)):
        return f"its parameters are in no file of a plan: {envelope.held_in[:_MAX_NAME]!r}"
    return None if envelope.held_in or envelope.is_in_full else "it has no parameters"
