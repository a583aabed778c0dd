"""The cursors and tokens that lead from page to page, and their age."""

from __future__ import annotations

import binascii

from haulier.testing.sandbox.question import BadQuestionError

_MAX_TOKENS = 100_000
"""Tokens whose time is kept; without a limit, a long run would fill the memory."""
_MAX_TOKEN_CHARACTERS = 120
"""Characters of a token that are parsed; the sandbox writes none that is longer."""


def write_cursor(rank: int, bound: str) -> bytes:
    """Write an opaque cursor, with a checksum to detect its use with another query."""
    return b"%x.%08x" % (rank, binascii.crc32(f"{rank} {bound}".encode()))


def read_cursor(cursor: str, bound: str) -> int:
    """Return the rank in a cursor. `BadQuestionError` if it belongs to another query."""
    try:
        rank = int(cursor[:_MAX_TOKEN_CHARACTERS].partition(".")[0], 16)
    except ValueError:
        rank = -1
    if cursor.encode() != write_cursor(rank, bound):
        raise BadQuestionError("The cursor does not belong to this query. Send it with the query that gave it.")
    return rank


def write_token(numbers: tuple[int, ...], seed: int) -> bytes:
    """Write a token that contains its whole query, for links to which a client adds nothing."""
    text = "-".join(f"{number:x}" for number in numbers)
    return b"%s-%08x" % (text.encode(), binascii.crc32(f"{text} {seed}".encode()))


def read_token(token: str, count: int, seed: int) -> tuple[int, ...]:
    """Return the numbers in a token. `BadQuestionError` if the sandbox did not write it."""
    try:
        numbers = tuple(int(part, 16) for part in token[:_MAX_TOKEN_CHARACTERS].split("-")[:-1])
    except ValueError:
        numbers = ()
    if len(numbers) != count or token.encode() != write_token(numbers, seed):
        raise BadQuestionError("The token cannot be read. Send it unchanged, as the last page gave it.")
    return numbers


class PageTokens:
    """The time at which each token was given last, so that tokens can expire."""

    def __init__(self, ttl_seconds: float) -> None:
        self.ttl_seconds = ttl_seconds
        self._given_at: dict[bytes, float] = {}

    def is_good(self, token: bytes, now: float) -> bool:
        return now <= self._given_at.get(token, float("-inf")) + self.ttl_seconds

    def give(self, token: bytes, now: float) -> None:
        """Note that a page with this token is given. Beyond the limit the oldest token expires."""
        self._given_at.pop(token, None)
        self._given_at[token] = now
        if len(self._given_at) > _MAX_TOKENS:
            del self._given_at[next(iter(self._given_at))]
