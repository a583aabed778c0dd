"""The sandbox's records as pure functions of the settings: an oracle for tests that needs no server.

Records are numbered by *rank*, 0 to ``records - 1``, in the order of their ids and of their times. Ids start at 1 and
leave out the gaps; ``changed_at`` starts at `EVENTS_START`. Counts are computed, so two million records cost nothing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from haulier.testing.sandbox.settings import SandboxSettings

EVENTS_START = datetime(2024, 1, 1, tzinfo=UTC)

# Every field is there for something that ingesters break: an integer beyond 2^53, a decimal that ends in zero, an
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
    """The exact bytes of the record as served; ``settings.record_bytes`` long. ``KeyError`` where there is none.

    A record in ``unreadable_ids`` is served cut in half, so a lake can never hold it; this is what it should have been.
    """
    rank = rank_of(settings, record_id)
    if rank >= settings.records or id_at(settings, rank) != record_id:
        raise KeyError(record_id)
    return record_at(settings, rank)


def record_ids(settings: SandboxSettings) -> Iterator[int]:
    """Every id that there is, ascending."""
    return (id_at(settings, rank) for rank in range(settings.records))


def record_at(settings: SandboxSettings, rank: int) -> bytes:
    """The record of that rank. Ranks beyond the last render too: benchmark pages are made of them."""
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
    """The id of the record of that rank."""
    if not settings.gap_ids:
        return rank + 1
    return rank + 1 + rank // settings.gap_after * settings.gap_ids


def rank_of(settings: SandboxSettings, record_id: int) -> int:
    """How many records have a lower id; so also the rank of the first record at or after it."""
    below = max(0, record_id - 1)
    if settings.gap_ids:
        blocks, rest = divmod(below, settings.gap_after + settings.gap_ids)
        below = blocks * settings.gap_after + min(rest, settings.gap_after)
    return min(below, settings.records)


def time_at(settings: SandboxSettings, rank: int) -> datetime:
    """``changed_at`` of the record of that rank: UTC, whole seconds."""
    return EVENTS_START + timedelta(seconds=rank // settings.events_per_step * settings.event_step_seconds)


def rank_since(settings: SandboxSettings, since: datetime) -> int:
    """How many records changed before that time; so also the rank of the first at or after it."""
    steps = -((EVENTS_START - since) // timedelta(seconds=settings.event_step_seconds))
    return min(max(0, steps) * settings.events_per_step, settings.records)


@lru_cache(maxsize=8)
def _text(seed: int, length: int) -> bytes:
    """Words and digits to cut paddings from; half random digits, so that it compresses about as API data does."""
    draw = random.Random(seed)
    words = [bytes(draw.choices(b"abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 9))) for _ in range(200)]
    text = bytearray()
    while len(text) < _TEXT_CHOICE_BYTES + length:
        text += b"%s %d " % (draw.choice(words), draw.randrange(1_000_000))
    return bytes(text)
