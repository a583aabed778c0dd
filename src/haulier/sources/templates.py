"""Words in braces: `{start}`, `{end}`, `{value}`, `{snapshot_time}` and `{parent.FIELD}` stand for a value of the item.

A word is one of ours or it is plain text: other braces, as in JSON or OData, stay as they are. What is nearly one of
ours (`{strat}`) is refused, since it would be sent to the API as it stands and quietly match nothing, or everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from urllib.parse import quote

from haulier.api.http.urls import Encoded
from haulier.errors import ItemError, UsageError

Word = str | int | float | bool
Words = Mapping[str, Word]

KNOWN = ("start", "end", "value", "snapshot_time")
PARENT = "parent."
ANY_PARENT = "parent.FIELD"
"""Any field of a parent's records, among the words that are allowed."""

# What servers and clients take out of a path before they read it.
_NO_SEGMENTS = ("", ".", "..")
_BRACES = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.-]*)\}")


class WordError(UsageError):
    """A word in braces that cannot be filled in here. ``problem`` and ``remedy`` are the halves of its text."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem} {remedy}")


def words_in(text: str) -> list[str]:
    """The words of ours in ``text``, in their order; raises `WordError` for what is nearly one."""
    found = []
    for name in _BRACES.findall(text):
        if name in KNOWN or (name.startswith(PARENT) and name != PARENT):
            found.append(name)
        else:
            _refuse_near_miss(name)
    return found


def check_words(text: str, allowed: Collection[str]) -> list[str]:
    """`words_in`; raises `WordError` also for one that stands for nothing here."""
    found = words_in(text)
    for name in found:
        if name not in allowed and not (ANY_PARENT in allowed and name.startswith(PARENT)):
            there = ", ".join(f"{{{word}}}" for word in allowed)
            raise WordError(
                f"{{{name}}} is not available here.", f"Available: {there}." if there else "Write the value itself."
            )
    return found


def fill(text: str, words: Words) -> str:
    """``text`` with each word of ``words`` replaced by its value. What is put in is not read again."""
    return _fill(text, words, as_text)


def fill_query(text: str, words: Words) -> str:
    """As `fill`, for a parameter: what is put into a value that is encoded already is encoded too."""
    return Encoded(_fill(text, words, _code)) if isinstance(text, Encoded) else fill(text, words)


def fill_path(path: str, words: Words) -> str:
    """As `fill`, for the path of a URL: a value stays in its segment; `ItemError` for one that cannot."""
    return _fill(path, words, _segment)


def fill_value(text: str, words: Words) -> Word:
    """As `fill`, for JSON: a word that stands alone keeps its type, so that a number is sent as a number."""
    word = lone_word(text)
    return words[word] if word is not None and word in words else fill(text, words)


def lone_word(text: str) -> str | None:
    """The word that is all of ``text``."""
    match = _BRACES.fullmatch(text)
    return None if match is None else match[1]


def as_text(value: Word) -> str:
    """A value as a query writes it: ``true`` and ``false`` as JSON does, numbers as Python does."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def strings_of(tree: object) -> Iterator[str]:
    """Every string among the values of a JSON value. Keys are no templates."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, Mapping):
        for value in tree.values():
            yield from strings_of(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from strings_of(value)


def _fill(text: str, words: Words, write: Callable[[Word], str]) -> str:
    return _BRACES.sub(lambda match: write(words[match[1]]) if match[1] in words else match[0], text)


def _segment(value: Word) -> str:
    text = as_text(value)
    if text in _NO_SEGMENTS:
        raise ItemError(f"{text!r} cannot be used in a path: it would lead to another path.")
    return _code(text)


def _code(value: Word) -> str:
    return quote(as_text(value), safe="", errors="surrogatepass")


def _refuse_near_miss(name: str) -> None:
    written = name.lower().replace("-", "_")
    if written in ("parent", PARENT) or written.startswith(PARENT):
        near = [ANY_PARENT]
    else:
        near = [known for known in KNOWN if _is_one_slip(written, known)]
    if near:
        raise WordError(f"{{{name}}} is not a placeholder.", f"Did you mean {{{near[0]}}}?")


def _is_one_slip(written: str, known: str) -> bool:
    """Whether one slip of the hand parts the two: a letter too much, too few, another, or two in the wrong order.

    The first letter must be right, and no more than one slip is guessed at: APIs have words of their own in braces.
    """
    if written[:1] != known[:1]:
        return False
    short, long = sorted((written, known), key=len)
    if len(long) - len(short) > 1:
        return False
    if len(short) < len(long):
        return any(long[:place] + long[place + 1 :] == short for place in range(len(long)))
    differing = [place for place in range(len(long)) if short[place] != long[place]]
    if len(differing) == 2:
        first, second = differing
        return second == first + 1 and short[first] == long[second] and short[second] == long[first]
    return len(differing) < 2
