"""The cursors and tokens that lead from page to page: what is in them, and for how long they are good."""

from __future__ import annotations

import binascii

from haulier.testing.sandbox.question import BadQuestionError

_MOST_KEPT = 100_000
_MOST_CHARACTERS = 120


def write_cursor(rank: int, bound: str) -> bytes:
    """Opaque to clients; carries a check of the query, since a cursor with another query is a client's mistake."""
    return b"%x.%08x" % (rank, binascii.crc32(f"{rank} {bound}".encode()))


def read_cursor(cursor: str, bound: str) -> int:
    """The rank in it; `BadQuestionError` where it is of another query."""
    try:
        rank = int(cursor[:_MOST_CHARACTERS].partition(".")[0], 16)
    except ValueError:
        rank = -1
    if cursor.encode() != write_cursor(rank, bound):
        raise BadQuestionError("This cursor does not belong to this query.")
    return rank


def write_token(numbers: tuple[int, ...], seed: int) -> bytes:
    """A token that carries its whole query, for links to which a client adds nothing."""
    text = "-".join(f"{number:x}" for number in numbers)
    return b"%s-%08x" % (text.encode(), binascii.crc32(f"{text} {seed}".encode()))


def read_token(token: str, count: int, seed: int) -> tuple[int, ...]:
    """The numbers in it; `BadQuestionError` where it is none of ours."""
    try:
        numbers = tuple(int(part, 16) for part in token[:_MOST_CHARACTERS].split("-")[:-1])
    except ValueError:
        numbers = ()
    if len(numbers) != count or token.encode() != write_token(numbers, seed):
        raise BadQuestionError("This token cannot be read: send it as it came.")
    return numbers


class PageTokens:
    """When each token was given last, so that it can grow too old."""

    def __init__(self, ttl_seconds: float) -> None:
        self.ttl_seconds = ttl_seconds
        self._given_at: dict[bytes, float] = {}

    def is_good(self, token: bytes, now: float) -> bool:
        """Whether it was given, and is not too old."""
        return now <= self._given_at.get(token, float("-inf")) + self.ttl_seconds

    def give(self, token: bytes, now: float) -> None:
        """A page is given that has it. The oldest ones are forgotten in the end, which is as if they had expired."""
        self._given_at.pop(token, None)
        self._given_at[token] = now
        if len(self._given_at) > _MOST_KEPT:
            del self._given_at[next(iter(self._given_at))]
