"""Pages without records, besides an empty list: declared, never guessed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Raw

from haulier.api.records.paths import ROOT, first_byte, is_blank, parts_of, raw_at
from haulier.errors import UsageError

ABSENT: Final = "absent"
NO_BODY: Final = "no body"
HEADER_ONLY: Final = "header only"
"""Of CSV."""
_WORD_VALUES: Final = {"null": b"null", "false": b"false", "empty object": b"{}", "empty text": b'""'}
EMPTY_WORDS: Final = ("null", ABSENT, "false", "empty object", "empty text", NO_BODY, HEADER_ONLY)
EMPTY_STATUSES: Final = frozenset({204, 205, *range(400, 500)}) - {401, 402, 403, 407, 408, 425, 429}
"""Others are about rights, limits and connections, not records; a rule with a text can still make one the end."""
FAILURE_KEYS: Final = ("error", "errors", "fault", "exception")
"""Where APIs report failures under a good status."""
_FAILURE_BEGINNINGS: Final = tuple(f'"{key}"'.encode() for key in FAILURE_KEYS)
_EXPLAINING_KEYS: Final = frozenset({"status", "code", "message", "reason", "type", "details"})


@dataclass(frozen=True, slots=True)
class EmptyForms:
    words: frozenset[str] = frozenset()
    statuses: frozenset[int] = frozenset()

    @classmethod
    def of(cls, declared: Iterable[str | int]) -> EmptyForms:
        """Read words and statuses, such as ``["null", 204]``."""
        declared = list(declared)
        for each in declared:
            if isinstance(each, str) and each not in EMPTY_WORDS:
                raise UsageError(
                    f"{each!r} is no form of a page without records. Available: {', '.join(EMPTY_WORDS)}, and statuses."
                )
            if not isinstance(each, str) and each not in EMPTY_STATUSES:
                raise UsageError(
                    f"The status {each} does not say that there are no records. It may be 204, 205, or one of the 400s "
                    "that is about what was asked, such as 404; for others write a rule with the text of the answer."
                )
        return cls(
            frozenset(each for each in declared if isinstance(each, str)),
            frozenset(each for each in declared if not isinstance(each, str)),
        )

    @property
    def declared(self) -> tuple[str | int, ...]:
        return (*self.words, *self.statuses)

    @property
    def takes_absent(self) -> bool:
        return ABSENT in self.words

    @property
    def behind_token(self) -> EmptyForms:
        """Leave out error statuses: behind a token or link they would end the list where the API only stumbled."""
        return EmptyForms(self.words, frozenset(status for status in self.statuses if status < 300))

    def takes_answer(self, status: int, body: bytes) -> bool:
        return status in self.statuses or (not body and NO_BODY in self.words)

    def takes_value(self, found: Raw) -> bool:
        value = bytes(found) if len(memoryview(found)) < _MAX_VALUE_BYTES else b""
        if value[:1] == b"{" and not value[1:-1].strip():
            value = b"{}"
        return any(_WORD_VALUES.get(word) == value for word in self.words)

    def takes_absence(self, body: bytes | Raw, path: str) -> bool:
        """Whether the records are missing by declaration. Only the last key may be, or what is below an empty list:
        else another path may be meant."""
        parts = parts_of(path)
        if not self.takes_absent or not parts:
            return False
        parent = raw_at(body, ".".join(parts[:-1]) or ROOT)
        if parent is not None:
            return first_byte(parent) == b"{" or _is_empty_list(parent)
        return any(
            found is not None and _is_empty_list(found)
            for found in (raw_at(body, ".".join(parts[:length]) or ROOT) for length in range(len(parts) - 1))
        )


EMPTY_LIST_ONLY: Final = EmptyForms()


def may_tell_failure(body: bytes) -> bool:
    """A quick look before a slow one."""
    text = body.lower()
    return any(word in text for word in _FAILURE_BEGINNINGS)


def failure_in(body: bytes | Raw) -> str | None:
    """Search an answer's top, and the objects there."""
    if (key := failure_at_top(body)) is not None:
        return key
    if first_byte(raw := msgspec.json.decode(body, type=Raw)) != b"{":
        return None
    top = msgspec.json.decode(raw, type=dict[str, Raw])
    for name, value in top.items():
        if (
            first_byte(value) == b"{"
            and (key := failing_key(msgspec.json.decode(value, type=dict[str, Raw]))) is not None
        ):
            return f"{name}.{key}"
    return None


def failure_at_top(body: bytes | Raw) -> str | None:
    if first_byte(raw := msgspec.json.decode(body, type=Raw)) != b"{":
        return None
    return failing_key(msgspec.json.decode(raw, type=dict[str, Raw]))


def is_bare_failure(text: bytes) -> str | None:
    """Return the key at which a JSON object tells a failure, and nothing but what explains it."""
    members = _members_of_message(text)
    return None if members is None else failing_key(members)


def may_be_message(text: bytes) -> bool:
    """Whether a JSON object has nothing but what tells or explains a failure."""
    return _members_of_message(text) is not None


def _members_of_message(text: bytes) -> dict[str, Raw] | None:
    if _BARE_BEGINNING.match(text) is None:
        return None
    try:
        members = msgspec.json.decode(text, type=dict[str, Raw])
    except (msgspec.DecodeError, RecursionError):
        return None
    return members if {name.lower() for name in members} <= {*FAILURE_KEYS, *_EXPLAINING_KEYS} else None


def failing_key(members: dict[str, Raw]) -> str | None:
    return next(
        (key for key, value in members.items() if key.lower() in FAILURE_KEYS and not is_blank(value)),
        None,
    )


_MAX_VALUE_BYTES: Final = 64
_BARE_BEGINNING: Final = re.compile(
    rb'\{\s*"(?:%b)"' % "|".join((*FAILURE_KEYS, *sorted(_EXPLAINING_KEYS))).encode(), re.IGNORECASE
)
"""Few records begin so, and to read each of them takes longer than all else."""


def _is_empty_list(found: Raw) -> bool:
    return first_byte(found) == b"[" and not bytes(found)[1:-1].strip()
