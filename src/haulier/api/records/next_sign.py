"""The sign of a next page: a token, link or flag. Where it is missing, the list has ended, or its path is misspelt.

Many APIs leave it out of the last page, so that its lack must stay an end. Against that speak a full page in a run in
which nobody ever saw the sign, and another token in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec
from msgspec import Raw

from haulier.api.records.page import Body
from haulier.api.records.paths import first_byte

MAX_COMPANIONS: Final = 64
"""Objects with tokens have a handful of keys; one by records' ids has any number."""


MAX_KEY_CHARACTERS: Final = 100
"""Longer keys are data, not names."""

Companion = tuple[str, str]
"""Path of an object, and a key in it."""


@dataclass(frozen=True, slots=True)
class SignReport:
    sign: str
    """Such as `'paging.next'`, `the header 'X-Next'`."""
    lack: str = ""
    """Words for why it is missing; "" where it is there, be it null."""
    instead: str = ""
    """Keys, headers or relations that are there."""
    passed: str = ""
    """How far the path of a missing sign leads."""
    companions: tuple[Companion, ...] = ()
    """Keys beside the path to the sign."""
    tokens: tuple[str, ...] = ()
    """Keys that look like tokens, where the sign is missing."""
    others: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    """Paths of tokens in other places. They count until the sign was seen: on later pages they may be what was sent."""
    asked: int | None = None
    """Page size that was asked for."""

    @property
    def is_there(self) -> bool:
        return not self.lack

    def without(self, path: str) -> SignReport:
        """The value at ``path`` is known to be no sign."""
        place, _, key = path.rpartition(".")
        if place != self.passed:
            return self
        tokens, others = (tuple(each for each in keys if each != key) for keys in (self.tokens, self.others))
        return replace(self, tokens=tokens, others=others)


@dataclass(slots=True)
class SignMemory:
    """Signs of a stream, shared by all items of a process."""

    was_seen: bool = False
    companions: set[Companion] = field(default_factory=set)

    def note(self, report: SignReport) -> None:
        self.was_seen = True
        self.companions.update(report.companions[: MAX_COMPANIONS - len(self.companions)])

    def unknown_keys(self, report: SignReport) -> tuple[str, ...]:
        """Return keys that never stood beside the sign: it may have another name. Before it was seen, only tokens
        count."""
        found = (*report.tokens, *report.others) if self.was_seen else report.tokens
        unknown = tuple(key for key in found if (report.passed, key) not in self.companions)
        return unknown if self.was_seen else (*unknown, *report.elsewhere)


def report_found(body: Body, at: str) -> SignReport:
    companions: list[Companion] = []
    place = at
    while place:
        place, members = body.keys_beside(place)
        companions += [(place, key) for key in members if len(key) <= MAX_KEY_CHARACTERS]
    return SignReport(repr(at), companions=tuple(companions))


def report_missing(body: Body, at: str, asked: int | None = None) -> SignReport:
    passed, members = body.keys_beside(at)
    is_ahead = any(_leads_on(part) for part in passed.split(".") if part)
    tokens = tuple(key for key, value in members.items() if _is_token(key, value, is_ahead=is_ahead))
    others = tuple(
        key
        for key, value in members.items()
        if passed
        and key not in tokens
        and len(key) <= MAX_KEY_CHARACTERS
        and first_byte(value) == b'"'
        and _says(value)
        and not _leads_back(key)
    )
    lack = f"there is nothing at {at!r}"
    instead = body.explain_missing(at).removeprefix(f"{lack}: ")
    elsewhere = () if tokens else _tokens_elsewhere(body, passed, members)
    return SignReport(repr(at), lack, instead, passed, tokens=tokens, others=others, elsewhere=elsewhere, asked=asked)


_PLACE_PATTERN: Final = re.compile("pag|link|meta|cursor|continu|next|info|data|result|response")
"""Parts of names of objects in which APIs have their tokens."""


def _tokens_elsewhere(body: Body, passed: str, members: Mapping[str, Raw]) -> tuple[str, ...]:
    """At the top of the answer, and in the objects that stand at the top and at ``passed``."""
    top = body.keys_beside("next")[1]
    found = [key for key, value in top.items() if passed and _is_token(key, value, is_ahead=False)]
    for place, here in {passed: members, "": top}.items():
        for key, value in here.items():
            path = f"{place}.{key}" if place else key
            if _holds_token(key, value):
                found.append(path)
            elif _PLACE_PATTERN.search(key.lower()) and not _leads_back(key):
                found += [f"{path}.{name}" for name, each in _members(value).items() if _is_likely(name, each)]
    return tuple(dict.fromkeys(found))


