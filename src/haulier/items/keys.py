"""The item key names an item in its run, and its object in the lake."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any

from haulier.items.codec import canonical, encode_canonical
from haulier.items.feed_start import FeedStart
from haulier.items.ranges import IdRange
from haulier.items.windows import TimeWindow
from haulier.items.workitem import WorkItem

MAX_KEY_LENGTH = 120
HASH_LENGTH = 20
"""Base32 characters, 100 bits: among 2,000,000 items two are alike with a probability of 2 in 10^18."""

_MAX_WORD_LENGTH = 40
_READABLE_WORD = re.compile(rf"[a-z0-9_]{{1,{_MAX_WORD_LENGTH}}}")
_UNREADABLE = re.compile(r"[^a-z0-9_]+")
_HASH = re.compile(rf"[a-z2-7]{{{HASH_LENGTH}}}")
_NONE = "none"


def item_key(item: WorkItem) -> str:
    """Kind and parameters, readable, such as ``flights_ids-1-5001``. Equal items have equal keys.

    At most 120 characters of a-z, 0-9, '_' and '-', which every file system tells apart. A hash of the parameters is
    appended where the words are not exact: capitals, other characters, nested or long values, or a last word that looks
    like a hash.
    """
    return key_of_canonical(canonical(item))


def key_of_canonical(item: WorkItem) -> str:
    """`item_key` for an item from `canonical`, unchecked."""
    words = [_Word(item.kind, True)]
    if item.is_key_hashed:
        words.append(_Word("", False))
    else:
        for field in dataclasses.fields(item):  # type: ignore[arg-type]
            words += _words(getattr(item, field.name))
    exact = "-".join(word.text for word in words)
    seems_hashed = len(words) > 1 and _HASH.fullmatch(words[-1].text)
    if all(word.exact for word in words) and len(exact) <= MAX_KEY_LENGTH and not seems_hashed:
        return exact
    readable = "-".join(word.text for word in words if word.text)
    digest = base64.b32encode(hashlib.sha256(encode_canonical(item)).digest()).decode("ascii").lower()[:HASH_LENGTH]
    return f"{readable[: MAX_KEY_LENGTH - HASH_LENGTH - 1].rstrip('-')}-{digest}"


@dataclasses.dataclass(frozen=True)
class _Word:
    """``exact``: the text gives the value back, if the field's type is known."""

    text: str
    exact: bool


def _words(value: Any) -> Iterator[_Word]:
    """A key without a hash must name one item alone. So each exact value is one word (a range or window is two) that
    its type reads back, and "none" is None alone. Nested values and tuples have any number of words, so they are
    never exact."""
    if isinstance(value, Enum):
        value = value.value
    if value is None:
        yield _Word(_NONE, True)
    elif isinstance(value, bool):
        yield _Word("true" if value else "false", True)
    elif isinstance(value, int):
        yield _Word(f"m{-value}" if value < 0 else str(value), True)
    elif isinstance(value, float):
        yield _Word(_slug(repr(value)), False)
    elif isinstance(value, datetime):
        yield _Word(_moment(value), True)
    elif isinstance(value, date):
        yield _Word(value.isoformat().replace("-", ""), True)
    elif isinstance(value, str):
        is_exact = bool(_READABLE_WORD.fullmatch(value)) and value != _NONE
        yield _Word(value if is_exact else _slug(value), is_exact)
    elif isinstance(value, FeedStart):
        yield _Word("on" if value.feed else "anew", False)  # A token is nobody's to read in names of files.
    elif isinstance(value, IdRange | TimeWindow):
        yield from _words(value.start)
        yield from _words(value.end)
    else:
        members = value if isinstance(value, tuple) else [getattr(value, f.name) for f in dataclasses.fields(value)]
        yield _Word("", False)
        for member in members:
            yield from _words(member)


def _moment(value: datetime) -> str:
    moment = value.astimezone(UTC)
    return moment.replace(tzinfo=None).isoformat().replace("-", "").replace(":", "").replace(".", "_").lower() + "z"


def _slug(text: str) -> str:
    return _UNREADABLE.sub("_", text[: 2 * _MAX_WORD_LENGTH].lower())[:_MAX_WORD_LENGTH].strip("_")
