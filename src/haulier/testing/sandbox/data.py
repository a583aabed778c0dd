"""The records of the sandbox as pure functions of the settings: an oracle for tests, without a server.

A record's *rank* is its position, 0 to ``records - 1``, in the order of ids and of times. Ids start at 1 and skip the
gaps; ``changed_at`` starts at ``events_start``. Counts are computed, so two million records cost nothing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from haulier.testing.sandbox.settings import SandboxSettings

# Every field has something that ingesters break: an integer beyond 2^53, a decimal that ends in zero, an
# exponent, an escaped slash and quote, letters both escaped and plain.
_PLAIN = b'{"id":%d,"changed_at":"%s","price":%d.%02d,"serial":%d,"score":1e2,"note":"%s","text":"'
_AWKWARD = (
    b'{\r\n"id" : %d, "changed_at":"%s",\n\t"price":%d.%02d,"serial":%d,"serial":-0,"score":1E+2,"note":"%s","text":"'
)
_NOTES = tuple(
    note.encode()
    for note in ("plain", r"caf\u00e9", "日本", r"\"quoted\"", r"a\/b", r"line\nbreak", "naïve", r"\ud83d\ude9a")
)
_SAFE_INTEGER = 2**53
_TEXT_CHOICE_BYTES = 64 * 1024


def record_bytes(settings: SandboxSettings, record_id: int) -> bytes:
    """Return the exact bytes of a record, ``settings.record_bytes`` long. ``KeyError`` if there is no such record.

    A record in ``unreadable_ids`` is served cut in half; this is the whole record, which no lake can hold.
    """
    rank = rank_of(settings, record_id)
    if rank >= settings.records or id_at(settings, rank) != record_id:
        raise KeyError(record_id)
    return record_at(settings, rank)


def record_ids(settings: SandboxSettings) -> Iterator[int]:
    return (id_at(settings, rank) for rank in range(settings.records))


def record_at(settings: SandboxSettings, rank: int) -> bytes:
    """Render the record of a rank. Ranks beyond the last work too: benchmark pages are made of them."""
    record_id = id_at(settings, rank)
    mixed = (rank * 2_654_435_761 + settings.seed) & 0xFFFFFFFF
    serial = (1 << 64 if settings.is_awkward else _SAFE_INTEGER) + 1 + 2 * rank
    head = (_AWKWARD if settings.is_awkward else _PLAIN) % (
        record_id,
        time_at(settings, rank).isoformat()[:19].encode() + b"Z",
        mixed % 1000,
        rank % 10 * 10,
        serial,
        _NOTES[mixed % len(_NOTES)],
    )
    padding = max(0, settings.record_bytes - len(head) - 2)
    start = mixed % _TEXT_CHOICE_BYTES
    return head + _text(settings.seed, settings.record_bytes)[start : start + padding] + b'"}'


def id_at(settings: SandboxSettings, rank: int) -> int:
    if not settings.gap_ids:
        return rank + 1
    return rank + 1 + rank // settings.gap_after * settings.gap_ids


def rank_of(settings: SandboxSettings, record_id: int) -> int:
    """Count the records with a lower id: the rank of the first record with this id or a later one."""
    below = max(0, record_id - 1)
    if settings.gap_ids:
        blocks, rest = divmod(below, settings.gap_after + settings.gap_ids)
        below = blocks * settings.gap_after + min(rest, settings.gap_after)
    return min(below, settings.records)


def time_at(settings: SandboxSettings, rank: int) -> datetime:
    """Return ``changed_at`` of the record of a rank: UTC, whole seconds."""
    return events_start(settings) + timedelta(seconds=rank // settings.events_per_step * settings.event_step_seconds)


def events_start(settings: SandboxSettings) -> datetime:
    return _moment(settings.events_start)


def rank_since(settings: SandboxSettings, since: datetime) -> int:
    """Count the records that changed earlier: the rank of the first one at or after this time."""
    steps = -((events_start(settings) - since) // timedelta(seconds=settings.event_step_seconds))
    return min(max(0, steps) * settings.events_per_step, settings.records)


@lru_cache(maxsize=8)
def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@lru_cache(maxsize=8)
def _text(seed: int, length: int) -> bytes:
    """Make the text that pads records. Half of it is random digits, so that it compresses about as API data does."""
    draw = random.Random(seed)
    words = [bytes(draw.choices(b"abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 9))) for _ in range(200)]
    text = bytearray()
    while len(text) < _TEXT_CHOICE_BYTES + length:
        text += b"%s %d " % (draw.choice(words), draw.randrange(1_000_000))
    return bytes(text)