def _is_likely(key: str, value: Raw) -> bool:
    """`after` is there on last pages too, beside `before`."""
    return _holds_token(key, value) or (_words(key) != {"after"} and _is_token(key, value, is_ahead=False))


def _holds_token(key: str, value: Raw) -> bool:
    """An object that goes back whole (MediaWiki), or a link (HAL)."""
    return ("continu" in key.lower() or _words(key) == {"next"}) and any(map(_says, _members(value).values()))


def _members(value: Raw) -> dict[str, Raw]:
    return msgspec.json.decode(value, type=dict[str, Raw]) if first_byte(value) == b"{" else {}


def onward_headers(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Headers that look as if they lead on."""
    return tuple(name for name, text in headers.items() if text.strip() and _leads_on(name.lower().removeprefix("x-")))


def onward_relation(rel: str, relations: Iterable[str]) -> tuple[str, ...]:
    """The relation `next`, where ``rel`` is another one. A list that is read backwards has it on its last page."""
    return ("next",) if "next" in relations and not _leads_back(rel) else ()


_ONWARD_PATTERN: Final = re.compile("continu|cursor|marker|scroll|bookmark")
_NEXT_COMPANION_WORDS: Final = frozenset(
    {
        "after", "cursor", "href", "id", "index", "key", "link", "marker", "offset", "page", "path", "query", "start",
        "token", "uri", "url", "continuation",
    }
)  # fmt: skip
"""Words that lead onward beside `next` only."""
_BACKWARD_PATTERN: Final = re.compile("prev|before|first|last|self|start|sync|delta|current|base|context|up$")
"""Parts of keys that lead back, to the list itself, or to a later run: `newStartPageToken`, `deltaLink`."""
_WORD_PATTERN: Final = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")


def _is_token(key: str, value: Raw, *, is_ahead: bool) -> bool:
    if not _says(value) or _leads_back(key) or len(key) > MAX_KEY_CHARACTERS:
        return False
    if bytes(value) == b"true":
        return bool({"more", "truncated", "next"} & _words(key))
    return is_ahead or _leads_on(key)


def _leads_on(key: str) -> bool:
    words = _words(key)
    return (
        _ONWARD_PATTERN.search(key.lower()) is not None
        or words in ({"next"}, {"after"})
        or ("next" in words and bool(words & _NEXT_COMPANION_WORDS))
    )


def _leads_back(key: str) -> bool:
    return _BACKWARD_PATTERN.search(key.lower()) is not None


def _words(key: str) -> set[str]:
    return {word.lower() for word in _WORD_PATTERN.findall(key)}


def _says(value: Raw) -> bool:
    return first_byte(value) in b'"-123456789t' and bytes(value) not in (b'""', b'"0"')


_SIZE_NAMES: Final = frozenset(
    {
        "limit", "pagelimit", "perpage", "pagesize", "size", "maxresults", "maxitems", "maxrecords", "maxpagesize",
        "count", "top", "first", "rows", "take", "resultsperpage", "itemsperpage", "recordsperpage", "sysparmlimit",
    }
)  # fmt: skip
"""Names of a page's size, in letters only."""
_MAX_DEPTH: Final = 2


def asked_sizes(query: Iterable[tuple[str, str]], body: object = None) -> set[int]:
    """A name is enough: all that hangs on it is whether a page without the sign is suspicious."""
    found = [_number(value) for name, value in query if is_size(name)] + _sizes_in(body, _MAX_DEPTH)
    return {number for number in found if number}


def _sizes_in(node: object, depth: int) -> list[int | None]:
    if not isinstance(node, Mapping) or not depth:
        return []
    found = [_number(value) for name, value in node.items() if is_size(str(name))]
    for value in node.values():
        found += _sizes_in(value, depth - 1)
    return found


def is_size(name: str) -> bool:
    return re.sub("[^a-z]", "", name.lower()) in _SIZE_NAMES


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


class SignTotals:
    """Counts of one item, for its receipt."""

    def __init__(self) -> None:
        self._were_seen: dict[str, bool] = {}

    def note(self, sign: str, *, was_seen: bool) -> None:
        self._were_seen[sign] = was_seen or self._were_seen.get(sign, False)

    @property
    def unseen(self) -> str:
        """Sign that no page had, though nothing else proves that the lists are whole."""
        return next((sign for sign, was_seen in self._were_seen.items() if not was_seen), "")


class StreamSigns:
    def __init__(self) -> None:
        self._memories: dict[str, SignMemory] = {}

    def of(self, sign: str) -> SignMemory:
        return self._memories.setdefault(sign, SignMemory())
